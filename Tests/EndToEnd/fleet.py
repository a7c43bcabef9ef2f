"""Any number of networks, their proxies, and one agent for all of them.

Each network is a namespace with a guest in it whose address is 127.0.0.1: see `networks`. An answer holds the id of the
instance, which proves that its network was told from all the others.
"""

import concurrent.futures
import os
import pathlib
import signal

from haproxy_file import haproxy_file
from Harness import personality, programs, wire
from Harness.programs import Program, eventually
from networks import PORT
from restarts import AgentLife, has_ended, is_waiting
from storm import Storm

SECRET = "fleet"
TARGET = "/openstack/latest/meta_data.json"


class Fleet(AgentLife):
    def __init__(self, networks, folder):
        self.networks, self.folder = networks, folder
        self.socket, self.log = folder / "metadata_proxy", folder / "agent.log"
        self.nova_port = wire.free_port()
        self.haproxy = personality.install(folder / "bin")
        self.pids, self._started = {}, []
        self.nova = None

    def start(self):
        """Nova and the agent."""
        inventory = self.folder / "lab.yaml"
        inventory.write_text(self.networks.inventory())
        (self.folder / "metadata_agent.ini").write_text(
            f"[DEFAULT]\nmetadata_proxy_socket = {self.socket}\nmetadata_proxy_shared_secret = {SECRET}\n"
            f"nova_metadata_host = 127.0.0.1\nnova_metadata_port = {self.nova_port}\nlog_file = {self.log}\n"
            "metadata_workers = 2\nmetadata_proxy_user = nobody\nmetadata_proxy_group = nogroup\n"
            f"state_path = {self.folder}\n[bellhop]\ninventory = {inventory}\n"
        )
        words = [programs.BELLHOP, "serve", "--inventory", inventory, "--secret", SECRET]
        self.nova = self.program([*words, "--nova-listen", f"127.0.0.1:{self.nova_port}"], "nova")
        self.nova.wait_until(lambda: wire.accepts(("127.0.0.1", self.nova_port)), what="Nova")
        self.start_agent()

    def program(self, words, name):
        program = Program(words, self.folder, name)
        self._started.append(program)
        return program

    def stop(self):
        self.stop_proxies(signal.SIGKILL)
        if self.nova:
            # Killed, it would leave a folder behind.
            self.nova.stop()
        for program in self._started:
            program.kill()

    # MARK: Proxies

    def start_proxies(self, program, networks=None):
        """One in each namespace, as the L3 agent starts them."""
        networks = networks or self.networks.all
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            pids = pool.map(lambda network: self._start_proxy(program, network), networks)
            self.pids.update(zip(networks, pids))

    def _start_proxy(self, program, network):
        words, pid_file = self.command(program, network)
        status, out, err = programs.run(words, self.folder, 30)
        assert status == 0, out + err
        # haproxy's parent may leave a moment before its child has written it.
        eventually(lambda: pid_file.exists() and pid_file.read_text().strip(), 10, "the pid file")
        return int(pid_file.read_text())

    def command(self, program, network):
        """The words that start a proxy, and where it writes its pid."""
        program, identity = pathlib.Path(program), network.router_id
        if program.name == "haproxy":
            pid_file = self.folder / f"{identity}.pid.haproxy"
            configuration = self.folder / f"{identity}.conf"
            configuration.write_text(haproxy_file(identity, "Router", [f":::{PORT}"], self.socket, pid_file))
            words = ["env", f"PROCESS_TAG=haproxy-{identity}", program, "-f", configuration]
        else:
            pid_file = self.folder / f"{identity}.pid"
            words = [
                program,
                f"--pid_file={pid_file}",
                f"--metadata_proxy_socket={self.socket}",
                f"--router_id={identity}",
                f"--state_path={self.folder}",
                f"--metadata_port={PORT}",
                "--metadata_proxy_user=nobody",
                "--metadata_proxy_group=nogroup",
                f"--log-file=proxy-{network.number}.log",
                f"--log-dir={self.folder}",
            ]
        pid_file.unlink(missing_ok=True)
        return [*network.prefix, *words], pid_file

    def stop_proxies(self, number=signal.SIGTERM):
        for pid in self.pids.values():
            if not has_ended(pid):
                os.kill(pid, number)
        eventually(lambda: all(map(has_ended, self.pids.values())), 30, "the end of the proxies")
        self.pids = {}

    @property
    def waiting(self):
        """Proxies that have become the small program that only waits."""
        return [network for network, pid in self.pids.items() if is_waiting(pid)]

    # MARK: Guests

    def storm(self, networks=None, **order):
        """The guests of all networks, or of these, in turn."""
        networks = networks or self.networks.all
        return Storm(
            where=["127.0.0.1", PORT],
            target=TARGET,
            namespaces=[network.namespace for network in networks],
            expected=[network.instance_id for network in networks],
            **order,
        )

    def ask_all(self, networks=None, **order):
        """One request in each network, all at once."""
        count = len(networks or self.networks.all)
        storm = self.storm(networks, rate=100_000, requests_max=count, **order)
        storm.join()
        return storm.outcomes
