"""`neutron-ns-metadata-proxy` hands its listener over as well: agents of Juno to Ocata get the same service."""

import fcntl
import os
import pathlib
import signal

import pytest

from Harness import lab, personality, programs, wire
from Harness.handover import GUEST, INVENTORY
from Harness.haproxy_file import GROUP, USER
from Harness.marks import as_root
from Harness.programs import eventually, is_alive
from Harness.wire import Client, request


class OldProxy:
    """Our agent, and the proxy as the agents of Kilo to Ocata start it, on the agent's socket."""

    def __init__(self, agent, proxy):
        self.agent, self.proxy = agent, proxy
        agent.inventory.write_text(INVENTORY)
        self.pid_file = proxy.folder / f"{lab.RED}.pid"
        self.log = proxy.folder / f"neutron-ns-metadata-proxy-{lab.RED}.log"
        self.where = proxy.where
        self.pids = set()

    def start_agent(self):
        return self.agent.start(metadata_proxy_user=USER, metadata_proxy_group=GROUP)

    def start(self, *options):
        words = self.proxy.words("--pid_file", self.pid_file, "--log-file", self.log, *options)
        if os.geteuid() == 0:
            words += ["--metadata_proxy_user", USER, "--metadata_proxy_group", GROUP]
        status, out, err = programs.run(words, self.proxy.folder, seconds=30)
        assert status == 0, out + err
        pid = int(self.pid_file.read_text())
        self.pids.add(pid)
        return pid

    def served_by_agent(self, target):
        lines = [line for line in self.agent.log_text.splitlines() if " eventlet.wsgi.server " in line]
        return any(f" {target} " in line and ",<local>" not in line for line in lines)


@pytest.fixture
def old(agent, proxy):
    setup = OldProxy(agent, proxy)
    agent.serve()
    yield setup
    for pid in setup.pids:
        programs.end_process(pid)


def test_guests_reach_the_agent_itself(old):
    old.start_agent()
    pid = old.start()
    assert wire.get(old.where, "/direct").status == 200
    eventually(lambda: old.served_by_agent("/direct"), 5, "the access line")
    assert old.agent.nova.last["X-Instance-ID"] == GUEST
    assert f"pid={pid}" in old.agent.log_text
    assert "The metadata agent serves the guests" in old.log.read_text()
    private = personality.private_kib(pid)
    print(f"private memory of the waiting process: {private} KiB")
    assert private < 1_500, "one of Python took thirty megabytes"
    assert personality.status(pid)["Threads"] == "1"


@as_root
def test_it_has_dropped_its_rights_before_it_offers_anything(old):
    old.start_agent()
    pid = old.start()
    assert personality.status(pid)["Uid"].split() == ["65534"] * 4
    assert int(personality.status(pid)["CapEff"], 16) == 0
    assert wire.get(old.where).status == 200


def test_the_lock_of_its_pid_file_stays(old):
    """So a second one does not start, while the agent serves and while it does not."""
    program = old.start_agent()
    pid = old.start()
    for _ in range(2):
        with open(old.pid_file) as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        words = old.proxy.words("--pid_file", old.pid_file, "--metadata_port", wire.free_port())
        status, _, err = programs.run(words, old.proxy.folder)
        assert status == 1 and "already exist. Daemon already running?" in err
        if program:
            program.stop()
            program = None
            eventually(lambda: "Guests are served from here" in old.log.read_text(), 10, "the proxy alone")
    assert int(old.pid_file.read_text()) == pid


def test_it_stays_what_it_is_when_the_agent_goes_and_comes(old):
    program = old.start_agent()
    pid = old.start()
    for round in range(3):
        assert wire.get(old.where, f"/{round}").status == 200
        program.stop()
        with Client(old.where) as guest:
            guest.send(request("/held"))
            program = old.start_agent()
            assert guest.response().status == 200
        taken = lambda: old.agent.log_text.count("Listeners taken over") >= round + 2  # noqa: B023, E731
        eventually(taken, 15, "the next hand-over")
    assert wire.get(old.where, "/last").status == 200
    eventually(lambda: old.served_by_agent("/last"), 5, "the access line")
    assert is_alive(pid) and personality.executable(pid).name == "neutron-ns-metadata-proxy"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_its_end_frees_the_address(old, number):
    """A kill is all that these agents know, and the next one binds without SO_REUSEPORT."""
    old.start_agent()
    pid = old.start()
    with Client(old.where) as guest:
        guest.send(request("/"))
        assert guest.response().status == 200
        os.kill(pid, number)
        personality.bind_alone(old.proxy.port, 1).close()
    eventually(lambda: not is_alive(pid), 5, "the end of the proxy")
    if number == signal.SIGKILL:
        assert old.start() != pid
        assert wire.get(old.where).status == 200


def test_in_the_foreground_it_hands_over_too(old, start):
    old.start_agent()
    program = start(old.proxy.words("--nodaemonize"), "proxy")
    eventually(lambda: "Listeners taken over" in old.agent.log_text, 10, "the hand-over")
    assert wire.get(old.where, "/direct").status == 200
    eventually(lambda: old.served_by_agent("/direct"), 5, "the access line")
    assert not (pathlib.Path(old.pid_file).exists())
    assert program.stop() in (0, -signal.SIGTERM)


@as_root
def test_another_users_listener_is_refused(old):
    old.agent.start(
        metadata_proxy_user="daemon", metadata_proxy_group="daemon", metadata_proxy_socket_mode="all"
    )
    old.start()
    assert wire.get(old.where, "/relayed").status == 200
    assert not old.served_by_agent("/relayed")
    assert "does not take the listener" in old.log.read_text()
    assert "may not hand any over" in old.agent.log_text
