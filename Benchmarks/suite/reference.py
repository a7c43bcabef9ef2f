"""Debian's `neutron-metadata-agent` behind haproxy, with a neutron-server to ask: oslo.messaging on a RabbitMQ."""

import subprocess

from Harness import broker as harness
from Harness.neutron_server import NeutronServers

from . import networks
from .contender import Contender
from .peers import NeutronHaproxy
from .workshop import session_members, wire

PROGRAM = "/usr/bin/neutron-metadata-agent"


class Cloud:
    """The bus and the server behind it, on the guests' CPU. Neither counts as part of the agent."""

    def __init__(self, workshop):
        self.workshop = workshop
        self.broker = self.servers = None

    def __enter__(self):
        try:
            self.broker = harness.Broker()
            self.broker.start()
            self.servers = NeutronServers(self.workshop.folder)
            self.server = self.servers.start(self.url, ports=networks.ports())
            self.keep_off_the_relay()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.servers:
            self.servers.close()
        if self.broker:
            self.broker.close()

    @property
    def url(self):
        # The broker's other user has a password that oslo.messaging's own URL parser breaks at.
        return harness.url(harness.HOST, self.broker.port, harness.SERVER, harness.SERVER_PASSWORD)

    def keep_off_the_relay(self):
        """Moves every process of the bus and the server to the guests' CPU."""
        leaders = [self.servers.process.pid, self.broker.services["rabbitmq"].pid]
        cpus = ",".join(map(str, self.workshop.load_cpus))
        for pid in session_members(leaders):
            subprocess.run(["taskset", "-a", "-c", "-p", cpus, str(pid)], capture_output=True, check=False)


class PythonChain(NeutronHaproxy, Contender):
    """What guests have today: haproxy, and the agent of OpenStack Zed with one worker."""

    upstream = "TCP"
    is_slow = True
    is_cached = False

    def __init__(self, workshop, cloud):
        super().__init__(workshop)
        self.cloud = cloud

    @property
    def socket(self):
        return self.folder / "metadata_proxy"

    def begin(self):
        cache = "enabled = true\nbackend = oslo_cache.dict\n" if self.is_cached else "enabled = false\n"
        file = self.folder / "metadata_agent.ini"
        file.write_text(
            f"""\
[DEFAULT]
state_path = {self.folder}
metadata_proxy_socket = {self.socket}
metadata_proxy_shared_secret = {networks.SECRET}
metadata_workers = 1
nova_metadata_host = 127.0.0.1
nova_metadata_port = {self.workshop.upstream_port}
transport_url = {self.cloud.url}
log_file = {self.folder}/agent.log

[cache]
{cache}"""
        )
        environment = self.cloud.broker.settings.environment
        agent = self.run([PROGRAM, "--config-file", file], "agent", environment=environment)
        agent.wait_until(lambda: wire.accepts(self.socket), 120, "the agent's socket")
        self.start_proxies()

    def versions(self):
        words = ["dpkg-query", "-W", "-f=${Package} ${Version}", "neutron-metadata-agent"]
        return subprocess.run(words, capture_output=True, text=True).stdout


class CachedPythonChain(PythonChain):
    key = "python-cached"
    title = "haproxy and Neutron's agent, cache on"
    is_cached = True


class DefaultPythonChain(PythonChain):
    key = "python"
    title = "haproxy and Neutron's agent, default"
