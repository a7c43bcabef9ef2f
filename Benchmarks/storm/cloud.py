"""The cloud that a storm hits: networks, guests and documents, a Nova with a delay, and a neutron-server on a RabbitMQ.

One network is one listener at an address of its own in 127.80.0.0/16; guests speak from 127.96.0.0/11. So the whole of
it is on loopback, with thousands of guests that each have an address, and needs no namespace.
"""

import contextlib
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / ".build/storm"

sys.path.insert(0, str(ROOT / "Tests"))

from Harness import broker as harness  # noqa: E402
from Harness import programs, wire  # noqa: E402
from Harness.neutron_server import NeutronServers  # noqa: E402
from Harness.programs import Program  # noqa: E402

PROJECT = "9d6c5f0e4b3a4c2d8e1f000000000001"
SECRET = "correct horse battery"
VERSION = "/openstack/2018-08-27"
TREE = "/latest/meta-data/"
PLACEHOLDER = "00000000-0000-0000-0000-000000000000"
# Addresses per network beyond its guests, for clients that are no instance.
SPARE = 256


class StormError(Exception):
    """What is missing or went wrong, and what to do."""


class Plan:
    """Where networks listen and who the guests are. Guest `i` is in network `i % networks`, as in `bellhop storm`."""

    def __init__(self, guests, networks, port, address=None, first=None):
        self.guests, self.networks, self.port = guests, networks, port
        self.address, self.first = address, first
        self.per_network = -(-guests // networks)

    def listen_address(self, network):
        return self.address or f"127.80.{network // 250}.{network % 250 + 1}"

    def guest_address(self, network, number):
        if self.first:
            prefix, _, last = self.first.rpartition(".")
            return f"{prefix}.{int(last) + number}"
        offset = network * (self.per_network + SPARE) + number + 1
        return f"127.{96 + (offset >> 16)}.{offset >> 8 & 255}.{offset & 255}"

    def network_id(self, network):
        return f"6b1f0c9a-0000-4000-8000-{network:012x}"

    def instance_id(self, guest):
        return f"f2b1c0de-0000-4000-8000-{guest:012x}"

    def guest_of_address(self):
        """The number of the guest at each address."""
        return {
            self.guest_address(guest % self.networks, guest // self.networks): guest for guest in range(self.guests)
        }

    def targets(self):
        """The words of `bellhop storm` that say where and from where."""
        words = []
        for network in range(self.networks):
            spare = 8 if self.first else SPARE
            first, last = (self.guest_address(network, n) for n in (0, self.per_network + spare - 1))
            words += [f"--at={self.listen_address(network)}:{self.port}", f"--source={first}-{last}"]
        return words

    def ports(self):
        """As neutron-server knows them."""
        return [
            {
                "id": self.instance_id(guest).replace("f2b1c0de", "0a0b0c0d"),
                "device_id": self.instance_id(guest),
                "device_owner": "compute:nova",
                "network_id": self.network_id(guest % self.networks),
                "tenant_id": PROJECT,
                "project_id": PROJECT,
                "mac_address": f"fa:16:3e:{guest >> 16 & 255:02x}:{guest >> 8 & 255:02x}:{guest & 255:02x}",
                "fixed_ips": [
                    {
                        "ip_address": self.guest_address(guest % self.networks, guest // self.networks),
                        "subnet_id": "6b1f0c9a-0000-4000-9000-00000000ffff",
                    }
                ],
                "status": "ACTIVE",
            }
            for guest in range(self.guests)
        ]


def documents():
    """A whole boot's: 28 requests, as Nova answers them for an instance with one key."""
    leaves = {
        **{"ami-id": "ami-00000001", "ami-launch-index": "0", "ami-manifest-path": "FIXME"},
        **{"hostname": "web.novalocal", "instance-action": "none", "instance-id": "i-00000001"},
        **{"instance-type": "m1.small"},
        **{"local-hostname": "web.novalocal", "local-ipv4": "10.0.0.5", "public-hostname": "web.novalocal"},
        **{"public-ipv4": "", "reservation-id": "r-00000001", "security-groups": "default"},
    }
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJustATestKeyThatOpensNothingAtAllxxxxxxx alice@example"
    metadata = {
        **{"uuid": PLACEHOLDER, "name": "web", "hostname": "web.novalocal", "launch_index": 0, "project_id": PROJECT},
        **{"availability_zone": "nova", "random_seed": "A" * 684, "public_keys": {"alice": key}, "devices": []},
        **{"keys": [{"name": "alice", "type": "ssh", "data": key}], "meta": {}, "dedicated_cpus": []},
    }
    link = {"id": "tap0a0b0c0d-00", "vif_id": "0a0b0c0d", "type": "ovs", "mtu": 1500}
    network = {"links": [{**link, "ethernet_mac_address": "fa:16:3e:00:00:01"}], "networks": [], "services": []}
    listing = [f"{name}/" for name in ("block-device-mapping", "placement", "public-keys")] + list(leaves)
    made = {
        "/openstack": "\n".join(["2012-08-10", "2016-10-06", "2018-08-27", "2020-10-14", "2025-04-04", "latest"]),
        f"{VERSION}/user_data": "#cloud-config\npackages: [nginx]\n",
        f"{VERSION}/vendor_data.json": "{}",
        f"{VERSION}/vendor_data2.json": '{"static": {}}',
        TREE: "\n".join(sorted(listing)),
        f"{TREE}block-device-mapping/": "ami\nroot",
        f"{TREE}block-device-mapping/ami": "vda",
        f"{TREE}block-device-mapping/root": "/dev/vda",
        f"{TREE}placement/": "availability-zone",
        f"{TREE}placement/availability-zone": "nova",
        f"{TREE}public-keys/": "0=alice",
        f"{TREE}public-keys/0/openssh-key": key,
        **{TREE + name: value for name, value in leaves.items()},
    }
    for version in (VERSION, "/openstack/latest"):
        made[f"{version}/meta_data.json"] = json.dumps(metadata)
        made[f"{version}/network_data.json"] = json.dumps(network)
    return made


class Nova:
    """Our C program. It can come late, and come again."""

    def __init__(self, folder, milliseconds, slow=None, before=()):
        """`slow` is (every so manieth instance, for which document, how many milliseconds)."""
        self.folder, self.before = folder, before
        self.port = wire.free_port()
        self.table = folder / "nova.table"
        with open(self.table, "wb") as table:
            for target, body in documents().items():
                kind = "application/json" if target.endswith(".json") else "text/plain; charset=UTF-8"
                table.write(f"{target} 200 {len(body.encode())} {kind}\n".encode() + body.encode())
        self.words = [BUILT / "nova", self.port, self.table, milliseconds, *(slow or ())]
        self.program = None

    def start(self):
        self.program = Program(self.words, self.folder, "nova", before=self.before)
        self.program.wait_for_output("ready")

    def stop(self):
        if self.program:
            self.program.kill()
            self.program = None


def compile_nova():
    source, target = ROOT / "Benchmarks/storm/nova.c", BUILT / "nova"
    BUILT.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["cc", *flags, "-o", target, source], check=True)


class Bus:
    """One RabbitMQ and one process of servers for all storms; each storm has a virtual host of its own."""

    def __init__(self, folder, cpus):
        self.stack = contextlib.ExitStack()
        self.count = 0
        try:
            self.broker = harness.Broker()
            self.stack.callback(self.broker.close)
            self.broker.start()
            self.servers = NeutronServers(folder)
            self.stack.callback(self.servers.close)
        except BaseException:
            self.stack.close()
            raise
        for pid in (self.servers.process.pid, self.broker.services["rabbitmq"].pid):
            pin(pid, cpus)

    def close(self):
        self.stack.close()


class Neutron:
    """neutron-server in a virtual host, and a wire to the broker that agents use, which can be cut."""

    def __init__(self, bus, plan, lookup_milliseconds, has_ports=True):
        self.bus, self.plan = bus, plan
        bus.count += 1
        vhost = f"storm-{bus.count}"
        bus.broker.add_vhost(vhost)
        url = harness.url(harness.HOST, bus.broker.port, harness.SERVER, harness.SERVER_PASSWORD, vhost)
        ports = plan.ports() if has_ports else []
        self.server = bus.servers.start(url, delay=lookup_milliseconds / 1000, ports=ports)
        self.wire = harness.Wire(bus.broker.port)
        # The broker's other user has a password that oslo.messaging's own URL parser breaks at.
        self.url = harness.url(harness.HOST, self.wire.port, harness.SERVER, harness.SERVER_PASSWORD, vhost)

    def bring_ports(self):
        self.server.change(ports=self.plan.ports())

    def close(self):
        self.server.drop()
        self.wire.__exit__()


def pin(pid, cpus):
    """Gives these CPUs to all threads of the process and of its descendants."""
    for each in [pid, *children(pid)]:
        words = ["taskset", "-a", "-c", "-p", ",".join(map(str, cpus)), str(each)]
        subprocess.run(words, capture_output=True, check=False)


def children(pid):
    """The ids of all descendants of a process."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, rest = [], [pid]
    while rest:
        for child in parents.get(rest.pop(), []):
            found.append(child)
            rest.append(child)
    return found


__all__ = ["Bus", "Neutron", "Nova", "Plan", "Program", "StormError", "compile_nova", "programs", "wire"]
