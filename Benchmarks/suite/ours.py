"""Our programs, alone and in every mixture with haproxy."""

import os

from Harness import personality

from . import networks
from .peers import NeutronHaproxy, first_line
from .workshop import SOURCES_PER_NETWORK, programs, wire


class OurAgent:
    """Parts of every contender with our agent in it. Its access log is on and goes to a file, as it does by default."""

    workers = 1
    takes_listeners = True
    guests = SOURCES_PER_NETWORK
    agent_program = programs.AGENT
    agent_cpus = None

    def start_agent(self):
        self.agent_socket = self.folder / "metadata_proxy"
        inventory = self.folder / "inventory.yaml"
        inventory.write_text(networks.inventory(self.networks, self.guests))
        file = self.folder / "metadata_agent.ini"
        file.write_text(
            f"""\
[DEFAULT]
state_path = {self.folder}
metadata_proxy_socket = {self.agent_socket}
metadata_proxy_shared_secret = {networks.SECRET}
metadata_workers = {self.workers}
nova_metadata_host = 127.0.0.1
nova_metadata_port = {self.workshop.upstream_port}
log_file = {self.folder}/agent.log

[bellhop]
directory = inventory
inventory = {inventory}
take_listeners = {str(self.takes_listeners).lower()}
connections_max = {self.workshop.files_max - 4_000}
"""
        )
        words = [self.agent_program, "--config-file", file]
        self.agent = self.run(words, "agent", cpus=self.agent_cpus)
        self.agent.wait_until(lambda: wire.accepts(self.agent_socket), 120, "the agent's socket")

    def versions(self):
        return first_line([programs.AGENT, "--version"])


class OurProxies(NeutronHaproxy):
    """Our program under haproxy's name, with the very files that Neutron writes."""

    @property
    def program(self):
        folder = self.folder / "bin"
        return folder / "haproxy" if folder.exists() else personality.install(folder)


class Chain(OurAgent, OurProxies):
    """Guest to Nova and back: the proxies hand their listeners to the agent, which serves the guests itself."""

    key = "ours"
    title = "**Bellhop, whole chain**"
    upstream = "TCP"
    idle_max = 900

    @property
    def socket(self):
        return self.agent_socket

    def begin(self):
        self.start_agent()
        self.start_proxies()
        for program in self.programs[1:]:
            program.wait_until(lambda pid=program.pid: stands_by(pid), 30, "the hand-over")

    def relays(self, name):
        return name == "agent"

    def versions(self):
        return OurAgent.versions(self)


def stands_by(pid):
    return os.readlink(f"/proc/{pid}/exe").endswith("standby/haproxy")


class ProxyHop(OurProxies):
    """Our proxy serving guests itself, in front of an agent that does not take listeners: one hop for one hop."""

    key = "our-proxy"
    title = "Bellhop's proxy alone"
    upstream = "UNIX"
    idle_max = 900


class TwoHops(OurAgent, OurProxies):
    """Our proxy relaying to our agent, which leaves the listeners alone."""

    key = "ours-two-hops"
    title = "Bellhop's proxy and agent, two hops"
    upstream = "TCP"
    takes_listeners = False

    @property
    def socket(self):
        return self.agent_socket

    def begin(self):
        self.start_agent()
        self.start_proxies()

    def versions(self):
        return ""


class HaproxyAndAgent(OurAgent, NeutronHaproxy):
    """Neutron's haproxy in front of our agent: what a node has whose agent only was replaced."""

    key = "haproxy-ours"
    title = "haproxy, Neutron's file, and Bellhop's agent"
    upstream = "TCP"
    takes_listeners = False

    @property
    def socket(self):
        return self.agent_socket

    def begin(self):
        self.start_agent()
        self.start_proxies()

    def versions(self):
        return ""
