"""A proxy that ends, in whatever way, leaves nothing that keeps its address in use or its namespace alive.

A listening socket, and any connection made at it, belongs to the namespace for as long as some process has it open; the
agent has both. The kernel frees a namespace only when nobody does.
"""

import os
import pathlib
import shutil
import signal
import tempfile

import pytest

from fleet import Fleet
from Harness import namespaces, programs
from Harness.programs import eventually
from networks import PORT, Networks

# The kernel itself takes a moment to free a namespace; the time-outs of idle connections are thirty seconds and more.
SECONDS = 10
PROXIES = ["haproxy", "neutron-ns-metadata-proxy"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root")


@pytest.fixture(scope="module")
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-release-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(params=PROXIES)
def fleet(request, folder):
    """Three networks with a proxy each, all handed over."""
    try:
        networks = Networks(3)
    except (namespaces.Unavailable, OSError) as reason:
        pytest.skip(f"no namespaces here: {reason}")
    made = Fleet(networks, folder)
    made.proxy = made.haproxy if request.param == "haproxy" else programs.PROXY
    try:
        made.start()
        made.start_proxies(made.proxy)
        made.wait_until_handed_over([network.router_id for network in networks.all])
        yield made
    finally:
        made.stop()
        networks.close()


def freed(fleet):
    return lambda: not fleet.networks.unfreed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_an_ended_proxy_frees_its_namespace(fleet, number):
    """Also the proof that the watch sees a namespace that is kept: the names go first, the proxies after them."""
    assert [outcome.kind for outcome in fleet.ask_all()] == ["ok"] * 3
    fleet.networks.delete()
    assert len(fleet.networks.unfreed) == 3
    fleet.stop_proxies(number)
    eventually(freed(fleet), SECONDS, "the namespaces' end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_successor_gets_the_address_at_once(fleet, number):
    """Even one that does not share it, as a proxy of another make."""
    fleet.stop_proxies(number)
    for network in fleet.networks.all:
        eventually(lambda: can_bind(network), SECONDS, "the address to be free")  # noqa: B023
    fleet.start_proxies(fleet.proxy)
    assert [outcome.kind for outcome in fleet.ask_all()] == ["ok"] * 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_connection_that_a_guest_keeps_open_does_not_keep_the_address(fleet, number):
    """Else the successor could not bind; or, sharing the address with a socket from which nobody accepts any more, it
    would get some of the connections only."""
    storm = kept_connections(fleet)
    try:
        fleet.stop_proxies(number)
        fleet.start_proxies(fleet.proxy)
        fresh = fleet.storm(rate=100, requests_max=60, answer_seconds=10)
        fresh.join()
    finally:
        storm.kill()
    assert [outcome.kind for outcome in fresh.outcomes] == ["ok"] * 60, fresh.outcomes


def test_a_connection_that_a_guest_keeps_open_does_not_keep_the_namespace(fleet):
    storm = kept_connections(fleet)
    fleet.stop_proxies(signal.SIGTERM)
    try:
        eventually(lambda: not connections(fleet), SECONDS, "the end of the agent's connections")
    finally:
        storm.kill()
    fleet.networks.delete()
    eventually(freed(fleet), SECONDS, "the namespaces' end")


def test_a_proxy_that_serves_by_itself_frees_its_namespace(fleet):
    fleet.agent.stop()
    storm = fleet.storm(rate=100, requests_max=3)
    eventually(lambda: not fleet.waiting, what="the proxies to serve by themselves")
    fleet.stop_proxies(signal.SIGTERM)
    storm.join()
    fleet.networks.delete()
    eventually(freed(fleet), SECONDS, "the namespaces' end")


def kept_connections(fleet):
    """A guest in each network that asks once and keeps its connection."""
    storm = fleet.storm(kept=3, kept_rate=0.001, rate=0.001)
    eventually(lambda: [each.kind for each in storm.outcomes].count("kept-ok") == 3, what="three answers")
    return storm


def can_bind(network):
    """In its namespace, to all addresses of both families, without sharing."""
    code = f"import socket; socket.create_server(('::', {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)"
    words = [*network.prefix, "/usr/bin/python3", "-c", code]
    return programs.run(words, "/", 20)[0] == 0


def connections(fleet):
    """What the agent has open in the networks' namespaces."""
    lines = []
    for network in fleet.networks.all:
        out = programs.run([*network.prefix, "ss", "-Hntp", "state", "established"], "/", 20)[1]
        lines += [line for line in out.splitlines() if f"pid={fleet.agent.pid}," in line]
    return lines
