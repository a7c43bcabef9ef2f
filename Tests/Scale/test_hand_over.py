"""Five hundred listeners and an agent that comes back: soon, when the proxies still wait for it, and late, when they
serve their guests by themselves."""

import datetime
import statistics
import time

import pytest

from Harness.programs import eventually
from memory import cost

NETWORKS = 500
TITLE = "500 listeners handed over after a start of the agent (seconds after its exec)"
# The goal is one second; this only tells a slow machine from a broken program.
SECONDS_MAX = 10


@pytest.fixture
def fleet(fleet_of):
    made = fleet_of(NETWORKS)
    made.start()
    made.start_proxies(made.haproxy)
    wait_until_served(made)
    eventually(lambda: len(made.waiting) == NETWORKS, 20, "all proxies to wait")
    return made


def wait_until_served(fleet, seconds=60):
    fleet.wait_for_log("Listeners taken over", NETWORKS, seconds)


def seconds_of(fleet, text, since):
    """When the agent wrote these lines, in seconds after `since`."""
    lines = [line for line in fleet.fresh_log.splitlines() if text in line]
    return [datetime.datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S.%f").timestamp() - since for line in lines]


def restart(fleet, figures, what, away=None):
    """Stops the agent and starts it again, when `away` returns; records how long the hand-over took."""
    assert fleet.agent.stop() == 0
    if away:
        away()
    began = time.time()
    fleet.start_agent()
    wait_until_served(fleet)
    taken = seconds_of(fleet, "Listeners taken over", began)
    assert len(taken) == NETWORKS, "each listener once"
    figures.add(
        TITLE,
        agent=what,
        listens=f"{seconds_of(fleet, 'Listening ', began)[0]:.2f}",
        first=f"{min(taken):.2f}",
        median=f"{statistics.median(taken):.2f}",
        last=f"{max(taken):.2f}",
        agent_private_KiB=cost([fleet.agent.pid]).private,
    )
    return max(taken)


def test_five_hundred_listeners_come_at_once_and_no_request_is_lost(fleet, figures):
    storm = fleet.storm(rate=500, kept=20, kept_rate=2)
    storm.wait_for_answers(NETWORKS, time.monotonic())
    for _ in range(3):
        last = restart(fleet, figures, "back at once, 500 requests/s")
        storm.wait_for_answers(NETWORKS, time.monotonic())
        assert last < SECONDS_MAX
    storm.end()
    storm.join()
    failures = [outcome for outcome in storm.outcomes if outcome.is_failure]
    figures.add(
        "Requests in 500 networks while the agent was restarted three times",
        requests=len(storm.outcomes),
        failed=len(failures),
        slowest_s=f"{max(outcome.seconds for outcome in storm.outcomes):.2f}",
    )
    assert not failures, failures[:5]
    assert len(fleet.waiting) == NETWORKS


def test_without_guests_the_hand_over_is_faster_still(fleet, figures):
    assert restart(fleet, figures, "back at once, no guests") < SECONDS_MAX
    assert {outcome.kind for outcome in fleet.ask_all()} == {"ok"}


def test_five_hundred_proxies_that_served_by_themselves_wait_again(fleet, figures):
    def away():
        eventually(lambda: not fleet.waiting, 60, "all proxies to serve by themselves")
        size = cost(fleet.pids.values())
        figures.add(
            "500 proxies while they serve by themselves (KiB)",
            private_per_network=round(size.private / NETWORKS),
            PSS_per_network=round(size.pss / NETWORKS),
            threads_per_network=size.threads / NETWORKS,
        )

    restart(fleet, figures, "back after all proxies serve by themselves", away)
    eventually(lambda: len(fleet.waiting) == NETWORKS, 60, "all proxies to wait")
    assert {outcome.kind for outcome in fleet.ask_all()} == {"ok"}
