"""From the command that an agent of Neutron gives to the first answer that a guest gets."""

import os
import statistics
import time

import pytest

import reference
from chain import haproxy_program
from Harness import programs
from Harness.programs import eventually

NETWORKS = 20
TITLE = "From the start of a proxy to the guest's first answer (ms)"


@pytest.mark.parametrize("which", ["our haproxy", "neutron-ns-metadata-proxy", "Debian's haproxy"])
def test_the_first_answer(fleet_of, figures, which):
    fleet = fleet_of(NETWORKS)
    program = {"our haproxy": fleet.haproxy, "Debian's haproxy": haproxy_program()}.get(which, programs.PROXY)
    if program is None:
        pytest.skip("haproxy is not there: run `make setup`")
    fleet.start()
    milliseconds = []
    for network in fleet.networks.all:
        storm = fleet.storm([network], rate=1000, until_first=True)
        eventually(lambda: storm.outcomes, what="a guest that asks")  # noqa: B023
        began = time.monotonic()
        fleet.start_proxies(program, [network])
        storm.join()
        assert {outcome.kind for outcome in storm.outcomes} <= {"refused", "ok"}
        answered = min(outcome.ended for outcome in storm.outcomes if outcome.kind == "ok")
        milliseconds.append((answered - began) * 1000)
    add(figures, which, milliseconds)


def test_the_agent_itself(fleet_of, figures):
    """Until a proxy's request would be taken; five starts."""
    fleet = fleet_of(1)
    fleet.start()
    milliseconds = []
    for _ in range(5):
        fleet.agent.stop()
        began = time.monotonic()
        fleet.start_agent()
        milliseconds.append((time.monotonic() - began) * 1000)
    add(figures, "our agent, until it listens", milliseconds)


def test_the_agent_of_today(fleet_of, figures):
    if not os.access(reference.AGENT, os.X_OK):
        pytest.skip("Neutron's agent is not there: run `make setup-stack`")
    fleet = fleet_of(1)
    milliseconds = []
    for _ in range(3):
        began = time.monotonic()
        agent = reference.start_agent(fleet.folder, 2)
        milliseconds.append((time.monotonic() - began) * 1000)
        reference.stop_agent(agent)
        (fleet.folder / "reference").unlink(missing_ok=True)
    add(figures, "Neutron's agent, until it listens", milliseconds)


def add(figures, what, milliseconds):
    figures.add(
        TITLE,
        program=what,
        starts=len(milliseconds),
        median=round(statistics.median(milliseconds)),
        slowest=round(max(milliseconds)),
    )
