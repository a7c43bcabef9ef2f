"""The namespace proxy as a daemon: pid file, lock, signals, privileges."""

import fcntl
import os
import pathlib
import pwd
import signal
import subprocess

import pytest

from Harness import lab, programs, wire
from Harness.marks import as_root
from Harness.programs import eventually, is_alive


@pytest.fixture
def daemon(proxy):
    """Starts the proxy as the agents do, and ends every daemon that its pid file named."""
    pids = set()
    proxy.pid_file = proxy.folder / f"{lab.RED}.pid"

    def start(*options, identity=("--network_id", lab.RED)):
        words = proxy.words("--pid_file", proxy.pid_file, *options, identity=identity)
        # The agents read both outputs to their end: a daemon that kept one open would block them.
        result = programs.run(words, proxy.folder, seconds=30)
        if result[0] == 0:
            pid = eventually(lambda: proxy.pid_file.read_text() if proxy.pid_file.exists() else "", 5, "the pid file")
            pids.add(int(pid))
        return result

    def started(*options, **keywords):
        status, out, err = start(*options, **keywords)
        assert status == 0, out + err
        eventually(lambda: wire.accepts(proxy.where), 10, "the daemon's listener")
        return int(proxy.pid_file.read_text())

    proxy.daemonize, proxy.started = start, started
    yield proxy
    for pid in pids:
        programs.end_process(pid)


def descriptors(pid):
    return {int(path.name): os.readlink(path) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()}


def test_the_parent_ends_with_0_and_the_daemon_serves(daemon):
    daemon.serve()
    pid = daemon.started()
    assert wire.get(daemon.where).body == b"hello"
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    session, terminal = int(stat[3]), int(stat[4])
    # The second fork: not the leader of its session, so it can never gain a terminal.
    assert session != pid and terminal == 0
    assert os.readlink(f"/proc/{pid}/cwd") == "/"


# A pid written as text once killed the daemon after the fork (Ocata, LP 1661303).
def test_the_pid_file_is_the_number_alone_without_a_newline(daemon):
    pid = daemon.started()
    assert daemon.pid_file.read_bytes() == str(pid).encode()
    assert is_alive(pid)


def test_the_pid_file_is_there_when_the_parent_ends(daemon):
    status, _, err = programs.run(daemon.words("--pid_file", daemon.pid_file), daemon.folder)
    text = daemon.pid_file.read_text() if daemon.pid_file.exists() else ""
    try:
        assert status == 0, err
        assert text.isdigit()
    finally:
        if text.isdigit():
            programs.end_process(int(text))


def test_descriptors_0_1_and_2_are_dev_null(daemon):
    open_files = descriptors(daemon.started())
    assert [open_files[number] for number in (0, 1, 2)] == ["/dev/null"] * 3


# "Is it running?" is asked by the uuid in the command line (Havana, LP 1177416).
def test_the_command_line_keeps_the_id_and_the_name(daemon):
    pid = daemon.started()
    command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    assert lab.RED.encode() in command
    assert b"neutron-ns-metadata-proxy" in command


def test_a_second_start_is_refused_with_1(daemon):
    pid = daemon.started()
    status, _, err = daemon.daemonize("--metadata_port", wire.free_port())
    assert status == 1
    assert "already exist. Daemon already running?" in err
    assert is_alive(pid) and int(daemon.pid_file.read_text()) == pid


# The lock once blocked for ever (Juno, LP 1315507).
def test_a_locked_pid_file_refuses_at_once(daemon):
    with open(daemon.pid_file, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        status, _, err = programs.run(daemon.words("--pid_file", daemon.pid_file), daemon.folder, seconds=10)
    assert status == 1
    assert str(daemon.pid_file) in err


def test_the_daemon_holds_the_lock_of_its_pid_file(daemon):
    daemon.started()
    with open(daemon.pid_file) as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# SIGTERM once left the pid file (Havana, LP 1223250).
def test_sigterm_ends_the_daemon_and_removes_the_pid_file(daemon):
    pid = daemon.started()
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not is_alive(pid), 10, "the end of the daemon")
    assert not daemon.pid_file.exists()
    assert not wire.accepts(daemon.where)


def test_a_pid_file_that_belongs_to_a_successor_stays(daemon):
    pid = daemon.started()
    daemon.pid_file.write_text("4194304")
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not is_alive(pid), 10, "the end of the daemon")
    assert daemon.pid_file.read_text() == "4194304"


def test_after_sigkill_it_starts_again_over_the_stale_file(daemon):
    pid = daemon.started()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_alive(pid), 10, "the end of the daemon")
    assert daemon.pid_file.exists()
    daemon.serve()
    second = daemon.started()
    assert second != pid
    assert wire.get(daemon.where).status == 200


@pytest.mark.parametrize("content", ["", "garbage", "0", "-1", "12 34", "99999999999999999999", "\0\0\0"])
def test_an_unusable_pid_file_is_no_hindrance(daemon, content):
    daemon.pid_file.write_text(content)
    assert is_alive(daemon.started())


def test_a_pid_file_that_names_another_program_is_stale(daemon):
    other = subprocess.Popen(["sleep", "60"])
    try:
        daemon.pid_file.write_text(str(other.pid))
        assert daemon.started() != other.pid
    finally:
        other.kill()
        other.wait()


def test_an_impossible_pid_file_ends_with_1(proxy):
    words = proxy.words("--pid_file", "/nonexistent/folder/x.pid")
    status, _, err = programs.run(words, proxy.folder)
    assert status == 1
    assert "/nonexistent/folder/x.pid" in err


# From Liberty on a daemon may have no pid file at all.
def test_without_a_pid_file_it_daemonises_as_well(proxy):
    proxy.serve()
    status, _, err = programs.run(proxy.words(), proxy.folder)
    assert status == 0, err
    eventually(lambda: wire.accepts(proxy.where), 10)
    found = subprocess.run(["pgrep", "-f", str(proxy.socket)], capture_output=True, text=True).stdout.split()
    try:
        assert len(found) == 1
        assert wire.get(proxy.where).status == 200
    finally:
        for pid in found:
            programs.end_process(int(pid))


def test_in_the_foreground_it_stays_and_writes_no_pid_file(proxy):
    proxy.serve()
    pid_file = proxy.folder / "x.pid"
    program = proxy.start("--pid_file", pid_file)
    assert wire.get(proxy.where).status == 200
    assert program.process.poll() is None
    assert not (pid_file.exists() and pid_file.read_text())
    assert program.stop() in (0, -signal.SIGTERM)


@as_root
def test_privileges_are_dropped_after_binding(daemon):
    nobody = pwd.getpwnam("nobody")
    daemon.serve(mode=0o666)
    log = daemon.folder / "proxy.log"
    pid = daemon.started(
        "--metadata_proxy_user", "nobody", "--metadata_proxy_group", str(nobody.pw_gid), "--log-file", log
    )
    status = dict(
        line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    eventually(lambda: "runs with uid/gid" in log.read_text(), 5, "the log line")
    status = dict(
        line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert status["Uid"].split() == [str(nobody.pw_uid)] * 4
    assert status["Gid"].split() == [str(nobody.pw_gid)] * 4
    assert status["Groups"].split() in ([], [str(nobody.pw_gid)])
    assert int(status["CapEff"], 16) == 0
    assert f"{nobody.pw_uid}/{nobody.pw_gid}" in log.read_text()
    # The log was opened before, by root, and the agent's socket is open to all.
    assert wire.get(daemon.where).body == b"hello"


@as_root
def test_a_privileged_port_is_bound_before_the_drop(daemon):
    daemon.serve(mode=0o666)
    daemon.port = next(port for port in range(1023, 900, -1) if not wire.accepts(("127.0.0.1", port)))
    daemon.where = ("127.0.0.1", daemon.port)
    daemon.started("--metadata_proxy_user", "nobody")
    assert wire.get(daemon.where).status == 200


@as_root
def test_an_unknown_user_ends_it(proxy):
    words = proxy.words("--nodaemonize", "--metadata_proxy_user", "no-such-user-here")
    status, out, err = programs.run(words, proxy.folder)
    assert status == 1
    assert "no-such-user-here" in out + err


@as_root
def test_dropping_privileges_without_being_root_is_an_error(proxy):
    words = ["setpriv", "--reuid", "65534", "--clear-groups"]
    words += proxy.words("--nodaemonize", "--metadata_proxy_user", "daemon")
    proxy.folder.chmod(0o777)
    status, out, err = programs.run(words, proxy.folder)
    assert status == 1
    assert "Root permissions are required to drop privileges." in out + err
