"""Where the benchmark runs: a temporary folder, our C programs, the upstream, and which CPU belongs to whom.

The relay under test has one CPU for itself; guests and upstream share another one, so that neither steals from the
relay. Everything is on loopback, and every process is stopped by its id.
"""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "Benchmarks/programs"
BUILT = ROOT / ".build/bench"

sys.path.insert(0, str(ROOT / "Tests"))

from Harness import programs, wire  # noqa: E402
from Harness.programs import Program  # noqa: E402

# Guests are 127.0.0.11 and up; as many as let a run of seconds never run out of ports.
SOURCES_PER_NETWORK = 16
FIRST_SOURCE = 11


class BenchError(Exception):
    """What is missing or went wrong, and what to do."""


def compile_programs():
    """Builds the C programs, if their sources are newer, and says which compiler did."""
    BUILT.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    for source, words in (
        ("load.c", []),
        ("upstream.c", []),
        ("relay.c", []),
        ("allocations.c", ["-shared", "-fPIC", "-fno-builtin"]),
    ):
        target = BUILT / (source.removesuffix(".c") + (".so" if words else ""))
        if not target.exists() or target.stat().st_mtime < newest:
            flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
            subprocess.run(["gcc", *flags, *words, "-o", target, SOURCES / source], check=True)


def raise_descriptors(wanted=65_536):
    """As many descriptors as the system allows, for us and what we start. Root may allow more than it was given."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, wanted), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
        except (ValueError, OSError):
            continue
    return hard


class Workshop:
    """Holds what all runs share. Leaving it stops every process that was started in it."""

    def __init__(self, say):
        self.say = say
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-bench-"))
        self.folder.chmod(0o755)
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            raise BenchError("the benchmark needs two CPUs: one for the relay, one for guests and upstream")
        self.cpus = cpus
        # The first CPU often serves the machine's interrupts: it is the guests'.
        self.relay_cpus, self.load_cpus = cpus[-1:], cpus[:1]
        self.started = []
        self.files_max = raise_descriptors()

    def __enter__(self):
        self.upstream_socket = self.folder / "upstream.sock"
        self.log_socket = self.folder / "log.sock"
        self.upstream_port = wire.free_port()
        self.upstream = self.start(
            [
                *[BUILT / "upstream", f"127.0.0.1:{self.upstream_port}", self.upstream_socket],
                *["-l", self.log_socket],
            ],
            "upstream",
            cpus=self.load_cpus,
        )
        self.upstream.wait_for_output("ready")
        return self

    def __exit__(self, *_):
        for program in reversed(self.started):
            program.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # MARK: Processes

    def start(self, words, name, cpus=None, environment=None, before=(), folder=None):
        """A process on the given CPUs; on the relay's if none are given."""
        pinned = ["taskset", "-c", ",".join(map(str, cpus or self.relay_cpus)), *before]
        program = Program(words, folder or self.folder, name, environment=environment, before=pinned)
        self.started.append(program)
        return program

    def stop(self, stopping, seconds=20.0):
        """Asks processes to end, and makes them end. Workers that outlive one are in its session."""
        members = session_members([program.pid for program in stopping])
        for program in stopping:
            if program.process.poll() is None:
                program.process.terminate()
        deadline = time.monotonic() + seconds
        for program in stopping:
            try:
                program.process.wait(max(deadline - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired:
                program.kill()
            self.started.remove(program)
        for pid in members:
            programs.end_process(pid)

    def load(self, targets, mode="new", connections=32, seconds=1.0, requests=None, rate=None, sources=None):
        """Runs the guests and returns what they saw. The run ends by time or by count, whichever comes first."""
        words = ["taskset", "-c", ",".join(map(str, self.load_cpus)), BUILT / "load", "-m", mode]
        words += ["-c", connections, "-d", seconds, "-s", sources or SOURCES_PER_NETWORK]
        if requests:
            words += ["-n", requests]
        if rate:
            words += ["-r", rate]
        done = subprocess.run(
            [str(word) for word in [*words, *targets]], capture_output=True, text=True, timeout=seconds + 60
        )
        if done.returncode != 0:
            raise BenchError(f"the load generator ended with {done.returncode}: {done.stderr}")
        seen = json.loads(done.stdout)
        seen["failed"] = sum(seen["errors"].values())
        return seen

    def hold(self, targets, count, sources=None):
        """Opens `count` connections that have had one answer each, and keeps them until `release`."""
        words = ["taskset", "-c", ",".join(map(str, self.load_cpus)), BUILT / "load", "-i", count]
        words += ["-s", sources or SOURCES_PER_NETWORK, *targets]
        return Holder([str(word) for word in words])


class Holder:
    """Idle connections, held open by a process."""

    def __init__(self, words):
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.count = json.loads(self.process.stdout.readline() or '{"held": 0}')["held"]

    def release(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


def session_members(sessions):
    """The ids of all processes in the sessions that these processes lead: themselves and what they have started."""
    wanted, found = set(sessions), []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) in wanted and fields[0] not in "ZX":
            found.append(int(entry.name))
    return found
