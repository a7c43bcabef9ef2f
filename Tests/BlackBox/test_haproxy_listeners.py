"""Where our `haproxy` listens: every address form of the agents', and IPv4 even where IPv6 is not to be had."""

import socket
import time

import pytest

from Harness import lab, personality, wire
from Harness.inside import METADATA, METADATA_V6, DHCPNamespace
from Harness.marks import as_root
from Harness.programs import eventually


@pytest.fixture
def dhcp():
    namespace = DHCPNamespace()
    yield namespace
    namespace.close()


def in_namespace(setup, namespace):
    setup.prefix = namespace.prefix
    setup.where = (METADATA, 80)
    return setup


def get(namespace, where, target="/"):
    return namespace.call(wire.get, where, target)


V6 = (f"{METADATA_V6}%tap-1", 80)


def test_both_families_at_one_socket(haproxy):
    """The L3 agent's `bind :::9697`; to the agent an IPv4 guest is one."""
    agent = haproxy.serve()
    haproxy.start(binds=[f":::{haproxy.port}"])
    assert personality.listeners(haproxy.port) == 1
    assert wire.get(haproxy.where).status == wire.get(haproxy.where_v6).status == 200
    assert [message["X-Forwarded-For"] for message in agent.requests] == ["127.0.0.1", "::1"]


def test_ipv6_alone_leaves_ipv4_to_others(haproxy):
    haproxy.serve()
    haproxy.start(binds=[f":::{haproxy.port} v6only"])
    assert wire.get(haproxy.where_v6).status == 200
    assert not wire.accepts(haproxy.where)


def test_several_addresses_are_one_proxy(haproxy):
    haproxy.serve()
    port = wire.free_port()
    haproxy.start(binds=[f"127.0.0.1:{haproxy.port}", f"127.0.0.2:{haproxy.port},[::1]:{port}"])
    for where in (haproxy.where, ("127.0.0.2", haproxy.port), ("::1", port)):
        assert wire.get(where).status == 200
    assert len(haproxy.processes) == 1


def test_more_addresses_than_can_be_handed_over_are_refused(haproxy):
    binds = [f"127.0.0.{number}:{haproxy.port}" for number in range(1, 10)]
    assert haproxy.run("-c", "-f", haproxy.write(binds=binds[:8]))[0] == 0
    status, _, err = haproxy.run("-c", "-f", haproxy.write(binds=binds))
    assert status == 1 and "more than 8 addresses" in err


@as_root
@pytest.mark.parametrize(
    "form", [f"{METADATA_V6}:80 interface tap-1", f"[{METADATA_V6}]:80 interface tap-1"], ids=["to 2026.1", "2026.2"]
)
def test_the_dhcp_agents_addresses(haproxy, dhcp, form):
    agent = in_namespace(haproxy, dhcp).serve()
    haproxy.start(binds=[f"{METADATA}:80", form])
    assert get(dhcp, (METADATA, 80)).status == 200
    assert get(dhcp, V6).status == 200
    assert [message["X-Forwarded-For"] for message in agent.requests] == [METADATA, METADATA_V6], "no %zone"
    assert agent.last["X-Neutron-Network-ID"] == lab.RED
    # Nothing of it is in the test's own namespace.
    assert personality.listeners(80) == 0 and personality.listeners(80, dhcp.prefix) == 2


# The agent removes the address when another machine has it (LP 1953165); haproxy then serves nobody.
@as_root
def test_ipv4_is_served_without_the_ipv6_address(haproxy, control, dhcp):
    dhcp.ip("addr", "del", f"{METADATA_V6}/64", "dev", "tap-1")
    binds = [f"[{METADATA_V6}]:80 interface tap-1", f"{METADATA}:80"]
    in_namespace(control, dhcp).write(binds=binds)
    assert control.run("-f", control.path)[0] == 1
    in_namespace(haproxy, dhcp).serve()
    haproxy.start(binds=binds)
    assert get(dhcp, (METADATA, 80)).status == 200
    warned = [line for line in haproxy.log.read() if "An IPv6 address cannot be listened on" in line]
    assert warned and METADATA_V6 in warned[0] and warned[0].startswith("<132>")


@as_root
def test_ipv4_is_served_while_the_ipv6_address_is_tentative(haproxy, dhcp):
    dhcp.ip("addr", "del", f"{METADATA_V6}/64", "dev", "tap-1")
    for setting in ("tap-1.accept_dad=1", "tap-1.dad_transmits=120"):
        dhcp.sysctl(f"net.ipv6.conf.{setting}")
    dhcp.ip("addr", "add", f"{METADATA_V6}/64", "dev", "tap-1")
    assert "tentative" in dhcp.run("ip", "address", "show", "dev", "tap-1").stdout
    in_namespace(haproxy, dhcp).serve()
    began = time.monotonic()
    haproxy.start(binds=[f"{METADATA}:80", f"[{METADATA_V6}]:80 interface tap-1"])
    assert get(dhcp, (METADATA, 80)).status == 200
    assert time.monotonic() - began < 20


@as_root
def test_ipv4_is_served_where_ipv6_is_switched_off(haproxy, dhcp):
    for family in ("all", "default", "lo", "tap-1"):
        dhcp.sysctl(f"net.ipv6.conf.{family}.disable_ipv6=1")
    in_namespace(haproxy, dhcp).serve()
    haproxy.start(binds=[":::9697", f"[{METADATA_V6}]:80 interface tap-1"])
    assert get(dhcp, ("127.0.0.1", 9697)).status == 200


def test_ipv4_is_served_where_somebody_else_has_ipv6(haproxy):
    haproxy.serve()
    with socket.socket(socket.AF_INET6) as other:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.bind(("::", haproxy.port))
        other.listen()
        haproxy.start(binds=[f":::{haproxy.port}"])
        assert wire.get(haproxy.where).status == 200


@as_root
def test_without_ipv4_it_does_not_start(haproxy, dhcp):
    dhcp.ip("addr", "del", f"{METADATA}/32", "dev", "tap-1")
    in_namespace(haproxy, dhcp)
    haproxy.write(binds=[f"{METADATA}:80", f"[{METADATA_V6}]:80 interface tap-1"])
    status, _, err = haproxy.run("-f", haproxy.path)
    assert status == 1 and f"{METADATA}:80" in err
    eventually(lambda: not haproxy.processes, 5, "the end of the daemon")


@as_root
def test_with_ipv6_alone_its_address_must_be_there(haproxy, dhcp):
    dhcp.ip("addr", "del", f"{METADATA_V6}/64", "dev", "tap-1")
    in_namespace(haproxy, dhcp)
    haproxy.write(binds=[f"[{METADATA_V6}]:80 interface tap-1"])
    status, _, err = haproxy.run("-f", haproxy.path)
    assert status == 1 and METADATA_V6 in err


# haproxy only warns about the device, and so do we; where it was to give a scope, binding fails all the same.
@as_root
def test_an_interface_that_is_not_there_is_not_bound_to(haproxy, control, dhcp):
    for setup in (control, haproxy):
        in_namespace(setup, dhcp).serve()
        setup.start(binds=[f"{METADATA}:80 interface nosuch"])
        assert get(dhcp, (METADATA, 80)).status == 200
        setup.stop()
        setup.agent.stop()


@as_root
def test_an_interface_is_bound_to(haproxy, dhcp):
    in_namespace(haproxy, dhcp).serve()
    haproxy.start(binds=["0.0.0.0:80 interface peer-1"])
    assert dhcp.run("ss", "-Hltn", "sport = :80").stdout.split()[3] == "0.0.0.0%peer-1:80"
