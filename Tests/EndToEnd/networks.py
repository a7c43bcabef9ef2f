"""Many networks: a namespace for each, as behind a router, with a guest in it whose address is 127.0.0.1.

All of them have the same address, so an answer proves by the instance in it that the network was told from the others.
Each namespace has one end of a veth pair, the other end is in one namespace that only watches: an end disappears
when the kernel has freed the other one's namespace, which nothing else shows as well.
"""

import secrets
import subprocess

from Harness.programs import eventually

PORT = 9697
PROJECT = "0123456789abcdef0123456789abcdef"


class Network:
    def __init__(self, tag, number):
        self.number = number
        self.name = f"net-{number}"
        self.namespace = f"{tag}-{number}"
        self.watched = f"w{number}"
        self.id, self.router_id, self.instance_id = (
            f"6b1f0c9a-{kind}-4000-8000-{number:012x}" for kind in ("000a", "000b", "000c")
        )

    @property
    def prefix(self):
        return ["ip", "netns", "exec", self.namespace]


class Networks:
    def __init__(self, count):
        self.tag = "bs-" + secrets.token_hex(3)
        self.watcher = f"{self.tag}-watch"
        self.all = [Network(self.tag, number) for number in range(count)]
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        names = [self.watcher] + [network.namespace for network in self.all]
        batch([], [f"netns add {name}" for name in names])
        batch(
            ["-n", self.watcher],
            [f"link add {each.watched} type veth peer name qr-1 netns {each.namespace}" for each in self.all],
        )
        for network in self.all:
            batch(["-n", network.namespace], ["link set lo up"])

    def inventory(self):
        """The file that says which instance has which address where."""
        lines = ["networks:"]
        lines += [f"  {each.name}: {{id: {each.id}, cidr: 127.0.0.0/8}}" for each in self.all]
        lines += ["routers:"]
        lines += [f"  router-{each.number}: {{id: {each.router_id}, networks: [{each.name}]}}" for each in self.all]
        lines += ["defaults:", f"  project: {PROJECT}", "instances:"]
        for each in self.all:
            mac = "fa:16:3e:%02x:%02x:%02x" % (each.number >> 16, each.number >> 8 & 255, each.number & 255)
            where = f"network: {each.name}, mac: '{mac}', fixed_ip: 127.0.0.1"
            lines.append(f"  guest-{each.number}: {{uuid: {each.instance_id}, {where}}}")
        return "\n".join(lines) + "\n"

    # MARK: Freeing

    @property
    def unfreed(self):
        """Networks whose namespace the kernel still has, with a name or without."""
        done = subprocess.run(
            ["ip", "-n", self.watcher, "-o", "link", "show"], capture_output=True, text=True, check=True, timeout=30
        )
        ends = {line.split()[1].partition("@")[0].rstrip(":") for line in done.stdout.splitlines()}
        return [network for network in self.all if network.watched in ends]

    def delete(self):
        """Takes the names away; a namespace lives on while anyone uses it."""
        batch(["-force"], [f"netns del {each.namespace}" for each in self.all])

    def close(self):
        batch(["-force"], [f"netns del {each.namespace}" for each in self.all] + [f"netns del {self.watcher}"])


def batch(options, commands):
    """Many commands of ip in one process."""
    done = subprocess.run(
        ["ip", *options, "-batch", "-"], input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 or "-force" in options, done.stderr
