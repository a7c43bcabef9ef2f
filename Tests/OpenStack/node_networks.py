"""Networks on a network node: made through Neutron's API, built by its agents, with guests plugged in as Nova would.

Each has an IPv4 and an IPv6 subnet, and two guests whose instances Nova knows. What agents make of it is read from
where they keep it: their pid files, their haproxy files and the namespaces of the node.
"""

import contextlib
import subprocess
import uuid

from Harness.openstack import DOCUMENT, METADATA, METADATA_V6, Guest
from Harness.programs import eventually
from node_proxies import SECONDS, Proxy
from stack.node import HOST

# Names of everything made here, so that what a broken run left can be removed.
PREFIX = "node-"
HOSTS = (20, 21)
KEEP_OPEN = """
import socket, sys
connection = socket.create_connection(("169.254.169.254", 80), 60)
connection.sendall(b"GET / HTTP/1.1\\r\\nHost: metadata\\r\\n\\r\\n")
print(connection.recv(65536).partition(b"\\r\\n")[0].decode(), flush=True)
sys.stdin.read()
"""


class NodeGuest(Guest):
    """A guest in a namespace of the node's."""

    @property
    def prefix(self):
        return self.node.prefix(self.namespace)


class NodeNetwork:
    """A network; behind a router of its own, or isolated and served by the DHCP agent."""

    def __init__(self, openstack, name, number, project, is_routed):
        self.openstack, self.node, self.cloud = openstack, openstack.stack.node, openstack.cloud
        self.name, self.is_routed, self.project = PREFIX + name, is_routed, project
        self.prefix, self.prefix_v6 = f"10.9{number}.0", f"fd00:9{number}::"
        self.guests, self.router = [], None

    def create(self):
        """Through the API, and without waiting for any agent."""
        local = {"provider:network_type": "local"}
        self.network = self.cloud.create("network", name=self.name, **local)
        gateway = {} if self.is_routed else {"gateway_ip": None}
        v4 = self._subnet(4, f"{self.prefix}.0/24", enable_dhcp=not self.is_routed, **gateway)
        if not self.is_routed:
            mode = "dhcpv6-stateful"
            self._subnet(6, f"{self.prefix_v6}/64", ipv6_address_mode=mode, ipv6_ra_mode=mode, **gateway)
            where = f"agents/{self.node.agent('dhcp')['id']}/dhcp-networks"
            self.cloud.neutron("POST", where, {"network_id": self.network["id"]})
            self.proxy = Proxy(self.node, "qdhcp", self.network["id"])
            return self
        v6 = self._subnet(6, f"{self.prefix_v6}/64", ipv6_address_mode="slaac", ipv6_ra_mode="slaac")
        self.router = self.cloud.create("router", name=self.name)
        self.add_interfaces([v4, v6])
        self.proxy = Proxy(self.node, "qrouter", self.router["id"])
        return self

    def _subnet(self, version, cidr, **more):
        made = self.cloud.create("subnet", network_id=self.network["id"], ip_version=version, cidr=cidr, **more)
        return made["id"]

    def _change_interface(self, verb, subnet):
        self.cloud.neutron("PUT", f"routers/{self.router['id']}/{verb}_router_interface", {"subnet_id": subnet})

    def ports(self, **filters):
        query = "&".join(f"{name}={value}" for name, value in {"network_id": self.network["id"], **filters}.items())
        return self.cloud.neutron("GET", f"ports?{query}")["ports"]

    # MARK: Guests

    def plug_guests(self):
        """Two guests, without waiting for the linuxbridge agent."""
        for number, host in enumerate(HOSTS):
            instance = self.openstack.spare(self.project, number)
            port = self.cloud.create(
                "port",
                network_id=self.network["id"],
                name=f"{self.name}-{number}",
                project_id=instance["project_id"],
                device_id=instance["instance_id"],
                device_owner="compute:nova",
                fixed_ips=[{"ip_address": f"{self.prefix}.{host}"}],
                **{"binding:host_id": HOST},
            )
            self.guests.append(self._guest(number, port, instance))

    def _guest(self, number, port, instance):
        guest = NodeGuest(
            name=port["name"],
            namespace=port["name"],
            network={"network_id": self.network["id"]},
            address=f"{self.prefix}.{HOSTS[number]}",
            mac=port["mac_address"],
            hostname=instance["hostname"],
            instance_id=instance["instance_id"],
            project_id=instance["project_id"],
            port_id=port["id"],
        )
        guest.node, inside = self.node, ["ip", "-n", guest.namespace]
        self.node.run("ip", "netns", "add", guest.namespace)
        self.node.run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", namespace=guest.namespace)
        tap = "tap" + port["id"][:11]
        peer = ["type", "veth", "peer", "name", "eth0", "address", guest.mac, "netns", guest.namespace]
        self.node.run("ip", "link", "add", tap, *peer)
        # An instance's tap is for Nova to put into the bridge, which the linuxbridge agent may have made before.
        bridge = "brq" + self.network["id"][:11]
        self.node.run("ip", "link", "add", bridge, "type", "bridge", check=False)
        for device in (bridge, tap):
            self.node.run("ip", "link", "set", device, "up")
        self.node.run("ip", "link", "set", tap, "master", bridge)
        self.node.run(*inside, "addr", "add", f"{guest.address}/24", "dev", "eth0")
        self.node.run(*inside, "link", "set", "eth0", "up")
        return guest

    def ready(self):
        """Waits for the agents, and gives the guests the routes that they would get by DHCP and from radvd."""
        self.proxy.wait()
        guests = {guest.port_id for guest in self.guests}
        done = lambda: guests <= {port["id"] for port in self.ports() if port["status"] == "ACTIVE"}  # noqa: E731
        eventually(done, SECONDS, f"the guests' ports of {self.name}")
        for guest in self.guests:
            inside = ["ip", "-n", guest.namespace, "route", "replace"]
            if not self.is_routed:
                [dhcp] = self.ports(device_owner="network:dhcp")
                address = next(each["ip_address"] for each in dhcp["fixed_ips"] if "." in each["ip_address"])
                self.node.run(*inside, "169.254.169.254/32", "via", address)
                continue
            self.node.run(*inside, "default", "via", f"{self.prefix}.1")
            # What radvd announces in later releases. (On an isolated network the DHCP port has this address.)
            owner = {"device_owner": "network:router_interface"}
            port = next(each for each in self.ports(**owner) if ":" in each["fixed_ips"][0]["ip_address"])
            router = Guest("", "", {}, "", mac=port["mac_address"]).link_local
            self.node.run(*inside, "fe80::a9fe:a9fe/128", "via", router, "dev", "eth0")
        return self

    # MARK: Asking

    def ask(self, guest, is_v6=False, seconds=60, query=""):
        return guest.curl(DOCUMENT + query, seconds=seconds, base=METADATA_V6 if is_v6 else METADATA)

    @contextlib.contextmanager
    def open_connection(self, guest):
        """A connection of a guest's that has had an answer, and stays open."""
        words = [*guest.prefix, "/usr/bin/python3", "-c", KEEP_OPEN]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert b" 200 " in process.stdout.readline()
            try:
                yield
            finally:
                process.stdin.close()

    def is_served(self):
        """After a proxy died or changed: until the next one is there, connections may be refused."""
        answer = self.ask(self.guests[0], seconds=10)
        return (answer.status, answer.instance_id) == (200, self.guests[0].instance_id)

    def served(self, agent, guest, is_v6=False):
        """The instance that a guest is told it is; `<local>` after it if the request came by the agent's socket."""
        mark = uuid.uuid4().hex
        answer = self.ask(guest, is_v6, query=f"?{mark}")
        assert answer.status == 200, (self.name, str(answer), agent.tail())
        lines = lambda: [line for line in agent.access_lines() if mark in line]  # noqa: E731
        [line] = eventually(lines, 10, "the access line")
        address = guest.link_local if is_v6 else guest.address
        who = next(word for word in line.split() if word.startswith(address))
        return answer.instance_id + who.removeprefix(address).removeprefix(",")

    def all_served(self, agent, mark=""):
        """Both guests, over IPv4 and IPv6; with `<local>` by the socket, without straight from the listener."""
        for guest in self.guests:
            for is_v6 in (False, True):
                assert self.served(agent, guest, is_v6) == guest.instance_id + mark

    # MARK: Changing

    def unplug_guests(self):
        for guest in self.guests:
            self.node.run("ip", "netns", "del", guest.namespace)
            self.cloud.delete("port", guest.port_id)
        self.guests = []

    def remove_interfaces(self):
        """The subnets that had one."""
        subnets = [port["fixed_ips"][0]["subnet_id"] for port in self.ports(device_owner="network:router_interface")]
        for subnet in subnets:
            self._change_interface("remove", subnet)
        return subnets

    def add_interfaces(self, subnets):
        for subnet in subnets:
            self._change_interface("add", subnet)

    def devices(self):
        """The router's or the DHCP port's devices in the namespace."""
        lines = self.node.run("ip", "-o", "link", namespace=self.proxy.namespace).splitlines()
        names = [line.split()[1].partition("@")[0] for line in lines]
        return [name for name in names if name.startswith(("qr-", "ns-"))]

    def delete(self):
        self.unplug_guests()
        if self.is_routed:
            self.remove_interfaces()
            self.cloud.delete("router", self.router["id"])
        self.cloud.delete("network", self.network["id"])


def build(*networks):
    """All at once, so that the agents work side by side."""
    for network in networks:
        network.create()
        network.plug_guests()
    for network in networks:
        network.ready()


def remove_all(cloud):
    """Removes from Neutron whatever has our names, left by this run or by one that was ended."""
    for router in cloud.neutron("GET", "routers")["routers"]:
        if router["name"].startswith(PREFIX):
            for port in cloud.neutron("GET", f"ports?device_id={router['id']}")["ports"]:
                where = f"routers/{router['id']}/remove_router_interface"
                cloud.neutron("PUT", where, {"port_id": port["id"]})
            cloud.delete("router", router["id"])
    for network in cloud.neutron("GET", "networks")["networks"]:
        if network["name"].startswith(PREFIX):
            for port in cloud.neutron("GET", f"ports?network_id={network['id']}&device_owner=compute:nova")["ports"]:
                cloud.delete("port", port["id"])
            cloud.delete("network", network["id"])
