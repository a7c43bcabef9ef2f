"""What a network costs while nobody boots in it: our waiting proxies and our agent, and the chain of today beside them.

Each guest has asked once before, so that nothing is counted that was only not yet allocated.
"""

import os

import pytest

import reference
from chain import haproxy_program
from Harness import programs
from Harness.programs import eventually
from memory import cost, family

WORKERS = 2
TITLE = "Memory while waiting (KiB), processes and threads"
# The goals of the project, in KiB.
PRIVATE_PER_NETWORK_MAX = 0.1 * 1024
CHAIN_OF_500_MAX = 100 * 1024


def ask_all(fleet):
    outcomes = fleet.ask_all()
    assert {outcome.kind for outcome in outcomes} == {"ok"} and len(outcomes) == len(fleet.networks.all)


def record(figures, chain, networks, proxies, agent):
    total = proxies + agent
    figures.add(
        TITLE,
        chain=chain,
        networks=networks,
        private_per_network=round(proxies.private / networks),
        of_it_dirty=round(proxies.dirty / networks),
        PSS_per_network=round(proxies.pss / networks),
        processes_per_network=proxies.processes / networks,
        threads_per_network=proxies.threads / networks,
        agent_private=agent.private,
        agent_PSS=agent.pss,
        agent_processes=agent.processes,
        agent_threads=agent.threads,
        total_private=total.private,
        total_PSS=total.pss,
    )
    return total


@pytest.mark.parametrize("count", [1, 20, 500])
def test_waiting_proxies_are_small(fleet_of, figures, count):
    fleet = fleet_of(count)
    fleet.start()
    fleet.start_proxies(fleet.haproxy)
    fleet.wait_until_handed_over([network.router_id for network in fleet.networks.all])
    ask_all(fleet)
    eventually(lambda: len(fleet.waiting) == count, 15, "all proxies to wait")
    proxies = cost(fleet.pids.values())
    total = record(figures, "haproxy personality + our agent", count, proxies, cost(family(fleet.agent.pid)))
    assert (proxies.processes, proxies.threads) == (count, count)
    assert proxies.dirty / count <= PRIVATE_PER_NETWORK_MAX
    # The pages of the program's file are private as long as there is one such process only.
    assert count == 1 or proxies.private / count <= PRIVATE_PER_NETWORK_MAX
    assert total.private <= CHAIN_OF_500_MAX and total.pss <= CHAIN_OF_500_MAX


@pytest.mark.parametrize("count", [1, 20, 500])
def test_the_old_command_line(fleet_of, figures, count):
    """Figures only: the old proxy stays the whole program while it waits."""
    fleet = fleet_of(count)
    fleet.start()
    fleet.start_proxies(programs.PROXY)
    fleet.wait_until_handed_over([network.router_id for network in fleet.networks.all])
    ask_all(fleet)
    record(
        figures,
        "neutron-ns-metadata-proxy + our agent",
        count,
        cost(fleet.pids.values()),
        cost(family(fleet.agent.pid)),
    )


@pytest.mark.parametrize("count", [1, 20, 500])
def test_the_chain_of_today(fleet_of, figures, count):
    """Figures only. haproxy's requests go to our agent, since Neutron's needs a message bus to answer any."""
    if haproxy_program() is None or not os.access(reference.AGENT, os.X_OK):
        pytest.skip("haproxy or Neutron's agent is not there: run `make setup-stack`")
    fleet = fleet_of(count)
    fleet.start()
    fleet.start_proxies(haproxy_program())
    ask_all(fleet)
    agent = reference.start_agent(fleet.folder, WORKERS)
    try:
        eventually(lambda: len(family(agent.pid)) == WORKERS + 1, 30, "the workers")
        size = cost(family(agent.pid))
        record(figures, "Debian's haproxy + Neutron's agent", count, cost(fleet.pids.values()), size)
    finally:
        reference.stop_agent(agent)
