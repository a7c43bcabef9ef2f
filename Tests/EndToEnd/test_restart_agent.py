"""The agent is restarted, replaced, killed, reloaded or away while guests boot, and no guest loses its answer.

Guests ask through listeners that both of our proxies have handed over, each request on a new connection.
"""

import os
import pathlib
import shutil
import signal
import tempfile
import threading
import time

import pytest

from Harness import programs, servers
from Harness.programs import eventually
from restarts import RestartChain

ROUNDS = 5


@pytest.fixture(scope="module")
def chain(lab):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-restart-"))
    folder.chmod(0o755)
    made = RestartChain(lab, folder)
    try:
        made.start()
        made.wait_until_handed_over()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def handed_over(chain):
    """A test begins with an agent that serves both networks, whatever became of the test before."""
    if chain.agent.process.poll() is not None:
        chain.agent_program = programs.AGENT
        chain.start_agent()
        chain.wait_until_handed_over()


@pytest.fixture
def show(capsys):
    """Prints a figure whether or not the test fails."""

    def printer(what, storms):
        with capsys.disabled():
            print(f"\n  {what}: {storms.summary}", flush=True)

    return printer


def explain(chain, failures):
    return f"{len(failures)} failed, such as {failures[:5]}{chain.tail()}"


def test_guests_are_served_by_the_agent_itself(chain, show):
    """What the other tests rely on: requests come from the guests' addresses, not over the agent's UNIX socket."""
    before = len(chain.access_lines())
    with chain.storms(kept=0) as storms:
        storms.wait_for_answers(50)
    show("no restart", storms)
    assert storms.failures == []
    eventually(lambda: len(chain.access_lines()) >= before + len(storms.outcomes), what="a line for each request")
    lines = chain.access_lines()[before:]
    assert lines and not [line for line in lines if "<local>" in line]
    assert chain.waits("dhcp")


def test_a_restart_loses_no_request(chain, show):
    with chain.storms() as storms:
        for _ in range(ROUNDS):
            assert chain.agent.stop() == 0
            chain.start_agent()
            chain.wait_until_handed_over()
            storms.wait_for_answers(100)
    show(f"SIGTERM and start, {ROUNDS} times", storms)
    assert not storms.failures, explain(chain, storms.failures)


def test_an_upgrade_loses_no_request(chain, show):
    """The new program is started beside the old one, which ends then; and the other way round on the way back."""
    with chain.storms() as storms:
        for program in (chain.upgraded_program(), programs.AGENT):
            old = chain.agent
            chain.agent_program = program
            chain.start_agent()
            storms.wait_for_answers(10)
            assert old.stop() == 0
            chain.wait_until_handed_over()
            storms.wait_for_answers(100)
            assert pathlib.Path(f"/proc/{chain.agent.pid}/exe").samefile(program)
    show("another program, twice", storms)
    assert not storms.failures, explain(chain, storms.failures)


def test_a_killed_agent_loses_what_was_in_flight_and_nothing_else(chain, show):
    kills, held = [], []
    with chain.storms() as storms:
        for _ in range(ROUNDS):
            # Most requests take less than a millisecond. One that is certain to be in flight: nobody has its address.
            held.append(chain.storm(chain.lab.routed[2], rate=1, requests_max=1))
            eventually(lambda: chain.established("router", chain.lab.routed[2]), what="the stranger's connection")
            before = time.monotonic()
            # Returns when the kernel has closed all that the agent had.
            chain.agent.kill()
            kills.append((before, time.monotonic()))
            chain.start_agent()
            chain.wait_until_handed_over()
            storms.wait_for_answers(100)
    for storm in held:
        storm.join()
        assert [outcome.kind for outcome in storm.outcomes] in (["cut"], ["reset"]), storm.outcomes
    in_flight = [outcome for kill in kills for outcome in storms.open_within(*kill)]
    show(f"SIGKILL and start, {ROUNDS} times, {len(in_flight) + ROUNDS} requests in flight", storms)
    lost = [outcome for outcome in storms.failures if outcome not in in_flight]
    assert not lost, explain(chain, lost)
    # Cut is what a killed process does to a connection. To be refused, or to wait in vain, would be our fault.
    assert {outcome.kind.removeprefix("kept-") for outcome in storms.failures} <= {"cut", "reset"}


def test_a_reload_drops_no_connection(chain, show):
    reloads = 6
    with chain.storms(kept=4) as storms:
        for count in range(1, reloads + 1):
            chain.agent.send_signal(signal.SIGHUP)
            # Those that wait and those that hand over, too: logrotate may send it to everything of ours.
            for pid in chain.daemons.values():
                os.kill(pid, signal.SIGHUP)
            chain.wait_for_log("Configuration reloaded", count)
            storms.wait_for_answers(20)
    show(f"SIGHUP, {reloads} times", storms)
    assert not storms.failures, explain(chain, storms.failures)
    assert storms.of_kind("kept-closed-idle", "kept-asked-again") == []
    assert storms.of_kind("kept-ok")
    assert chain.fresh_log.count("Listeners given back") == 0


def test_a_request_in_flight_is_finished_while_the_others_wait(chain, show):
    """The stranger's request is held when SIGTERM comes. The old agent stays for it and takes no new guests, which wait
    in the backlog, then in their proxy, for the new agent."""
    stranger = chain.lab.routed[2]
    with chain.storms(rate=20) as storms:
        held = chain.storm(stranger, rate=1, requests_max=1)
        # It stands in the agent when the agent has asked for it.
        eventually(lambda: chain.established("router", stranger), what="the stranger's connection")
        began = time.monotonic()
        assert chain.agent.stop(seconds=30) == 0
        away = time.monotonic() - began
        chain.start_agent()
        chain.wait_until_handed_over()
        storms.wait_for_answers(20)
        held.join()
    show(f"SIGTERM with a request that is held for {away:.1f} s more", storms)
    assert [outcome.kind for outcome in held.outcomes] == ["status-404"]
    assert not storms.failures, explain(chain, storms.failures)


def test_while_the_agent_is_away_guests_are_held_and_then_told_to_come_again(chain, show):
    with chain.storms(rate=20, kept=0) as storms:
        gone = time.monotonic()
        assert chain.agent.stop() == 0
        eventually(lambda: not chain.waits("dhcp"), what="the proxy to serve by itself")
        # Guests of both networks, so that both proxies are seen to do it.
        for storm in storms.storms:
            storm.wait_for("status-503", seconds=20)
        chain.start_agent()
        back = time.monotonic()
        chain.wait_until_handed_over()
        storms.wait_for_answers(20)
    show(f"away for {back - gone:.1f} s", storms)
    refused = storms.of_kind("status-503")
    others = [outcome for outcome in storms.failures if outcome not in refused]
    assert not others, explain(chain, others)
    for outcome in refused:
        # Held as long as a guest can be held, and looked at a last time while there was no agent.
        assert outcome.began < back - 8 and outcome.seconds > 8, outcome
        assert int(outcome.detail.removeprefix("retry-after=")) > 0, outcome
    # And everything is as it was.
    eventually(lambda: chain.waits("dhcp"), 15, "the proxy to wait again")
    before = len(chain.access_lines())
    chain.document(chain.lab.isolated[0], "/openstack")
    chain.document(chain.lab.routed[0], "/openstack")
    eventually(lambda: len(chain.access_lines()) >= before + 2, what="the access lines")
    assert not [line for line in chain.access_lines()[before:] if "<local>" in line]


def test_one_request_that_nova_never_answers_turns_nobody_away(chain, show):
    """The old agent waits for Nova, but not so long that guests, who wait for the next agent, have to be told 503."""
    addresses = {instance: address.encode() for address, instance in chain.ids.items()}
    over = threading.Event()

    def answer(request):
        if request.target == b"/hangs":
            over.wait(60)
        return servers.reply(body=addresses[request["X-Instance-ID"]])

    chain.nova.stop()
    try:
        with servers.ScriptedServer(answer, port=chain.nova_port) as nova, chain.storms(rate=20) as storms:
            victim = chain.storm(chain.lab.routed[0], rate=1, requests_max=1, target="/hangs", answer_seconds=60)
            eventually(lambda: [each for each in nova.requests if each.target == b"/hangs"], what="the request")
            began = time.monotonic()
            assert chain.agent.stop(seconds=60) == 0
            away = time.monotonic() - began
            chain.start_agent()
            chain.wait_until_handed_over()
            storms.wait_for_answers(20)
            over.set()
            victim.join()
    finally:
        over.set()
        chain.start_nova()
    show(f"SIGTERM with a request that Nova does not answer, away for {away:.1f} s", storms)
    assert not storms.failures, explain(chain, storms.failures)
