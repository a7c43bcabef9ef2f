"""The corpus of forgeries with Debian's haproxy, the file that Neutron writes for it, and a real Neutron and Nova.

Neutron's own agent is the control: what comes of each item there is written in the corpus beside what comes of it with
ours, so docs/threat-model.md can say what differs, and these tests say whether that is still true.
"""

import contextlib
import functools

import pytest

from Forgery import corpus, judge, namespace, nova, people, player, run
from Harness import programs
from agents import OurAgent, ReferenceAgent

ME = "left-0"
METADATA = "169.254.169.254"
HAPROXYS_PORT, OUR_PROXYS_PORT = 80, 8080


class Relayed:
    """An agent whose Nova is a recorder in front of the real one."""

    def __init__(self, recorder, *where, **more):
        super().__init__(*where, **more)
        self.recorder = recorder

    def sections(self):
        sections = super().sections()
        sections["DEFAULT"]["nova_metadata_port"] = self.recorder.port
        return sections


class OurRelayedAgent(Relayed, OurAgent):
    pass


class RelayedReferenceAgent(Relayed, ReferenceAgent):
    pass


class Place:
    """A guest on a network of its own; others there, with its address elsewhere, and behind a router."""

    def __init__(self, openstack):
        self.openstack = openstack
        names = {"own": ME, "neighbour": "left-1", "twin": "right-0", "twin-behind-router": "routed-0"}
        guests = {name: openstack.guests[guest] for name, guest in names.items()}
        self.people = {
            name: people.Person(guest.instance_id, guest.project_id, guest.address) for name, guest in guests.items()
        }
        self.values = people.values(
            self.people,
            path=nova.DOCUMENT,
            network=openstack.networks["left"]["network_id"],
            other_network=openstack.networks["right"]["network_id"],
            other_router=openstack.networks["routed"]["router_id"],
            link_local=guests["neighbour"].link_local,
        )
        self.namespace = guests["own"].namespace

    def play(self, chain, recorder, faults_of, port):
        where = (METADATA, port)
        connect = functools.partial(namespace.connect, self.namespace, where)

        def play_one(item):
            return player.play(item, self.values, where, chain=chain, seconds=15.0, connect=connect)

        return run.run(corpus.items(chain), chain, play_one, recorder, self.people, faults_of)


@contextlib.contextmanager
def recorder(openstack):
    with nova.Nova(upstream=("127.0.0.1", openstack.settings.ports["nova"])) as made:
        yield made


@pytest.fixture(scope="module")
def ours(openstack, front, folder, socket):
    with recorder(openstack) as between:
        agent = OurRelayedAgent(between, openstack, folder, socket, directory="rpc", hold=0)
        host, secret = f"127.0.0.1:{between.port}", openstack.settings.shared_secret
        return played("haproxy", agent, lambda *asked: judge.faults_of_request(*asked, host, secret))


@pytest.fixture(scope="module")
def control(openstack, front, folder, socket):
    with recorder(openstack) as between:
        agent = RelayedReferenceAgent(between, openstack, folder, socket)
        return played("control", agent, lambda *_: [])


@pytest.fixture(scope="module")
def our_proxy(openstack, front, folder, socket):
    """On a port of its own beside haproxy's."""
    network = openstack.networks["left"]
    words = [programs.PROXY, "--nodaemonize", f"--network_id={network['network_id']}"]
    words += [f"--metadata_proxy_socket={socket}", f"--metadata_port={OUR_PROXYS_PORT}", f"--state_path={folder}"]
    inside = ["ip", "netns", "exec", f"qdhcp-{network['network_id']}"]
    proxy = programs.Program(words, folder, "proxy", before=inside)
    try:
        yield proxy
    finally:
        proxy.kill()


@pytest.fixture(scope="module")
def behind_our_proxy(openstack, our_proxy, folder, socket):
    with recorder(openstack) as between:
        agent = RelayedReferenceAgent(between, openstack, folder, socket)
        return played("proxy", agent, lambda *_: [], OUR_PROXYS_PORT)


def played(chain, agent, faults_of, port=HAPROXYS_PORT):
    """Everything, through an agent that is started for it and killed afterwards."""
    try:
        agent.start()
        return Place(agent.openstack).play(chain, agent.recorder, faults_of, port)
    finally:
        agent.kill()


def needs_zed(openstack):
    if openstack.release.name != "zed":
        pytest.skip("the corpus has the answers of Zed's agent; the newest, which closes after each, gives others")


GROUPS = [group.name for group in corpus.groups() if any(item.expected("control") for item in group.items)]


@pytest.mark.parametrize("group", GROUPS)
def test_a_guest_is_nobody_but_itself(ours, group):
    wrong = run.wrong(ours[0], "haproxy", group)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("group", GROUPS)
def test_the_control_does_what_the_threat_model_says(openstack, control, group):
    needs_zed(openstack)
    wrong = run.wrong(control[0], "control", group)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("group", GROUPS)
def test_behind_our_proxy_neutrons_agent_knows_the_guest(openstack, behind_our_proxy, group):
    """What gets through with haproxy does not with our proxy: the agent reads heads that the proxy has written."""
    results = behind_our_proxy[0]
    if openstack.release.name == "zed":
        wrong = run.wrong(results, "proxy", group)
    else:
        # Its answers are its own; whom they are for is not.
        mine = [item.path for item in corpus.items("proxy") if item.group == group]
        wrong = [f"{path}: {results[path]}" for path in mine if set(results[path].outcome.identities) - {"own"}]
        wrong += [f"{path}: {results[path]}" for path in mine if results[path].faults]
    assert not wrong, "\n".join(wrong)


def test_every_byte_that_reaches_nova_belongs_to_a_request(ours, control, behind_our_proxy):
    assert [ours[1], control[1], behind_our_proxy[1]] == [[], [], []]


def test_the_control_can_be_forged_so_the_corpus_has_teeth(openstack, control):
    """Debian's haproxy and Neutron's agent of Zed: who asks for a tunnel gets one."""
    needs_zed(openstack)
    assert control[0]["tunnel/connect-staying"].outcome.identities == ("own", "neighbour")
    assert control[0]["tunnel/connect-other-network"].outcome.identities == ("own", "twin")
