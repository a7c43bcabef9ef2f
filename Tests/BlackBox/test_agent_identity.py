"""Who is asking: which headers of the UNIX socket's other side name exactly one instance, and which do not."""

import time

import pytest

from Harness import lab
from Harness.wire import Client, get, request


def nova_saw_nothing(agent):
    return agent.nova.requests == []


def test_a_network_and_an_address_name_an_instance(agent):
    agent.serve()
    agent.start()
    assert agent.ask(network=lab.RED, address=lab.WEB_IP).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.WEB
    assert agent.nova.last["X-Tenant-ID"] == lab.PROJECT
    assert agent.ask(network=lab.RED, address=lab.DATABASE_IP).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.DATABASE


def test_the_same_address_on_another_network_is_another_instance(agent):
    agent.serve()
    agent.start()
    assert agent.ask(network=lab.BLUE, address=lab.WEB_IP).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.TWIN
    assert agent.nova.last["X-Tenant-ID"] == lab.OTHER_PROJECT


def test_a_router_stands_for_its_networks(agent):
    agent.serve()
    agent.start()
    assert agent.ask(network=None, router=lab.EDGE).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.WEB


# The reference then leaves out the filter and searches the networks of all tenants.
@pytest.mark.parametrize("router", [lab.EMPTY_ROUTER, "00000000-0000-4000-8000-00000000dead"])
def test_a_router_without_networks_matches_nothing(agent, router):
    agent.serve()
    agent.start()
    assert agent.ask(network=None, router=router).status == 404
    assert nova_saw_nothing(agent)


@pytest.mark.parametrize(
    ("network", "address"),
    [
        (lab.RED, "10.77.0.99"),
        ("00000000-0000-4000-8000-00000000dead", lab.WEB_IP),
        (lab.EDGE, lab.WEB_IP),
        (lab.RED.upper(), lab.WEB_IP),
        ("no-uuid-at-all", lab.WEB_IP),
    ],
)
def test_an_unknown_identity_is_404(agent, network, address):
    agent.serve()
    agent.start()
    answer = agent.ask(network=network, address=address)
    assert answer.status == 404
    assert answer["Content-Length"] == str(len(answer.body))
    assert nova_saw_nothing(agent)


# A guest behind haproxy could add the other header (Ussuri, LP 1865036).
@pytest.mark.parametrize(
    "headers",
    [
        [("X-Neutron-Network-ID", lab.RED), ("X-Neutron-Router-ID", lab.EDGE)],
        [("x-neutron-router-id", lab.EDGE), ("X-NEUTRON-NETWORK-ID", lab.RED)],
        [("X-Neutron-Network-ID", lab.RED), ("X-Neutron-Network-ID", lab.BLUE)],
        [("X-Neutron-Network-ID", lab.RED), ("X-Neutron-Network-ID", lab.RED)],
        [("X-Neutron-Network-ID", f"{lab.RED}, {lab.BLUE}")],
        [("X-Neutron-Network-ID", f"{lab.RED},{lab.BLUE}")],
    ],
    ids=["both", "both in odd case", "twice", "the same twice", "list", "list without blank"],
)
def test_an_ambiguous_identity_is_refused_before_any_lookup(agent, headers):
    agent.serve()
    agent.start()
    answer = get(agent.socket, "/", [("X-Forwarded-For", lab.WEB_IP), *headers])
    assert answer.status in (400, 404) if "," in headers[0][1] else answer.status == 400
    assert nova_saw_nothing(agent)


@pytest.mark.parametrize("headers", [[], [("X-Neutron-Network-ID", "")], [("X_Neutron_Network_ID", lab.RED)]])
def test_no_network_and_no_router_is_a_configuration_error(agent, headers):
    agent.serve()
    agent.start()
    assert get(agent.socket, "/", [("X-Forwarded-For", lab.WEB_IP), *headers]).status == 500
    assert nova_saw_nothing(agent)


# Kilo to Ussuri then left the address out of the search: a network with one port answered for anybody.
@pytest.mark.parametrize(
    "value", [None, "", " ", "guest", "10.77.0.256", "10.77.0", "010.077.0.010", "10.77.0.10:80", ",", f"{lab.WEB_IP},"]
)
def test_without_a_usable_address_nobody_is_looked_up(agent, value):
    agent.serve()
    agent.start()
    assert agent.ask(address=value).status == 400
    assert nova_saw_nothing(agent)


def test_an_underscore_spelling_of_the_address_is_not_believed(agent):
    agent.serve()
    agent.start()
    headers = [("X_Forwarded_For", lab.DATABASE_IP), ("X-Neutron-Network-ID", lab.RED)]
    assert get(agent.socket, "/", headers).status == 400
    assert get(agent.socket, "/", [*headers, ("X-Forwarded-For", lab.WEB_IP)]).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.WEB


# haproxy appends the address to what the guest sent.
@pytest.mark.parametrize(
    "value", [f"{lab.DATABASE_IP}, {lab.WEB_IP}", f"garbage,{lab.WEB_IP}", f"a,b,c ,  {lab.WEB_IP}  "]
)
def test_of_a_list_the_last_address_counts(agent, value):
    agent.serve()
    agent.start()
    assert agent.ask(address=value).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.WEB
    assert agent.nova.last.all("X-Forwarded-For") == [lab.WEB_IP]


def test_of_two_forwarded_headers_the_last_one_counts(agent):
    agent.serve()
    agent.start()
    headers = [("X-Forwarded-For", lab.DATABASE_IP), ("X-Forwarded-For", lab.WEB_IP)]
    assert get(agent.socket, "/", [*headers, ("X-Neutron-Network-ID", lab.RED)]).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.WEB


@pytest.mark.parametrize("value", [f"::ffff:{lab.WEB_IP}", "::FFFF:a4d:a", "0:0:0:0:0:ffff:10.77.0.10"])
def test_an_ipv4_address_mapped_into_ipv6_is_the_ipv4_address(agent, value):
    agent.serve()
    agent.start()
    assert agent.ask(address=value).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.WEB


@pytest.mark.parametrize("value", [lab.WEB_LINK_LOCAL, lab.WEB_LINK_LOCAL.upper(), lab.WEB_LINK_LOCAL + "%qr-1"])
def test_a_link_local_address_names_the_port_by_its_mac(agent, value):
    agent.serve()
    agent.start()
    assert agent.ask(address=value).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.WEB


# Without the ff:fe in its middle the address was not made from a MAC; the reference takes its halves all the same.
@pytest.mark.parametrize("value", ["fe80::f816:3e12:3477:10", "fe80::1234:5678:9abc:def0", "fe80::1"])
def test_a_link_local_address_without_a_mac_is_404(agent, value):
    agent.serve()
    agent.start()
    assert agent.ask(address=value).status == 404
    assert nova_saw_nothing(agent)


def test_each_request_of_a_connection_is_identified_anew(agent):
    agent.serve()
    agent.start()
    with Client(agent.socket) as proxy:
        for address, instance in ((lab.WEB_IP, lab.WEB), (lab.DATABASE_IP, lab.DATABASE), (lab.WEB_IP, lab.WEB)):
            proxy.send(request("/", headers=agent.headers(address)))
            assert proxy.response().status == 200
            assert agent.nova.last["X-Instance-ID"] == instance
        proxy.send(request("/"))
        assert proxy.response().status == 500, "nothing of the request before is remembered"


def test_unknown_guests_are_warned_of_without_a_flood(agent):
    agent.serve()
    agent.start()
    for _ in range(50):
        assert agent.ask(address="10.77.0.99").status == 404
    lines = [line for line in agent.log_text.splitlines() if "WARNING" in line and "10.77.0.99" in line]
    assert 1 <= len(lines) <= 10, lines


def test_an_unknown_guest_is_held_and_then_404(agent):
    """A 503 would make a newer cloud-init wait for ever; a 404 at once would end an older one."""
    agent.serve()
    agent.start(bellhop={"hold_seconds": 0.6})
    before = time.monotonic()
    assert agent.ask(address="10.77.0.99").status == 404
    assert 0.5 <= time.monotonic() - before < 3
