"""Two Neutron networks as namespaces: one behind a router, one isolated with the DHCP port's address.

    guest --+                                    guest --+
            +-- bridge -- qrouter-ID                     +-- bridge -- qdhcp-ID
    guest --+   (iptables: 169.254.169.254:80            |   (169.254.169.254 and fe80::a9fe:a9fe on the tap)
                 is redirected to port 9697)

This is what the L3 and DHCP agents make. No namespace has a link to the root namespace, so nothing here can reach a
metadata service of the machine that runs the tests. Names carry a random part; `close` removes them all.
"""

import os
import secrets
import shutil
import subprocess
import uuid

METADATA = "169.254.169.254"


class Unavailable(Exception):
    """This machine cannot have the namespaces, and why."""


def _run(*words, check=True):
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    if check and done.returncode != 0:
        raise Unavailable(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done


class Namespace:
    def __init__(self, name, lab):
        self.name = name
        _run("ip", "netns", "add", name)
        lab.names.append(name)
        self.ip("link", "set", "lo", "up")
        for family in ("all", "default"):
            self.sysctl(f"net.ipv6.conf.{family}.accept_dad=0")

    def ip(self, *words):
        _run("ip", "-n", self.name, *words)

    @property
    def prefix(self):
        """The words before a command that runs in here."""
        return ["ip", "netns", "exec", self.name]

    def run(self, *words, check=True):
        return _run(*self.prefix, *words, check=check)

    def sysctl(self, setting):
        self.run("sysctl", "-qw", setting, check=False)

    def iptables(self, *words):
        self.run("iptables", "-w", *words)


class Guest(Namespace):
    """A namespace that stands for an instance: one interface with the port's MAC and address."""

    def __init__(self, name, lab, mac, address):
        super().__init__(name, lab)
        self.mac, self.address = mac, address


class Lab:
    """`routed` guests reach the router's redirect, `isolated` guests the DHCP port. Ids are fresh UUIDs."""

    def __init__(self, routed, isolated):
        """Each of both is a list of (MAC, address); addresses from 10.77.0.0/24 and 10.78.0.0/24."""
        if os.geteuid() != 0:
            raise Unavailable("making network namespaces needs root")
        for command in ("ip", "iptables", "sysctl"):
            if shutil.which(command, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
                raise Unavailable(f"{command} is not installed: run `make setup`")
        self.names = []
        self.router_id, self.routed_network_id, self.isolated_network_id = (str(uuid.uuid4()) for _ in range(3))
        self.tag = "bh-" + secrets.token_hex(3)
        try:
            self._build(routed, isolated)
        except BaseException:
            self.close()
            raise

    def _build(self, routed, isolated):
        switch = self._switch("r")
        self.router = Namespace(f"qrouter-{self.router_id}", self)
        self._plug(switch, "up", self.router, "qr-1", "fa:16:3e:77:00:01", "10.77.0.1/24")
        match = ("-d", f"{METADATA}/32", "-i", "qr-+", "-p", "tcp", "-m", "tcp", "--dport", "80")
        self.router.iptables("-t", "mangle", "-A", "PREROUTING", *match, "-j", "MARK", "--set-xmark", "0x1/0xffff")
        self.router.iptables("-t", "nat", "-A", "PREROUTING", *match, "-j", "REDIRECT", "--to-ports", "9697")
        self.router.iptables("-A", "INPUT", "-m", "mark", "--mark", "0x1/0xffff", "-j", "ACCEPT")
        self.router.iptables("-A", "INPUT", "-p", "tcp", "-m", "tcp", "--dport", "9697", "-j", "DROP")
        self.routed = [self._guest(switch, f"r{i}", *port) for i, port in enumerate(routed)]
        for guest in self.routed:
            guest.ip("route", "add", "default", "via", "10.77.0.1")

        switch = self._switch("i")
        self.dhcp = Namespace(f"qdhcp-{self.isolated_network_id}", self)
        self._plug(switch, "up", self.dhcp, "tap-1", "fa:16:3e:78:00:02", "10.78.0.2/24")
        self.dhcp.ip("addr", "add", f"{METADATA}/32", "dev", "tap-1")
        self.dhcp.ip("addr", "add", "fe80::a9fe:a9fe/64", "dev", "tap-1", "nodad")
        self.isolated = [self._guest(switch, f"i{i}", *port) for i, port in enumerate(isolated)]
        for guest in self.isolated:
            guest.ip("route", "add", f"{METADATA}/32", "via", "10.78.0.2")

    def _switch(self, suffix):
        switch = Namespace(f"{self.tag}-sw{suffix}", self)
        switch.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
        switch.ip("link", "set", "br0", "up")
        return switch

    def _plug(self, switch, port, namespace, interface, mac, address):
        switch.ip("link", "add", f"p-{port}", "type", "veth", "peer", "name", interface, "netns", namespace.name)
        switch.ip("link", "set", f"p-{port}", "master", "br0", "up")
        namespace.ip("link", "set", interface, "address", mac)
        namespace.ip("addr", "add", address, "dev", interface)
        namespace.ip("link", "set", interface, "up")

    def _guest(self, switch, name, mac, address):
        guest = Guest(f"{self.tag}-{name}", self, mac, address)
        self._plug(switch, name, guest, "eth0", mac, f"{address}/24")
        return guest

    def close(self):
        """Removes the namespaces; their links and rules go with them."""
        for name in reversed(self.names):
            _run("ip", "netns", "del", name, check=False)
        self.names = []
