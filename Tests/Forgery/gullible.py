"""A proxy that gets everything wrong: it writes its headers in front of the guest's, once, and then looks away.

With it in front of our agent a guest can be whoever it wants. That is how the tests know that they would notice.
"""

import socket
import threading

from . import people
from .chains import Chain


class Gullible(Chain):
    def start_front(self):
        self.listener = socket.create_server(self.where, backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        super().__exit__()

    def _accept(self):
        while True:
            try:
                guest, (address, _) = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(guest, address), daemon=True).start()

    def _relay(self, guest, address):
        agent = socket.socket(socket.AF_UNIX)
        agent.connect(str(self.socket))
        line, _, rest = guest.recv(1 << 16).partition(b"\r\n")
        headers = f"X-Forwarded-For: {address}\r\nX-Neutron-Network-ID: {people.HOME}\r\n"
        agent.sendall(line + b"\r\n" + headers.encode() + rest)
        back = threading.Thread(target=_pass, args=(agent, guest), daemon=True)
        back.start()
        _pass(guest, agent)
        back.join()
        guest.close()
        agent.close()


def _pass(source, target):
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
