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
from Harness import programs
from Harness.programs import eventually
from restarts import RestartChain

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


def restart(chain, program):
    """As the agents since 2024.1 do. Returns from when to when requests could suffer."""
    old = chain.daemons["dhcp"]
    began = time.monotonic()
    os.kill(old, signal.SIGTERM)
    chain.start_haproxy_of(program)
    # Until then some new connections may still come to the old one's socket.
    eventually(lambda: not programs.is_alive(old), what="the end of the old proxy")
    return began, time.monotonic()


def replace(chain, program):
    """The successor first, which binds beside the old one, and then SIGTERM: kinder than any agent is."""
    old = chain.daemons["dhcp"]
    began = time.monotonic()
    chain.start_haproxy_of(program)
    os.kill(old, signal.SIGTERM)
    eventually(lambda: not programs.is_alive(old), what="the end of the old proxy")
    return began, time.monotonic()


@pytest.mark.parametrize("way", [restart, replace], ids=["stop and start", "successor first"])
@pytest.mark.parametrize("which", ["ours", "Debian's haproxy"])
def test_a_restart_of_the_proxy(chain, which, way, capsys):
    program = chain.haproxy if which == "ours" else haproxy_program()
    if program is None:
        pytest.skip("haproxy is not there: run `make setup`")
    chain.stop_front("dhcp")
    chain.start_haproxy_of(program)
    guest = chain.lab.isolated[0]
    times = []
    with chain.storms([guest], rate=300, kept=2) as storms:
        for _ in range(ROUNDS):
            times.append(way(chain, program))
            storms.wait_for_answers(100)
    with capsys.disabled():
        print(f"\n  {which}, {way.__name__} {ROUNDS} times: {storms.summary}", flush=True)
    suffered = [outcome for span in times for outcome in storms.open_within(*span)]
    others = [outcome for outcome in storms.failures if outcome not in suffered]
    assert not others, f"failed while no restart was going on: {others[:5]}"
    assert {outcome.kind.removeprefix("kept-") for outcome in storms.failures} <= {"refused", "reset", "cut"}
    if which == "ours":
        # The successor has handed over too, and the agent has given back what was its predecessor's.
        eventually(lambda: chain.waits("dhcp"), what="the successor to wait")
        listening = lambda: chain.lab.dhcp.run("ss", "-Hltn").stdout.count("169.254.169.254:80 ")  # noqa: E731
        eventually(lambda: listening() == 1, what="one listener")

