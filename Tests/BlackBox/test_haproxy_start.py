"""The contract with the agents about starting: what is true when the command has ended with 0, and when it has not."""

import os
import pathlib
import pwd
import signal
import socket
import subprocess
import time

import pytest

from Harness import lab, personality, programs, wire
from Harness.marks import as_root
from Harness.programs import eventually


def command_line(pid):
    """As psutil joins it, which is where the agents look for the id."""
    return " ".join(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")).rstrip()


def test_when_the_command_has_ended_everything_is_there(haproxy):
    """No waiting: listeners, pid file and the id in the command line, at once."""
    haproxy.serve()
    haproxy.write()
    for _ in range(20):
        done = subprocess.run([haproxy.program, "-f", haproxy.path], capture_output=True, timeout=30)
        text = haproxy.pid_file.read_bytes()
        connected = wire.accepts(haproxy.where)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert connected
        assert text == b"%d\n" % int(text)
        assert command_line(int(text)) == f"{haproxy.program} -f {haproxy.path}"
        haproxy.stop()


def test_the_daemon_keeps_no_output_open(haproxy):
    """Agents read both to their end, and would hang as long as a daemon held one."""
    haproxy.serve()
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [haproxy.program, "-f", haproxy.write()], stdin=subprocess.DEVNULL, stdout=writing, stderr=writing
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        assert output.read() == b""
    assert process.wait(10) == 0
    descriptors = {number: os.readlink(f"/proc/{haproxy.pid}/fd/{number}") for number in (0, 1, 2)}
    assert set(descriptors.values()) == {"/dev/null"}


def test_closed_standard_descriptors_are_no_hindrance(haproxy):
    haproxy.serve()
    haproxy.write()
    shell = f'exec "{haproxy.program}" -f "{haproxy.path}" <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", shell], timeout=30).returncode == 0
    assert haproxy.get().body == b"hello"
    descriptors = {number: os.readlink(f"/proc/{haproxy.pid}/fd/{number}") for number in (0, 1, 2)}
    assert set(descriptors.values()) == {"/dev/null"}


def test_the_daemon_is_nobodys_child_and_has_no_terminal(haproxy):
    haproxy.serve()
    pid = haproxy.start()
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    parent, session, terminal = int(stat[1]), int(stat[3]), int(stat[4])
    assert parent != os.getpid() and session not in (pid, os.getsid(0)) and terminal == 0


@pytest.mark.parametrize("umask", ["000", "022", "077", "777"])
def test_the_pid_file_can_be_read_by_everybody_whatever_the_umask(haproxy, umask):
    haproxy.serve()
    haproxy.write()
    shell = f'umask {umask}; exec "{haproxy.program}" -f "{haproxy.path}"'
    assert subprocess.run(["sh", "-c", shell], timeout=30).returncode == 0
    status = haproxy.pid_file.stat()
    assert oct(status.st_mode & 0o7777) == oct(0o644)
    assert status.st_uid == os.geteuid()


# A stale file with several numbers in it once kept proxies from starting (2024.1, LP 2033980).
@pytest.mark.parametrize("stale", [b"", b"1\n2\n3\n", b"garbage", b"999999\n" * 5000, b"\0" * 10])
def test_a_stale_pid_file_is_overwritten(haproxy, stale):
    haproxy.serve()
    haproxy.pid_file.write_bytes(stale)
    pid = haproxy.start()
    assert haproxy.pid_file.read_bytes() == b"%d\n" % pid
    assert haproxy.processes == [pid]


def test_a_pid_file_of_a_living_process_is_overwritten_too(haproxy):
    """The agents decide who is alive; there is no lock in haproxy's contract."""
    haproxy.serve()
    haproxy.pid_file.write_text(f"{os.getpid()}\n")
    assert haproxy.start() != os.getpid()


def test_root_does_not_write_through_a_link(haproxy):
    """The folder belongs to the agents' user."""
    haproxy.serve()
    victim = haproxy.folder / "victim"
    victim.write_text("precious")
    haproxy.pid_file.symlink_to(victim)
    pid = haproxy.start()
    assert victim.read_text() == "precious"
    assert not haproxy.pid_file.is_symlink() and haproxy.pid_file.read_text() == f"{pid}\n"


def test_the_environment_of_the_agents_stays(haproxy):
    """`env PROCESS_TAG=haproxy-ID`, since 2023.1: it is how agents find a process in another container."""
    haproxy.serve()
    haproxy.write()
    words = ["env", f"PROCESS_TAG=haproxy-{lab.RED}", haproxy.program, "-f", str(haproxy.path)]
    assert programs.run(words, haproxy.folder)[0] == 0
    environment = pathlib.Path(f"/proc/{haproxy.pid}/environ").read_bytes().split(b"\0")
    assert f"PROCESS_TAG=haproxy-{lab.RED}".encode() in environment


def test_variables_with_the_names_of_our_own_mean_nothing(haproxy):
    """What tells a stand-in about its predecessor counts only where there are sockets of that predecessor."""
    haproxy.serve()
    haproxy.write()
    lies = {
        "BELLHOP_STANDBY": f"bellhop-standby 1\nprogram /bin/sh\nagent {haproxy.socket}\nlisteners 5 6",
        "BELLHOP_OFFER": "bellhop-listeners 1\nnetwork other\n",
    }
    assert haproxy.run("-f", haproxy.path, environment=lies)[0] == 0
    assert haproxy.get().status == 200
    assert haproxy.agent.last["X-Neutron-Network-ID"] == lab.RED


@as_root
def test_privileges_are_dropped_when_everything_is_open(haproxy):
    haproxy.serve()
    nobody = pwd.getpwnam("nobody")
    port = next(port for port in range(1023, 900, -1) if not wire.accepts(("127.0.0.1", port)))
    pid = haproxy.start(binds=[f"127.0.0.1:{port}"])
    fields = personality.status(pid)
    assert fields["Uid"].split() == [str(nobody.pw_uid)] * 4
    assert fields["Gid"].split() == [str(nobody.pw_gid)] * 4
    assert fields["Groups"].split() in ([], [str(nobody.pw_gid)])
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    assert haproxy.pid_file.stat().st_uid == 0
    assert wire.get(("127.0.0.1", port)).body == b"hello"


@as_root
def test_numbers_are_accounts_too(haproxy):
    haproxy.serve()
    text = haproxy.text().replace("user        nobody", "uid 65534").replace("group       nogroup", "gid 65534")
    assert personality.status(haproxy.start(text))["Uid"].split()[0] == "65534"


@as_root
def test_who_is_that_user_already_needs_no_root(haproxy):
    haproxy.serve()
    haproxy.folder.chmod(0o777)
    haproxy.write(user="daemon", group="daemon")
    words = ["setpriv", "--reuid", "daemon", "--regid", "daemon", "--clear-groups", haproxy.program]
    status, out, err = programs.run([*words, "-f", haproxy.path], haproxy.folder)
    assert status == 0, out + err
    assert haproxy.get().body == b"hello"


@as_root
def test_becoming_somebody_else_without_being_root_ends_it(haproxy):
    haproxy.folder.chmod(0o777)
    words = ["setpriv", "--reuid", "daemon", "--regid", "daemon", "--clear-groups", haproxy.program]
    status, _, err = programs.run([*words, "-f", haproxy.write()], haproxy.folder)
    assert status == 1 and "Root permissions are required" in err
    eventually(lambda: not haproxy.processes, 5, "the end of the daemon")
    assert not wire.accepts(haproxy.where)


def test_an_address_somebody_else_has_ends_it_with_a_sentence(haproxy, control):
    for setup in (haproxy, control):
        with socket.create_server(setup.where):
            status, _, err = setup.run("-f", setup.write())
        assert status == 1 and str(setup.port) in err
        eventually(lambda: not setup.processes, 5, "the end of the daemon")
        assert not setup.pid_file.exists()


def test_an_address_that_becomes_free_in_time_is_taken(haproxy):
    """The predecessor of another program may be on its way out."""
    haproxy.serve()
    haproxy.write()
    with socket.create_server(haproxy.where):
        process = subprocess.Popen([haproxy.program, "-f", haproxy.path], stderr=subprocess.PIPE)
        time.sleep(0.3)
        assert process.poll() is None, process.stderr.read()
    assert process.wait(10) == 0
    assert haproxy.get().body == b"hello"


def test_a_signal_while_waiting_for_the_address_ends_it(haproxy):
    haproxy.write()
    with socket.create_server(haproxy.where):
        process = subprocess.Popen([haproxy.program, "-f", haproxy.path], stderr=subprocess.PIPE)
        daemon = eventually(lambda: [pid for pid in haproxy.processes if pid != process.pid], 5, "the daemon")
        for pid in daemon:
            os.kill(pid, signal.SIGTERM)
        assert process.wait(10) == 1
    assert not haproxy.processes


@pytest.mark.parametrize("path", ["/nonexistent/folder/x.pid", "/proc/x.pid"])
def test_a_pid_file_that_cannot_be_written_ends_it(haproxy, path):
    status, _, err = haproxy.run("-f", haproxy.write(), "-p", path)
    assert status == 1 and path in err
    eventually(lambda: not haproxy.processes, 5, "the end of the daemon")
    assert not wire.accepts(haproxy.where)


def test_the_command_says_what_it_could_not_do_before_its_output_ends(haproxy):
    """The sentence comes from the daemon, which has no output any more."""
    with socket.create_server(haproxy.where):
        done = subprocess.run([haproxy.program, "-f", haproxy.write()], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("[ALERT]") and "Address already in use" in done.stderr


def test_the_agent_need_not_run(haproxy):
    """At the boot of a node the proxies may be first."""
    pid = haproxy.start()
    haproxy.serve()
    assert haproxy.get().body == b"hello"
    assert haproxy.processes == [pid]
