class Recorded:
    """A socket that remembers what came."""

    def __init__(self, connected):
        self._socket = connected
        self.received = b""

    def recv(self, size):
        got = self._socket.recv(size)
        self.received += got
        return got

    def __getattr__(self, name):
        return getattr(self._socket, name)
