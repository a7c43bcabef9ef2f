"""Network namespaces of a single test, and sockets made inside them without a process of their own."""

import ctypes
import os
import secrets
import threading

from .namespaces import METADATA, Namespace, _run

METADATA_V6 = "fe80::a9fe:a9fe"
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def inside(name, function, *arguments, **keywords):
    """What `function` returns when it runs in the namespace: sockets that it makes belong there, wherever they go.

    A thread of its own joins the namespace and ends afterwards.
    """
    result = {}

    def run():
        try:
            descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY)
            try:
                if libc.setns(descriptor, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot join the namespace {name}")
            finally:
                os.close(descriptor)
            result["value"] = function(*arguments, **keywords)
        except BaseException as failure:
            result["failure"] = failure

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if "failure" in result:
        raise result["failure"]
    return result["value"]


class DHCPNamespace(Namespace):
    """What the DHCP agent makes for an isolated network, without guests: they are sockets inside.

    The other end of `tap-1` is in here too, so nothing can leave, and the addresses are local.
    """

    def __init__(self, has_ipv6=True):
        self.names = []
        super().__init__(f"bh-{secrets.token_hex(4)}", self)
        self.ip("link", "add", "tap-1", "type", "veth", "peer", "name", "peer-1")
        for interface in ("tap-1", "peer-1"):
            self.ip("link", "set", interface, "up")
        self.ip("addr", "add", f"{METADATA}/32", "dev", "tap-1")
        if has_ipv6:
            self.ip("addr", "add", f"{METADATA_V6}/64", "dev", "tap-1", "nodad")

    def call(self, function, *arguments, **keywords):
        return inside(self.name, function, *arguments, **keywords)

    def close(self):
        _run("ip", "netns", "del", self.name, check=False)
