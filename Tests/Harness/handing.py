"""Both ends of the socket at which listeners are handed over, spoken by hand: for tests of each against the other."""

import array
import os
import socket
import struct

READY, ACCEPTED = b"ready\n", b"accepted\n"


def path_of(agent_socket):
    return f"{agent_socket}.listeners"


def offer(network, *lines):
    return "\n".join(["bellhop-listeners 1", f"network {network}", "headers neutron", *lines, ""]).encode()


def send(connected, data, descriptors=()):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    connected.sendmsg([data], rights)


def receive(connected):
    """(data, descriptors); b"" at the end."""
    data, control, _, _ = connected.recvmsg(65_536, socket.CMSG_SPACE(64 * 4))
    descriptors = array.array("i")
    for level, kind, payload in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
    return data, list(descriptors)


class FakeProxy:
    """Offers to an agent whatever it is told to."""

    def __init__(self, agent_socket, timeout=15.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        self.socket.connect(path_of(agent_socket))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def answer(self):
        return receive(self.socket)[0]

    def offer(self, data, descriptors=()):
        """What the agent answers, after its greeting."""
        assert self.answer() == READY
        send(self.socket, data, descriptors)
        return self.answer()

    def is_ended(self, seconds=10.0):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(65_536) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


class FakeAgent:
    """Takes connections of proxies, and does only what it is told to."""

    def __init__(self, agent_socket):
        self.path = path_of(agent_socket)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.listen(16)
        self.socket.settimeout(15)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        os.unlink(self.path)

    def next(self):
        """A proxy's connection."""
        connected, _ = self.socket.accept()
        connected.settimeout(15)
        return connected

    def take(self):
        """(connection, offer, descriptors) of a proxy that is served as it wants."""
        connected = self.next()
        connected.sendall(READY)
        data, descriptors = receive(connected)
        connected.sendall(ACCEPTED)
        return connected, data, descriptors


def peer_pid(connected):
    return struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
