"""The ways from a guest on loopback to Nova: which proxy stands in front of our agent, and how it reaches it."""

import re
import shutil
import socket

from Harness import personality, programs, wire
from Harness.programs import Program

from . import corpus, judge, nova, people, player, run

CONFIGURATIONS = programs.ROOT / "Tests/HaproxyConfigTests/Configurations"
CONFIGURATION_ID = "21dc7e74-24bc-4b34-8c4d-0e9fc87debd9"
DEBIANS_HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/sbin:/bin")
VALUES = people.values(
    people.PEOPLE,
    path=nova.DOCUMENT,
    network=people.HOME,
    other_network=people.AWAY,
    other_router=people.AWAY_ROUTER,
    link_local="fe80::f816:3eff:fe0f:1",
)


class Chain:
    """An agent with its Nova, and something that guests connect to. `play` takes one item through all of it."""

    # Which outcome of the corpus counts here.
    outcome = "ours"
    takes_listeners = False

    def __init__(self, folder, hold=0):
        self.folder, self.hold = folder, hold
        self.socket = folder / "metadata_proxy"
        self.port = wire.free_port()
        self.where = ("127.0.0.1", self.port)
        self.programs = []

    def __enter__(self):
        self.nova = nova.Nova()
        try:
            self._start_agent()
            self.start_front()
            self.programs[-1].wait_until(lambda: wire.accepts(self.where), what="a door for guests")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in reversed(self.programs):
            program.kill()
        self.nova.__exit__()

    def _start_agent(self):
        (self.folder / "lab.yaml").write_text(people.inventory())
        configuration = self.folder / "metadata_agent.ini"
        configuration.write_text(
            f"[DEFAULT]\nmetadata_proxy_socket = {self.socket}\nmetadata_proxy_shared_secret = {people.SECRET}\n"
            f"nova_metadata_host = 127.0.0.1\nnova_metadata_port = {self.nova.port}\nmetadata_workers = 1\n"
            f"state_path = {self.folder}\n[bellhop]\ninventory = {self.folder}/lab.yaml\nhold_seconds = {self.hold}\n"
            f"take_listeners = {self.takes_listeners}\n"
        )
        self.agent = self.launch([programs.AGENT, "--config-file", configuration], "agent")
        self.agent.wait_until(lambda: wire.accepts(self.socket), what="the agent's socket")

    def start_front(self):
        raise NotImplementedError

    def launch(self, words, name):
        program = Program(words, self.folder, name)
        self.programs.append(program)
        return program

    def configuration(self, name, identity, bind="127.0.0.1"):
        """One of the files that Neutron's releases write, with the addresses and the user of this place."""
        text = (CONFIGURATIONS / f"{name}.conf").read_text().replace(CONFIGURATION_ID, identity)
        text = re.sub(r"(?m)^ *(user|group|pidfile|daemon|log) .*\n| *daemon\n", "", text)
        text = re.sub(r"(?m)^( *bind )(?:169\.254\.169\.254|0\.0\.0\.0|::):\d+$", rf"\g<1>{bind}:{self.port}", text)
        text = re.sub(r"(?m)^ *bind .*interface.*\n", "", text)
        text = re.sub(r"(?m)^( *server metadata ).*$", rf"\g<1>{self.socket}", text)
        path = self.folder / f"{identity}.conf"
        path.write_text(text)
        return path

    # What a proxy would add to the probe, where there is none.
    probe_headers = b""

    def play(self, items=None, cuts=None):
        """What came of each item, and what Nova got that is no request."""

        def play_one(item):
            source = people.PEOPLE["own"].address
            return player.play(item, VALUES, self.where, source, self.probe_headers, self.outcome, cuts=cuts)

        def faults_of(request, sender):
            return judge.faults_of_request(request, sender, f"127.0.0.1:{self.nova.port}", people.SECRET)

        known = corpus.items(self.outcome) if items is None else items
        return run.run(known, self.outcome, play_one, self.nova, people.PEOPLE, faults_of)


class Relayed(Chain):
    """Our haproxy, on a router, with the file of Train, relaying to an agent that takes no listeners."""

    def start_front(self):
        path = self.configuration("train-l3", people.HOME_ROUTER)
        self.launch([personality.install(self.folder / "bin"), "-db", "-f", path], "haproxy")


class RelayedByNeutronsName(Chain):
    """neutron-ns-metadata-proxy, on a network."""

    def start_front(self):
        words = ["--nodaemonize", "--network_id", people.HOME, "--metadata_proxy_socket", self.socket]
        words += ["--metadata_port", self.port, "--state_path", self.folder]
        self.launch([programs.PROXY, *words], "proxy")


class HandedOver(Chain):
    """Our haproxy, on a network, which hands its listener to the agent."""

    takes_listeners = True

    def start_front(self):
        path = self.configuration("2026.2-dhcp-ipv6", people.HOME)
        self.launch([personality.install(self.folder / "bin"), "-db", "-f", path], "haproxy")
        self.agent.wait_for_output("Listeners taken over")


class DebiansHaproxy(Chain):
    """Debian's haproxy, on a router, with the file of 2025.2, on a listener for both families where there are two."""

    outcome = "haproxy"
    file = "2025.2-l3"

    def start_front(self):
        bind = "127.0.0.1"
        if _has_both_families():
            # Free on all addresses: guests' closed connections still hold ports of theirs.
            bind, self.port = "::", wire.free_port("::")
            self.where = ("127.0.0.1", self.port)
        path = self.configuration(self.file, people.HOME_ROUTER, bind)
        self.launch([DEBIANS_HAPROXY, "-db", "-f", path], "haproxy")


class DebiansHaproxyOfPike(DebiansHaproxy):
    """The same with the file of Pike, which adds the header of trust and removes none."""

    outcome = "pike"
    file = "pike-l3"


class Socket(Chain):
    """No proxy: the items are what one has written."""

    outcome = "socket"
    probe_headers = (
        f"X-Neutron-Network-ID: {people.HOME}\r\nX-Forwarded-For: {people.PEOPLE['own'].address}\r\n".encode()
    )

    def start_front(self):
        self.where = self.socket


def _has_both_families():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.bind(("::", 0))
        return True
    except OSError:
        return False


CHAINS = {
    "relayed": Relayed,
    "relayed by neutron-ns-metadata-proxy": RelayedByNeutronsName,
    "handed over": HandedOver,
    "Debian's haproxy": DebiansHaproxy,
    "Debian's haproxy of Pike": DebiansHaproxyOfPike,
    "socket": Socket,
}
