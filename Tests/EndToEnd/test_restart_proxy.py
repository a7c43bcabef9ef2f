"""An agent of Neutron restarts a namespace proxy while guests boot: it sends SIGTERM, deletes the pid file and starts
the next one at once, which binds beside its predecessor (SO_REUSEPORT) if that is still there.

Between the two nobody listens for a moment, and what had not been accepted is gone with the old socket; no proxy can
help that from inside. What is lost is printed, and beside it what Debian's haproxy loses, restarted in the same way.
"""

import os
import pathlib
import shutil
import signal
import tempfile
import time

import pytest

from chain import haproxy_program
from Harness.programs import eventually
from restarts import RestartChain, has_ended

ROUNDS = 8


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


def stop_and_start(chain, program):
    """As the agents since 2024.1 do. Returns from when to when requests could suffer."""
    old, began = chain.daemons["dhcp"], time.monotonic()
    os.kill(old, signal.SIGTERM)
    chain.start_haproxy_of(program)
    # Until then some new connections may still come to the old one's socket.
    eventually(lambda: has_ended(old), what="the end of the old proxy")
    return began, time.monotonic()


def successor_first(chain, program):
    """It binds beside the old one, which is then told to end: kinder than any agent is."""
    old, began = chain.daemons["dhcp"], time.monotonic()
    chain.start_haproxy_of(program)
    os.kill(old, signal.SIGTERM)
    eventually(lambda: has_ended(old), what="the end of the old proxy")
    return began, time.monotonic()


def judge(storms, times):
    """Only what was on its way during a restart may have failed, and only as a socket that is gone makes it fail."""
    suffered = [outcome for span in times for outcome in storms.open_within(*span)]
    others = [outcome for outcome in storms.failures if outcome not in suffered]
    assert not others, f"failed while no restart was going on: {others[:5]}"
    assert {outcome.kind.removeprefix("kept-") for outcome in storms.failures} <= {"refused", "reset", "cut"}


@pytest.mark.parametrize("way", [stop_and_start, successor_first])
@pytest.mark.parametrize("which", ["our haproxy", "Debian's haproxy"])
def test_a_restart_of_haproxy(chain, which, way, capsys):
    program = chain.haproxy if which == "our haproxy" else haproxy_program()
    if program is None:
        pytest.skip("haproxy is not there: run `make setup`")
    chain.stop_front("dhcp")
    chain.start_haproxy_of(program)
    times = []
    with chain.storms(chain.lab.isolated, rate=300) as storms:
        for _ in range(ROUNDS):
            times.append(way(chain, program))
            storms.wait_for_answers(100)
    with capsys.disabled():
        print(f"\n  {which}, {way.__name__}, {ROUNDS} times: {storms.summary}", flush=True)
    if which == "our haproxy":
        judge(storms, times)
        # The successor has handed over too, and the agent has given back what was its predecessor's.
        eventually(lambda: chain.waits("dhcp"), what="the successor to wait")
        eventually(lambda: chain.listeners() == 1, what="one listener")


def test_a_restart_of_the_old_proxy(chain, capsys):
    """The agents of Juno to Ocata kill it, always. The agent's copy of the socket must be gone for the next to bind."""
    times = []
    with chain.storms(chain.lab.routed[:2], rate=150) as storms:
        for _ in range(ROUNDS // 2):
            old, began = chain.daemons["router"], time.monotonic()
            os.kill(old, signal.SIGKILL)
            eventually(lambda: has_ended(old), what="the end of the old proxy")  # noqa: B023
            chain.start_front("router")
            times.append((began, time.monotonic()))
            storms.wait_for_answers(100)
    with capsys.disabled():
        print(f"\n  our old proxy, SIGKILL and start, {ROUNDS // 2} times: {storms.summary}", flush=True)
    judge(storms, times)
