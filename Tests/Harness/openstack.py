"""The tests' view of a stack: its guests, what they ask from their namespaces, and what passes over its bus.

Needs Debian's python3-amqp for the bus; all else is the standard library and `scripts/stack`.
"""

import collections
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from . import programs

sys.path.insert(0, str(programs.ROOT / "scripts"))

from stack import configuration  # noqa: E402
from stack import namespaces as stack_namespaces  # noqa: E402
from stack import seed as stack_seed  # noqa: E402
from stack import settings as stack_settings  # noqa: E402
from stack.services import NAMES  # noqa: E402
from stack.settings import StackError  # noqa: E402,F401
from stack.stack import Stack  # noqa: E402

METADATA = "http://169.254.169.254"
METADATA_V6 = "http://[fe80::a9fe:a9fe%25eth0]"
DOCUMENT = "/openstack/latest/meta_data.json"


@dataclasses.dataclass
class Answer:
    """What a guest got. `status` 0 means that the connection brought no answer."""

    status: int
    body: bytes
    retry_after: str
    seconds: float

    @property
    def instance_id(self):
        """Of a meta_data.json; None for anything else."""
        try:
            return json.loads(self.body)["uuid"]
        except (ValueError, KeyError, TypeError):
            return None

    def __str__(self):
        return f"{self.status} after {self.seconds:.2f} s: {self.body[:200]!r}"


@dataclasses.dataclass
class Guest:
    """An instance, or an address that may become one, in a namespace of its own."""

    name: str
    namespace: str
    network: dict
    address: str
    mac: str
    hostname: str = ""
    instance_id: str = ""
    project_id: str = ""
    port_id: str = ""

    @property
    def prefix(self):
        """The words before a command that runs where the guest is."""
        return ["ip", "netns", "exec", self.namespace]

    @property
    def link_local(self):
        """The IPv6 address that the kernel makes from the MAC."""
        numbers = [int(part, 16) for part in self.mac.split(":")]
        numbers[0] ^= 2
        a, b, c, d, e, f = numbers
        groups = [a << 8 | b, c << 8 | 0xFF, 0xFE00 | d, e << 8 | f]
        return "fe80::" + ":".join(f"{group:x}" for group in groups)

    def curl(self, target, *words, base=METADATA, seconds=60):
        """Asks from the guest's namespace, never from the host's."""
        marks = "\n%{http_code} %{time_total} %header{retry-after}"
        command = [*self.prefix, "curl", "-sS", "-g", "--max-time", str(seconds), "-w", marks, *words, base + target]
        done = subprocess.run(command, capture_output=True, timeout=seconds + 20)
        body, _, last = done.stdout.rpartition(b"\n")
        status, total, *retry = last.decode().split(" ")
        return Answer(int(status), body or done.stderr, " ".join(retry), float(total))


class OpenStack:
    """A running stack."""

    def __init__(self, stack):
        self.stack = stack
        self.settings, self.services, self.cloud = stack.settings, stack.services, stack.cloud
        self.seed = stack.seed
        self.release = stack.settings.release
        self.networks = self.seed["networks"]
        self.guests = {}
        for name, known in self.seed["guests"].items():
            fields = {key: known[key] for key in ("mac", "hostname", "instance_id", "project_id", "port_id")}
            self.guests[name] = self._guest(name, known["network"], known["ip"], **fields)
        for name, network, number in stack_namespaces.VISITORS:
            address = f"{self.networks[network]['prefix']}.{number}"
            self.guests[name] = self._guest(name, network, address, mac=stack_namespaces.visitor_mac(network, number))

    def _guest(self, name, network, address, **fields):
        return Guest(name, self.stack.namespaces.guest(name), self.networks[network], address, **fields)

    @property
    def instances(self):
        """The guests that have a port, by name."""
        return {name: guest for name, guest in self.guests.items() if guest.instance_id}

    def spare(self, project, number=0):
        """An instance that Nova knows and that has no port."""
        return self.seed["spares"][f"{project}-spare-{number}"]

    # MARK: What tests change in the cloud

    def new_instances(self, project, count):
        """Instances without ports that no other test uses. One call for many: loading Nova's code takes seconds."""
        made = [stack_seed.instance(self.seed["projects"][project], f"{project}-new-{n}") for n in range(count)]
        stack_seed.change_instances(self.settings, create=made)
        return made

    def delete_instances(self, *instances):
        stack_seed.change_instances(self.settings, delete=instances)

    def create_port(self, guest, instance, more=None):
        """Gives the guest's address to an instance; the port's id."""
        port = self.cloud.create(
            "port",
            network_id=guest.network["network_id"],
            project_id=instance["project_id"],
            device_id=instance["instance_id"],
            device_owner="compute:nova",
            mac_address=guest.mac,
            fixed_ips=[{"subnet_id": guest.network["subnet_id"], "ip_address": guest.address}],
            **(more or {}),
        )
        return port["id"]

    # MARK: What tests break

    def let_nova_remember(self, seconds):
        """Restarts Nova with a cache of that length. It asks neutron-server about each instance that it reads anew."""
        configuration.write_nova(self.settings, seconds)
        self.services.restart("nova")

    def heal(self):
        """Starts whatever does not run, in order, and waits until all of it is ready."""
        for name in NAMES:
            self.services[name].signal_all(signal.SIGCONT)
            self.services.launch(name)
        for name in NAMES:
            self.services.wait(name, 120)

    def close_connections(self, pid, reason="closed by a test"):
        """Lets the broker close every connection of a process, and returns how many there were."""
        ports = _local_ports(pid)
        lines = self.services.rabbitmqctl("list_connections", "--no-table-headers", "pid", "peer_port").splitlines()
        found = [line.split("\t")[0] for line in lines if "\t" in line and line.split("\t")[1].strip() in ports]
        for connection in found:
            self.services.rabbitmqctl("close_connection", connection, reason)
        return len(found)


def _local_ports(pid):
    """The local ports of a process's and its children's TCP connections."""
    family = {str(pid)}
    for _ in range(3):
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[1] in family:
                family.add(entry.parent.name)
    ports = set()
    for line in subprocess.run(["ss", "-Htnp"], capture_output=True, text=True, check=True).stdout.splitlines():
        if any(f"pid={member}," in line for member in family):
            ports.add(line.split()[3].rpartition(":")[2])
    return ports


def start():
    """(stack, whether it was started here): the one that BELLHOP_STACK names if it runs, or else a new one."""
    named = os.environ.get("BELLHOP_STACK")
    if named and stack_settings.exists(pathlib.Path(named)):
        stack = Stack.open(pathlib.Path(named))
        stack.settings.refuse_another_release()
        if stack.is_running:
            return OpenStack(stack), False
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-stack-"))
    began = time.monotonic()
    stack = Stack.open_or_create(folder, stack_settings.free_first_port())
    try:
        stack.up(say=lambda text: print(f"stack: {text} ({time.monotonic() - began:.0f} s)"))
    except BaseException:
        stack.down(purge=not isinstance(sys.exc_info()[1], StackError))
        raise
    return OpenStack(stack), True


class BusCopy:
    """Copies of all requests that agents send to neutron-server, while it is open.

    A queue of its own is bound to the exchange `neutron` with the keys of neutron-server's two queues, so the broker
    copies each message into it: what is counted is what went over the bus, and nobody is slowed down by it. (The
    broker's own tracing would copy everything, and needs a plugin to be read.) It is emptied all the time, because
    requests carry an expiration.
    """

    KEYS = ("q-plugin", "q-reports-plugin")

    def __init__(self, settings):
        self.settings = settings
        self.messages = []
        self._ended = threading.Event()

    def __enter__(self):
        import amqp  # Debian's python3-amqp; nothing else in here needs it

        settings = self.settings
        self.connection = amqp.Connection(
            host=f"127.0.0.1:{settings.ports['rabbitmq']}",
            userid=settings.rabbit_user,
            password=settings.rabbit_password,
            virtual_host=settings.vhost,
        )
        self.connection.connect()
        channel = self.connection.channel()
        queue = channel.queue_declare(f"copy-{uuid.uuid4().hex}", exclusive=True, auto_delete=True).queue
        for key in self.KEYS:
            channel.queue_bind(queue, "neutron", key)
        channel.basic_consume(queue, no_ack=True, callback=self._take)
        self.thread = threading.Thread(target=self._drain, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self.thread.join(10)
        self.connection.close()

    def _drain(self):
        while not self._ended.is_set():
            try:
                self.connection.drain_events(timeout=0.2)
            except TimeoutError:
                continue

    def _take(self, message):
        outer = json.loads(message.body)
        self.messages.append((message.delivery_info["routing_key"], json.loads(outer["oslo.message"])))

    def settled(self, quiet=0.7):
        """All messages, once none has come for `quiet` seconds."""
        count = -1
        while count != len(self.messages):
            count = len(self.messages)
            time.sleep(quiet)
        return self.messages

    def lookups(self):
        """The arguments of each `get_ports`."""
        return [inner["args"] for _, inner in self.settled() if inner["method"] == "get_ports"]

    def methods(self):
        return collections.Counter(inner["method"] for _, inner in self.settled())
