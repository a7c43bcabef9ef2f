"""Starts processes of their own session and stops exactly those.

A record holds the process id and its start time in clock ticks since boot: the two together are never used twice, so a
stale record cannot stop a stranger.
"""

import os
import pathlib
import signal
import subprocess
import time

from .settings import StackError


def _stat(pid):
    """State and start time; None if there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]


def _is_running(pid, started):
    """False for a zombie: it only waits to be collected."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # another process started it
    found = _stat(pid)
    return found is not None and found[0] not in "ZX" and found[1] == started


def _session(leader):
    """The living processes whose session `leader` started."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[3] == str(leader) and fields[0] not in "ZX":
            found.append((int(entry.name), fields[19]))
    return found


class Process:
    """A named process of a stack, running or not."""

    def __init__(self, settings, name):
        self.settings, self.name = settings, name
        self.record = settings.run / f"{name}.pid"
        self.log = settings.logs / f"{name}.log"

    def _recorded(self):
        try:
            pid, started = self.record.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid), started

    @property
    def pid(self):
        """None if it does not run."""
        recorded = self._recorded()
        return recorded[0] if recorded and _is_running(*recorded) else None

    def start(self, words, environment=None, cwd=None):
        """False if it runs already."""
        if self.pid:
            return False
        with open(self.log, "ab") as log:
            child = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cwd or self.settings.data,
                env={**self.settings.environment, **(environment or {})},
                start_new_session=True,
            )
        self.adopt(child.pid)
        return True

    def adopt(self, pid):
        """Takes responsibility for a process that put itself into the background."""
        found = _stat(pid)
        if found is None:
            raise StackError(f"{self.name} ended at once:\n{self.tail()}")
        self.record.write_text(f"{pid} {found[1]}\n")

    def stop(self, seconds=20.0, number=signal.SIGTERM):
        """Asks it to end, waits, and then ends what is left of its session. False if it did not run."""
        recorded = self._recorded()
        running = recorded is not None and _is_running(*recorded)
        if running:
            rest = [each for each in _session(recorded[0]) if each[0] != recorded[0]]
            _signal(recorded[0], number)
            _wait(lambda: not _is_running(*recorded), seconds)
            for pid, started in [recorded, *rest]:
                if _is_running(pid, started):
                    _signal(pid, signal.SIGKILL)
            _wait(lambda: not any(_is_running(*each) for each in [recorded, *rest]), 5)
        self.record.unlink(missing_ok=True)
        return running

    def signal_all(self, number):
        """Sends a signal to it and to every process of its session, for example SIGSTOP to let it hang."""
        if self.pid:
            for pid, _ in _session(self.pid):
                _signal(pid, number)

    def wait_until(self, ready, seconds, what=None):
        """Asks `ready` again and again; fails early if the process ends."""
        _wait_until([self], ready, seconds, what)

    def tail(self, lines=15):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"


class Service:
    """One process, or several that are one service together: they start and stop together."""

    def __init__(self, settings, name, parts=()):
        """`parts` are the names of the processes beside the one that has the service's name."""
        self.members = [Process(settings, each) for each in (name, *parts)]

    @property
    def pid(self):
        """The first process's; None unless all run."""
        pids = [member.pid for member in self.members]
        return pids[0] if all(pids) else None

    def start(self, commands):
        """Starts those that do not run, each with its (words, environment). False if all ran already."""
        return any([member.start(*command) for member, command in zip(self.members, commands, strict=True)])

    def stop(self, *args, **keywords):
        """False if none ran."""
        return any([member.stop(*args, **keywords) for member in reversed(self.members)])

    def signal_all(self, number):
        for member in self.members:
            member.signal_all(number)

    def wait_until(self, ready, seconds):
        """Asks `ready` again and again; fails early if one of them ends."""
        _wait_until(self.members, ready, seconds)


def _wait_until(members, ready, seconds, what=None):
    deadline = time.monotonic() + seconds
    while not ready():
        for member in members:
            if not member.pid:
                raise StackError(f"{member.name} ended before it was ready; see {member.log}:\n{member.tail()}")
        if time.monotonic() > deadline:
            what = what or f"{members[0].name} is not ready"
            logs = "\n".join(f"{member.log}:\n{member.tail()}" for member in members)
            raise StackError(f"{what} after {seconds:g} s; see {logs}")
        time.sleep(0.1)


def end_all(pids, seconds=5.0):
    """Ends processes that others started: SIGTERM, and after `seconds` SIGKILL."""
    found = [(pid, stat[1]) for pid in pids if (stat := _stat(pid)) is not None]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid, started in found:
            if _is_running(pid, started):
                _signal(pid, number)
        _wait(lambda: not any(_is_running(*each) for each in found), seconds)


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _wait(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def run(settings, words, log=None, environment=None, **keywords):
    """Runs a command to its end and returns its output; with `log` it goes to that file as well."""
    words = [str(word) for word in words]
    done = subprocess.run(
        words,
        stdin=None if "input" in keywords else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=keywords.pop("timeout", 300),
        cwd=settings.data,
        env={**settings.environment, **(environment or {})},
        **keywords,
    )
    if log:
        with open(settings.logs / f"{log}.log", "a") as file:
            file.write(done.stdout + done.stderr)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()[-12:]
        raise StackError(f"{' '.join(words[:4])} … ended with {done.returncode}:\n" + "\n".join(said))
    return done.stdout
