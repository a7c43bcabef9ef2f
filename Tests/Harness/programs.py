"""Starts the programs under test, waits until they are ready, and stops them by process id."""

import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BELLHOP_BIN", ROOT / ".build/release"))
AGENT = BIN / "neutron-metadata-agent"
PROXY = BIN / "neutron-ns-metadata-proxy"
BELLHOP = BIN / "bellhop"


def eventually(condition, seconds=10.0, what="the condition"):
    """The first true result of `condition`, asked again and again."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.02)


def is_alive(pid):
    """False for a zombie: it only waits to be collected."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def end_process(pid, seconds=10.0):
    """Stops a process that is not our child (a daemon): SIGTERM, then SIGKILL."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if not is_alive(pid):
            return
        try:
            os.kill(pid, sent)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.02)


class Program:
    """One started process. Its output goes to files, so that nothing it says can block it."""

    def __init__(self, words, folder, name, environment=None, before=(), cwd=None):
        self.words = [str(word) for word in words]
        self.stdout_path = pathlib.Path(folder) / f"{name}.out"
        self.stderr_path = pathlib.Path(folder) / f"{name}.err"
        base = {key: value for key, value in os.environ.items() if not key.startswith(("OS_", "NOTIFY"))}
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self.process = subprocess.Popen(
                [str(word) for word in before] + self.words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=cwd or folder,
                env={**base, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self):
        return self.process.pid

    @property
    def output(self):
        """Standard output and standard error."""
        return self.stdout_path.read_text(errors="replace") + self.stderr_path.read_text(errors="replace")

    def wait_until(self, condition, seconds=15.0, what="readiness"):
        """Waits for `condition`, and fails at once if the program ends before."""

        def check():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.words[0]} ended with {self.process.returncode}:\n{self.output}")
            return condition()

        try:
            return eventually(check, seconds, what)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.output}") from None

    def wait_for_output(self, text, seconds=10.0):
        self.wait_until(lambda: text in self.output, seconds, f"the output {text!r}")

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=15.0):
        """The exit status; negative for a signal."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.words[0]} still runs after {seconds} s:\n{self.output}") from None

    def stop(self, number=signal.SIGTERM, seconds=15.0):
        if self.process.poll() is None:
            self.send_signal(number)
        return self.wait(seconds)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def status_kib(self, field):
        """A line of /proc/PID/status in KiB, such as VmRSS, VmHWM or RssAnon."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise KeyError(field)


def run(words, folder, seconds=20.0, environment=None, **keywords):
    """Runs a command to its end: (exit status, standard output, standard error)."""
    base = {key: value for key, value in os.environ.items() if not key.startswith(("OS_", "NOTIFY"))}
    done = subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        cwd=folder,
        env={**base, **(environment or {})},
        **keywords,
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
