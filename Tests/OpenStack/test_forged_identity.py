"""The corpus of forgeries with Debian's haproxy, the file that Neutron writes for it, and a real Neutron and Nova.

Neutron's own agent is the control: what comes of each item there is written in the corpus beside what comes of it with
ours, so docs/threat-model.md can say what differs, and these tests say whether that is still true.
"""

import contextlib
import functools

import pytest

from Forgery import corpus, judge, namespace, nova, people, player, run
from agents import OurAgent, ReferenceAgent

ME = "left-0"
METADATA = ("169.254.169.254", 80)


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
        self.connect = functools.partial(namespace.connect, guests["own"].namespace, METADATA)

    def play(self, chain, recorder, faults_of):
        def play_one(item):
            return player.play(item, self.values, METADATA, chain=chain, seconds=15.0, connect=self.connect)

        return run.run(chain, play_one, recorder, self.people, faults_of)


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


def played(chain, agent, faults_of):
    """Everything, through an agent that is started for it and killed afterwards."""
    try:
        agent.start()
        return Place(agent.openstack).play(chain, agent.recorder, faults_of)
    finally:
        agent.kill()


def report(results, chain):
    import json
    json.dump({k:str(v.outcome) for k,v in results[0].items()}, open(f'/tmp/explore/{chain}.json','w'))
    for item in corpus.items(chain):
        r = results[0][item.path]
        if r.outcome != item.expected(chain) or r.faults:
            print(f"{chain:8} {item.path:36} expected {item.expected(chain)}  GOT {r.outcome} {r.faults[:3]}")
    print(chain, results[1])


def test_x(ours, control):
    report(ours, "haproxy")
    report(control, "control")
