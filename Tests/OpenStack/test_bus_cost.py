"""What a boot costs on the bus: cloud-init boots in a guest, and the broker copies each request for neutron-server."""

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import pytest

from Harness import programs
from Harness.openstack import DOCUMENT, BusCopy
from agents import OurAgent, ReferenceAgent

sys.path.insert(0, str(programs.ROOT / "Tests/EndToEnd"))
from chain import cloud_init_environment  # noqa: E402

# Our agent's default: seconds that a look-up is remembered.
CACHE_SECONDS = 5
# More than a boot takes, however slow the machine.
LONGER_THAN_A_BOOT = 600


def boot(guest, folder):
    """Seconds, and what cloud-init learnt."""
    environment = cloud_init_environment()
    if environment is None:
        pytest.skip("Debian's cloud-init is not there: run `make setup`")
    place = pathlib.Path(tempfile.mkdtemp(prefix="boot-", dir=folder))
    script = programs.ROOT / "Tests/EndToEnd/guest_boot.py"
    began = time.monotonic()
    command = [*guest.prefix, "/usr/bin/python3", script, "openstack", place]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=200)
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return seconds, json.loads(done.stdout)


def requests_to_nova(openstack):
    """So far, by uWSGI's log; each request of a guest's is one. (The newest reference writes no lines of its own.)"""
    [nova] = openstack.services["nova"].members
    return nova.log.read_text(errors="replace").count("] GET /")


def measure(openstack, folder, agent, name, capsys):
    guest = openstack.guests[name]
    before = requests_to_nova(openstack)
    with BusCopy(openstack.settings) as bus:
        seconds, learnt = boot(guest, folder)
        calls = len(bus.lookups())
    requests = requests_to_nova(openstack) - before
    assert learnt["found"] and learnt["instance_id"] == guest.instance_id, agent.tail()
    assert learnt["metadata"]["name"] == guest.hostname
    where = "behind a router" if guest.network["router_id"] else "behind a network"
    with capsys.disabled():
        print(f"\n  {agent.kind} agent, boot {where}: {requests} requests, {calls} RPC calls, {seconds:.1f} s")
    return requests, calls, seconds


@pytest.mark.parametrize(("name", "cost"), [("routed-0", 2), ("isolated-0", 1)])
def test_a_boot_costs_one_lookup(openstack, front, folder, launch, rpc, name, cost, capsys):
    """Two calls behind a router, one behind a network, however many requests there are."""
    agent = launch(OurAgent, directory=rpc, cache=LONGER_THAN_A_BOOT)
    requests, calls, _ = measure(openstack, folder, agent, name, capsys)
    assert requests >= 25
    assert calls == cost


@pytest.mark.parametrize(("name", "cost"), [("routed-1", 2), ("isolated-1", 1)])
def test_with_the_default_cache_it_is_looked_up_again_every_five_seconds(
    openstack, front, folder, launch, rpc, name, cost, capsys
):
    """Which a boot is rarely longer than: once more for each time that they pass."""
    agent = launch(OurAgent, directory=rpc)
    requests, calls, seconds = measure(openstack, folder, agent, name, capsys)
    assert requests >= 25
    assert cost <= calls <= cost * (1 + int(seconds / CACHE_SECONDS))


@pytest.mark.parametrize(("name", "cost"), [("routed-1", 2), ("isolated-1", 1)])
def test_the_reference_looks_up_each_request(openstack, front, folder, launch, name, cost, capsys):
    """This also proves that the copies are complete: a count that missed some would be too small here."""
    agent = launch(ReferenceAgent)
    requests, calls, _ = measure(openstack, folder, agent, name, capsys)
    assert requests >= 25
    assert calls >= cost * requests


def test_twenty_requests_of_a_guest_at_once_cost_one_lookup(openstack, front, launch, rpc):
    launch(OurAgent, directory=rpc, cache=60)
    guest = openstack.guests["routed-0"]
    with BusCopy(openstack.settings) as bus, concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: front.ask(guest, DOCUMENT), range(20)))
        assert [answer.instance_id for answer in answers] == [guest.instance_id] * 20
        assert len(bus.lookups()) == 2


def test_what_is_asked_names_the_network_and_the_address(openstack, front, launch, rpc):
    launch(OurAgent, directory=rpc)
    guest = openstack.guests["left-0"]
    with BusCopy(openstack.settings) as bus:
        assert front.ask(guest, DOCUMENT).status == 200
        lookups = bus.lookups()
    assert len(lookups) == 1
    filters = lookups[0]["filters"]
    assert filters["fixed_ips"] == {"ip_address": [guest.address]}
    assert filters["network_id"] == [guest.network["network_id"]]
