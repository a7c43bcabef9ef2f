"""The seeded networks as namespaces, as the L3 and DHCP agents would make them.

    guest --+                                    guest --+
            +-- bridge -- qrouter-ID                     +-- bridge -- qdhcp-ID
    guest --+   (169.254.169.254:80 is                   |   (169.254.169.254 and fe80::a9fe:a9fe on the tap)
                 redirected to port 9697)

Beside the seed's guests each of `routed` and `isolated` has a `late` one, whose port a test may create, and a
`stranger` without any. No namespace has a link to the root namespace, so nothing in here can reach a metadata service of this
machine's own.
"""

import json
import subprocess

from .settings import ENVIRONMENT, StackError

METADATA = "169.254.169.254"
METADATA_V6 = "fe80::a9fe:a9fe"
# Guests without a port of the seed's: name, network, last number of the address and of the MAC.
VISITORS = (
    ("routed-late", "routed", 50),
    ("isolated-late", "isolated", 50),
    ("routed-stranger", "routed", 99),
    ("isolated-stranger", "isolated", 99),
)


def _run(*words):
    words = [str(word) for word in words]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
    if done.returncode != 0:
        raise StackError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def visitor_mac(network, number):
    return f"fa:16:3f:{77 if network == 'routed' else 78:02d}:00:{number:02d}"


class Namespaces:
    def __init__(self, settings, seed):
        self.settings, self.seed = settings, seed
        self.record = settings.run / "namespaces.json"

    def guest(self, name):
        """The namespace's name of a guest."""
        return f"{self.settings.tag}-{name}"

    @property
    def names(self):
        return json.loads(self.record.read_text()) if self.record.exists() else []

    def up(self):
        """False if all are there."""
        existing = {line.split()[0] for line in _run("ip", "netns", "list").splitlines() if line}
        if self.names and existing.issuperset(self.names):
            return False
        self.down()
        try:
            for network in self.seed["networks"].values():
                self._build(network)
        except BaseException:
            self.down()
            raise
        return True

    def down(self):
        """Removes them; their links and rules go with them."""
        for name in reversed(self.names):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, env=ENVIRONMENT, check=False)
        self.record.unlink(missing_ok=True)

    # MARK: Building

    def _build(self, network):
        switch = self._add(f"{self.settings.tag}-sw-{network['name']}")
        self._ip(switch, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self._ip(switch, "link", "set", "br0", "up")
        if network["router_id"]:
            self._router(switch, network)
        else:
            self._dhcp(switch, network)
        guests = [(name, guest["mac"], guest["ip"]) for name, guest in self.seed["guests"].items()
                  if guest["network"] == network["name"]]
        guests += [(name, visitor_mac(of, number), f"{network['prefix']}.{number}") for name, of, number in VISITORS
                   if of == network["name"]]
        for number, (name, mac, address) in enumerate(guests):
            namespace = self._add(self.guest(name))
            self._plug(switch, f"g{number}", namespace, "eth0", mac, f"{address}/24")
            if network["gateway"]:
                self._ip(namespace, "route", "add", "default", "via", network["gateway"])
            else:
                # The DHCP agent announces it as a classless static route.
                self._ip(namespace, "route", "add", f"{METADATA}/32", "via", network["dhcp_ip"])

    def _router(self, switch, network):
        router = self._add(f"qrouter-{network['router_id']}")
        interface = "qr-" + network["router_port_id"][:11]
        self._plug(switch, "router", router, interface, network["router_mac"], f"{network['gateway']}/24")
        self._ip(router, "addr", "add", f"{METADATA_V6}/64", "dev", interface, "nodad")
        self._exec(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for command, address in (("iptables", f"{METADATA}/32"), ("ip6tables", f"{METADATA_V6}/128")):
            rule = [command, "-w"]
            asks = ["-d", address, "-i", "qr-+", "-p", "tcp", "-m", "tcp", "--dport", "80"]
            mark = ["-j", "MARK", "--set-xmark", "0x1/0xffff"]
            self._exec(router, *rule, "-t", "mangle", "-A", "PREROUTING", *asks, *mark)
            self._exec(router, *rule, "-t", "nat", "-A", "PREROUTING", *asks, "-j", "REDIRECT", "--to-ports", "9697")
            self._exec(router, *rule, "-A", "INPUT", "-m", "mark", "--mark", "0x1/0xffff", "-j", "ACCEPT")
            self._exec(router, *rule, "-A", "INPUT", "-p", "tcp", "-m", "tcp", "--dport", "9697", "-j", "DROP")

    def _dhcp(self, switch, network):
        dhcp = self._add(f"qdhcp-{network['network_id']}")
        tap = tap_name(network)
        self._plug(switch, "dhcp", dhcp, tap, network["dhcp_mac"], f"{network['dhcp_ip']}/24")
        self._ip(dhcp, "addr", "add", f"{METADATA}/32", "dev", tap)
        self._ip(dhcp, "addr", "add", f"{METADATA_V6}/64", "dev", tap, "nodad")

    def _add(self, name):
        _run("ip", "netns", "add", name)
        self.record.write_text(json.dumps([*self.names, name]))
        self._ip(name, "link", "set", "lo", "up")
        for family in ("all", "default"):
            self._exec(name, "sysctl", "-qw", f"net.ipv6.conf.{family}.accept_dad=0")
        return name

    def _plug(self, switch, port, namespace, interface, mac, address):
        self._ip(switch, "link", "add", f"p-{port}", "type", "veth", "peer", "name", interface, "netns", namespace)
        self._ip(switch, "link", "set", f"p-{port}", "master", "br0", "up")
        self._ip(namespace, "link", "set", interface, "address", mac)
        self._ip(namespace, "addr", "add", address, "dev", interface)
        self._ip(namespace, "link", "set", interface, "up")

    def _ip(self, namespace, *words):
        _run("ip", "-n", namespace, *words)

    def _exec(self, namespace, *words):
        _run("ip", "netns", "exec", namespace, *words)


def tap_name(network):
    return "tap" + network["dhcp_port_id"][:11]
