"""What a request takes in system calls, heap allocations and user instructions: figures that noise cannot move.

Each gate counts a fixed number of requests after a warm-up. System calls are strace's, allocations come from a
preloaded library, instructions from callgrind, which runs the program on a processor of its own making.
"""

import re
import shutil
import signal
import struct
import subprocess
import time

from . import callgrind
from .ours import Chain
from .peers import BareRelay, NeutronHaproxy, TunedHaproxy, TunedNginx
from .rounds import MODES
from .workshop import BUILT, BenchError, programs, session_members

KINDS = (NeutronHaproxy, TunedHaproxy, TunedNginx, BareRelay, Chain)
# Requests in flight: alone, each request pays for its own wake-ups; together they share them.
FLIGHTS = (1, 32)


def measured_pids(contender):
    """The processes that relay. Of the whole chain that is the agent: the proxies have handed their sockets over."""
    leaders = [program for program in contender.programs if contender.relays(program.stdout_path.stem)]
    return session_members([program.pid for program in leaders])


def system_calls(contender, mode, flights, requests):
    """{name: calls per request}, the total included."""
    workshop = contender.workshop
    workshop.load(contender.targets, mode, connections=flights, seconds=20, requests=500)
    summary = workshop.folder / "strace.txt"
    words = ["strace", "-f", "-c", "-U", "calls,name", "-o", str(summary)]
    for pid in measured_pids(contender):
        words += ["-p", str(pid)]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    # It says so once per process when it has taken hold.
    for _ in measured_pids(contender):
        if "attached" not in (line := tracer.stderr.readline()):
            tracer.kill()
            raise BenchError(f"strace: {line}")
    time.sleep(0.3)
    seen = workshop.load(contender.targets, mode, connections=flights, seconds=60, requests=requests)
    tracer.send_signal(signal.SIGINT)
    tracer.communicate(timeout=20)
    rows = re.findall(r"^\s*(\d+)\s+(\w+)$", summary.read_text(), re.MULTILINE)
    calls = {name: int(count) / seen["requests"] for count, name in rows if name != "total"}
    return {"total": sum(calls.values()), **{name: value for name, value in calls.items() if value >= 0.005}}


def allocations(kind, workshop, requests):
    """{mode: {flights: {"count": ..., "bytes": ...}}} per request."""
    contender = kind(workshop)
    counters = contender.folder / "allocations"
    contender.environment = {"LD_PRELOAD": str(BUILT / "allocations.so"), "BENCH_ALLOCATIONS": str(counters)}
    result = {}
    with contender:
        for mode in MODES:
            result[mode] = {}
            for flights in FLIGHTS:
                workshop.load(contender.targets, mode, connections=flights, seconds=20, requests=2_000)
                before = struct.unpack("3Q", counters.read_bytes())
                seen = workshop.load(contender.targets, mode, connections=flights, seconds=60, requests=requests)
                after = struct.unpack("3Q", counters.read_bytes())
                count, _, size = ((new - old) / seen["requests"] for old, new in zip(before, after, strict=True))
                result[mode][flights] = {"count": count, "bytes": size}
    return result


def instructions(kind, workshop, requests):
    """{mode: instructions per request}, and for us {mode: [(function, instructions per request), ...]}."""
    contender = kind(workshop)
    files = contender.folder / "callgrind"
    contender.before = callgrind.words(files)
    contender.has_master = False
    if kind is Chain:
        contender.agent_program = without_debug_information(contender.folder)
    totals, functions = {}, {}
    with contender:
        [pid] = measured_pids(contender)
        for number, mode in enumerate(MODES, start=1):
            workshop.load(contender.targets, mode, connections=16, seconds=60, requests=1_000)
            callgrind.control("--zero", pid)
            seen = workshop.load(contender.targets, mode, connections=16, seconds=120, requests=requests)
            callgrind.control("--dump", pid)
            costs = callgrind.self_costs(callgrind.dump_file(files, pid, number))
            totals[mode] = sum(costs.values()) / seen["requests"]
            top = [(name, cost / seen["requests"]) for name, cost in costs.most_common(25)]
            functions[mode] = list(zip(callgrind.demangled([name for name, _ in top]), [cost for _, cost in top]))
    return totals, functions if kind is Chain else None


def without_debug_information(folder):
    """Valgrind cannot read the debug information of today's compilers; function names stay."""
    target = folder / "stripped" / programs.AGENT.name
    target.parent.mkdir()
    subprocess.run(["strip", "--strip-debug", "-o", target, programs.AGENT], check=True)
    return target


def missing_tools():
    return [tool for tool in ("strace", "valgrind", "strip") if not shutil.which(tool)]


def measure(workshop, requests, keys=None):
    """All gates of all contenders that have them, or of those named: {key: {...}}."""
    result = {}
    for kind in (kind for kind in KINDS if not keys or kind.key in keys):
        workshop.say(f"gates of {kind.key}: system calls")
        with kind(workshop) as contender:
            calls = {
                mode: {flights: system_calls(contender, mode, flights, requests) for flights in FLIGHTS}
                for mode in MODES
            }
        workshop.say(f"gates of {kind.key}: allocations, instructions")
        totals, functions = instructions(kind, workshop, requests)
        result[kind.key] = {
            "title": kind.title,
            "calls": calls,
            "allocations": allocations(kind, workshop, requests * 2),
            "instructions": totals,
            "functions": functions,
        }
    return result
