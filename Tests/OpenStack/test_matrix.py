"""Every way from a guest to Nova: four kinds of proxy, ours and Neutron's agent, routers and DHCP ports, IPv4 and IPv6.

Our proxies hand their listeners to our agent, which then has the guests' connections itself; to an agent that takes
none they relay, as haproxy does.
"""

import concurrent.futures
import json
import random
import time
import uuid

import pytest

from Harness.openstack import DOCUMENT
from Harness.programs import eventually
from fronts import KINDS, Recorded
from stack.seed import KEY

AGENTS = ("our agent, REST", "our agent, RPC", "our agent, relaying", "neutron-metadata-agent")
CELLS = [
    pytest.param(front, agent, id=f"{front} - {agent}")
    for front, kind in KINDS.items()
    for agent in AGENTS
    if kind.hands_over or agent != "our agent, relaying"
]
pytestmark = pytest.mark.parametrize(("front", "agent"), CELLS, indirect=True)


def skip_the_newest(openstack, agent, why):
    if agent.kind == "reference" and openstack.release.name == "latest":
        pytest.skip(f"Neutron's newest agent {why}")


def document(front, agent, guest, target, *words):
    answer = front.ask(guest, target, *words)
    assert answer.status == 200, (guest.name, target, str(answer), agent.tail())
    return answer.body


def test_each_guest_reads_what_nova_has_for_it(openstack, front, agent):
    """`left` and `right` have the addresses of `routed`."""
    for guest in openstack.instances.values():
        data = json.loads(document(front, agent, guest, DOCUMENT))
        assert data["uuid"] == guest.instance_id
        assert data["project_id"] == guest.project_id
        assert data["hostname"] == f"{guest.hostname}.novalocal"
        assert data["public_keys"] == {"stack-key": KEY}
        network = json.loads(document(front, agent, guest, "/openstack/latest/network_data.json"))
        assert network["links"][0]["ethernet_mac_address"] == guest.mac
        assert network["networks"][0]["network_id"] == guest.network["network_id"]
        assert document(front, agent, guest, "/latest/meta-data/local-ipv4").decode() == guest.address


def test_our_agent_has_the_connections_of_those_that_hand_over(openstack, front, agent):
    """And of nobody else. `<local>` in its access line is for what came by the socket."""
    skip_the_newest(openstack, agent, "writes no access lines")
    expected = front.hands_over and agent.takes_listeners

    def is_as_expected(guest):
        mark = uuid.uuid4().hex
        document(front, agent, guest, f"{DOCUMENT}?{mark}")
        [line] = eventually(lambda: [line for line in agent.access_lines() if mark in line], 10, "an access line")
        return (",<local>" not in line) == expected

    for guest in openstack.instances.values():
        eventually(lambda: is_as_expected(guest), 20, f"{guest.name}'s connection with the right program")  # noqa: B023


def test_user_data_arrives_bit_for_bit(openstack, front, agent):
    skip_the_newest(openstack, agent, "closes the connection when a body is not text in its charset")
    for name in ("routed-0", "isolated-0"):
        expected = b"#!/bin/sh\necho " + name.encode() + b"\n" + bytes(range(256))
        for path in ("/openstack/latest/user_data", "/latest/user-data"):
            assert document(front, agent, openstack.guests[name], path) == expected


def test_ipv6_link_local_guests_are_known_by_their_mac(openstack, front, agent):
    if not front.knows_ipv6:
        pytest.skip("this proxy listens on IPv4 only, as the one whose command line it has")
    for name in ("isolated-0", "left-1", "right-1", "routed-1"):
        guest = openstack.guests[name]
        answer = front.ask_v6(guest, DOCUMENT)
        assert (answer.status, answer.instance_id) == (200, guest.instance_id), (name, str(answer), agent.tail())


def test_an_address_of_no_port_is_404(openstack, front, agent):
    strangers = [openstack.guests[name] for name in ("routed-stranger", "isolated-stranger")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda guest: front.ask(guest, DOCUMENT), strangers))
    assert [answer.status for answer in answers] == [404, 404], agent.tail()


def test_a_document_that_is_not_there_is_404(openstack, front, agent):
    assert front.ask(openstack.guests["routed-0"], "/openstack/latest/nothing_here").status == 404


def test_a_guest_stores_its_password_once(openstack, front, agent, fresh):
    """Nova keeps it, so each cell of the matrix has an instance of its own for this."""
    if isinstance(front, Recorded):
        skip_the_newest(openstack, agent, "reads once, and the body was recorded as a write of its own")
    guest = openstack.guests["isolated-late"]
    port = openstack.create_port(guest, next(fresh))
    try:
        path = "/openstack/latest/password"
        assert front.ask(guest, path, "--data-binary", "cipher text").status == 200, agent.tail()
        # Nova shows what it read before for another second (15 by default), passwords too.
        time.sleep(1.3)
        assert document(front, agent, guest, path) == b"cipher text"
        again = front.ask(guest, path, "--data-binary", "another")
        # Nova says so before it has read the body, and resets the connection if there is more to read. Neutron's newest
        # agent sends the body apart from the head, so that happens to it now and then, and it has no answer then.
        resets = agent.kind == "reference" and openstack.release.name == "latest"
        assert again.status == 409 or resets, (str(again), agent.tail())
        time.sleep(1.3)
        assert document(front, agent, guest, path) == b"cipher text"
    finally:
        openstack.cloud.delete("port", port)


def test_guests_that_ask_all_at_once_get_their_own(openstack, front, agent):
    """Eight guests, three with each address, with whatever cache the agent has."""
    if isinstance(front, Recorded):
        skip_the_newest(openstack, agent, "lets five connections wait; proxies try again, what was recorded does not")
    guests = list(openstack.instances.values()) * 6
    random.Random(3).shuffle(guests)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda guest: front.ask(guest, DOCUMENT), guests))
    wrong = [
        (guest.name, str(answer))
        for guest, answer in zip(guests, answers)
        if (answer.status, answer.instance_id) != (200, guest.instance_id)
    ]
    assert not wrong, agent.tail()
