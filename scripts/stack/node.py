"""A network node: Debian's L3, DHCP and linuxbridge agents, as an operator would run them beside the control plane.

    guest == tap --+                      +-- tap == qr-... in qrouter-ID  (L3 agent; radvd, haproxy)
                   +-- bridge brq... -----+
    guest == tap --+   (linuxbridge agent)+-- tap == ns-... in qdhcp-ID    (DHCP agent; dnsmasq, haproxy)

It is not part of `up`: whoever needs it starts it. The L3 and DHCP agents start the `haproxy` that comes first in
their PATH.

The node has a network namespace of its own, whose only way out is one port of its loopback that leads to the broker;
no bridge, rule or address of the agents' reaches this machine. And it has a mount namespace with its own /run/netns:
an L3 agent removes every router's namespace there that it does not know, so it must not see other stacks' or a real
node's. `stack node COMMAND` runs a command in it, for example `ip netns`.
"""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess

from . import node_configuration, processes
from .processes import Process
from .settings import ENVIRONMENT, StackError

HOST = "stack-node"
# In the order of starting. `node` holds the namespaces, `link` is the way to the broker.
NAMES = ("node", "link", "linuxbridge", "l3", "dhcp")
AGENTS = {
    "linuxbridge": ("neutron-linuxbridge-agent", "Linux bridge agent"),
    "l3": ("neutron-l3-agent", "L3 agent"),
    "dhcp": ("neutron-dhcp-agent", "DHCP agent"),
}
# /sys shows the devices of the namespace it was mounted in, and the linuxbridge agent looks for taps there. It takes
# its identity from the MAC of any device, hence the bridge.
MAKE_NODE = """
mount -t sysfs sysfs /sys
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
ip link set lo up
ip link add br-node type bridge
ip netns attach node $$
exec sleep infinity
"""
# What the agents need of the kernel; each is tried in a namespace that is gone at once.
TABLES = ("filter", "nat", "mangle", "raw")
NEEDS = (
    "mount -t sysfs sysfs /sys",
    "mount -t tmpfs tmpfs /run",
    "ip link add br0 type bridge",
    "ip link add tap0 type veth peer name eth0",
    *(f"{command} -w -t {table} -S" for command in ("iptables", "ip6tables") for table in TABLES),
    "ebtables -t nat -L",
    "test -e /proc/sys/net/ipv6/conf/lo",
)


class Node:
    def __init__(self, settings, cloud):
        self.settings, self.cloud = settings, cloud
        self.state = settings.data / "node"
        self.etc = settings.etc / "node"
        self.processes = {name: Process(settings, name) for name in NAMES}

    def __getitem__(self, name):
        return self.processes[name]

    # MARK: Life

    def obstacle(self):
        """Why this machine cannot have a node; None if it can."""
        for need in NEEDS:
            words = ["unshare", "--mount", "--net", "sh", "-ec", need]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
            if done.returncode != 0:
                return f"{need}: {(done.stderr or done.stdout).strip()}"
        return None

    def up(self, metadata):
        """Starts what does not run, and returns when the Neutron server knows all agents alive."""
        if not self["node"].pid:
            # What the files there speak of went with the namespaces.
            shutil.rmtree(self.state, ignore_errors=True)
        self.configure(metadata)
        words = ["unshare", "--mount", "--net", "sh", "-ec", MAKE_NODE]
        self["node"].start(words)
        self["node"].wait_until(lambda: "node" in self.namespaces(), 10)
        # In the node's mount namespace, where haproxy finds the name, but in this machine's network.
        self["link"].start([*self._enter("--mount"), "haproxy", "-db", "-f", self.etc / "link.cfg"])
        self.start(*AGENTS)

    def configure(self, metadata):
        """Writes the agents' files; what runs keeps what it has read."""
        node_configuration.write(self.settings, HOST, self.etc, self.state, metadata)

    def down(self):
        """Stops the agents and whatever they started; all namespaces go with it. Returns the names of what ran."""
        ended = self.stop(*AGENTS)
        if self["node"].pid:
            # Proxies, dnsmasq and radvd outlive their agents.
            processes.end_all(self.pids())
        processes.end_all(self._strays())
        return ended + self.stop("link") + self.stop("node")

    def start(self, *names):
        """Starts agents side by side, and returns when the server has heard of each one that was started here."""
        before = {name: self._started_at(name) for name in names}
        started = [name for name in names if self._launch(name)]
        for name in names:
            told = before[name] if name in started else None
            self[name].wait_until(lambda: self._has_reported(name, told), 60)  # noqa: B023

    def stop(self, *names, **how):
        """Stops agents side by side; what they have started stays. Returns the names of those that ran."""
        with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
            ran = list(pool.map(lambda name: self[name].stop(**how), names))
        return [name for name, did in zip(names, ran) if did]

    def restart(self, *names, **how):
        self.stop(*names, **how)
        self.start(*names)

    def _launch(self, name):
        """False if it runs already."""
        files = ("neutron.conf", f"{name}_agent.ini")
        words = [AGENTS[name][0], *(word for file in files for word in ("--config-file", self.etc / file))]
        return self[name].start([*self.prefix(), *words], {"PATH": (self.etc / "path").read_text()})

    def agent(self, name):
        """What the server says of an agent; None if it never heard of it."""
        found = self.cloud.agents(host=HOST, agent_type=AGENTS[name][1])
        return found[0] if found else None

    def _started_at(self, name):
        """When the server first heard of the process that reports now; "" for never."""
        return (self.agent(name) or {}).get("started_at", "")

    def _has_reported(self, name, before):
        found = self.agent(name)
        return bool(found and found["alive"] and found["started_at"] != before)

    # MARK: Inside

    def namespaces(self):
        """The names of all: the node's own, what agents made, and what else was made in here."""
        try:
            return sorted(os.listdir(f"/proc/{self['node'].pid}/root/run/netns"))
        except FileNotFoundError:
            return []

    def namespace_ids(self):
        """{number: name} of those with a device of the node's. One whose name was removed stays as long as anything
        uses it."""
        lines = [line.partition(" (iproute2 netns name: ") for line in self.run("ip", "netns", "list-id").splitlines()]
        return {number.removeprefix("nsid ").strip(): name.rstrip(") ") for number, _, name in lines}

    def namespace_id(self, name):
        return next(number for number, found in self.namespace_ids().items() if found == name)

    def pids(self, *namespaces):
        """Who is in these namespaces; in all if none is named."""
        return [
            int(pid)
            for name in namespaces or self.namespaces()
            for pid in self.run("ip", "netns", "pids", name).split()
            if int(pid) != self["node"].pid
        ]

    def _strays(self):
        """Who still has the node's files and is in a network namespace other than this machine's. An agent that ends
        while it deletes a router may leave a radvd in a namespace without a name."""
        here, found = os.stat("/proc/self/ns/net").st_ino, []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if str(self.state).encode() + b"/" in (entry / "cmdline").read_bytes():
                    found += [int(entry.name)] if os.stat(entry / "ns/net").st_ino != here else []
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def prefix(self, namespace=None):
        """The words before a command that runs in the node, or in one of the namespaces in there."""
        return [*self._enter("--mount", "--net"), *(["ip", "netns", "exec", namespace] if namespace else [])]

    def run(self, *words, namespace=None, check=True):
        """Runs a command to its end, and returns its output."""
        words = [str(word) for word in [*self.prefix(namespace), *words]]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
        if check and done.returncode != 0:
            raise StackError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _enter(self, *which):
        pid = self["node"].pid
        if pid is None:
            raise StackError("the network node does not run: `scripts/stack node up` starts it")
        return ["nsenter", "--target", str(pid), *which, "--"]
