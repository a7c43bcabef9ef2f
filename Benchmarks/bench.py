#!/usr/bin/python3
"""`make bench`: what a metadata request costs in Bellhop, in haproxy, in nginx, in Neutron's agent, and at the least.

    bench.py             everything, in about 20 minutes; writes docs/performance.md and docs/performance/
    bench.py --quick     the same in small, in 3 minutes: whether all of it works; writes .build/bench/quick
    bench.py --gates     only system calls, allocations and instructions, which a busy machine cannot falsify

It starts all contenders itself, on loopback, in a temporary folder, and stops them. Nothing here passes or fails by
time; it fails if a request does, or if our system calls or allocations per request are above their limits.
"""

import argparse
import contextlib
import json
import pathlib
import shutil
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from suite import gates, goals, machine, ours, peers, reference, report, rounds, scale  # noqa: E402
from suite.workshop import BUILT, ROOT, BenchError, Workshop, compile_programs, programs  # noqa: E402

FAST = (
    *(peers.NeutronHaproxy, peers.NeutronHaproxyTCP, peers.TunedHaproxy, peers.TunedNginx, peers.BareRelay),
    *(ours.Chain, ours.ProxyHop, ours.TwoHops, ours.HaproxyAndAgent),
)
SLOW = (reference.CachedPythonChain, reference.DefaultPythonChain)

FULL = {
    **{"rounds": 5, "seconds": 1.5, "warm_up": 0.2, "slow_rounds": 3, "slow_seconds": 4.0, "slow_warm_up": 1.5},
    **{"rate": 1_000, "paced_rounds": 3, "paced_seconds": 3.0, "gate_requests": 3_000},
    **{"networks": [1, 10, 100, 1_000], "peer_networks": [1, 100], "scale_rounds": 3, "scale_seconds": 1.0},
    **{"idle": [0, 1_000, 10_000], "idle_rounds": 2},
}
QUICK = {
    **{"rounds": 1, "seconds": 0.3, "warm_up": 0.1, "slow_rounds": 1, "slow_seconds": 1.0, "slow_warm_up": 0.5},
    **{"rate": 500, "paced_rounds": 1, "paced_seconds": 0.5},
    **{"gate_requests": 500, "gates": ["haproxy", "relay", "ours"]},
    **{"networks": [1, 20], "peer_networks": [1, 5], "scale_rounds": 1, "scale_seconds": 0.3},
    **{"idle": [0, 500], "idle_rounds": 1, "idle_kinds": ["ours", "relay"]},
}

PROGRAMS = {
    **{"gcc": "gcc", "taskset": "util-linux", "/usr/sbin/haproxy": "haproxy", "/usr/sbin/nginx": "nginx-light"},
    **{"/usr/bin/neutron-metadata-agent": "neutron-metadata-agent", "openssl": "openssl"},
    **{"/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server", "strace": "strace", "valgrind": "valgrind"},
    **{"strip": "binutils"},
}


def say(words):
    print(f"bench: {time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


def check_installation():
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    if missing:
        raise BenchError(f"not installed: {', '.join(missing)}; run `scripts/setup.sh bench`")
    for program in (programs.AGENT, programs.PROXY):
        if not program.exists():
            raise BenchError(f"{program} is missing: run `make build`, or set BELLHOP_BIN")


def cells(series):
    """What is told of each contender: medians, spans, and ratios to all others."""
    result = {}
    for key, mine in series.items():
        low, high = mine.span("cpu_us")
        medians = ("cpu_us", "per_second", "busy", "p50_us", "p90_us", "p99_us", "p999_us", "max_us")
        result[key] = {
            **{name: mine.median(name) for name in medians},
            "low": low,
            "high": high,
            "failed": sum(mine.values("failed")),
            "ratios": {
                other: {name: mine.ratio(theirs, name) for name in ("cpu_us", "p50_us", "p99_us")}
                for other, theirs in series.items()
                if other != key
            },
        }
    return result


def compare(workshop, plan, kinds):
    """All runs of the fast contenders, and their memory."""
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(kind(workshop)) for kind in kinds]
        memory = {contender.key: contender.memory_kib() for contender in started}
        common = {"say": say, "connections": 32}
        timing = (plan["rounds"], plan["seconds"], plan["warm_up"])
        fast = rounds.interleaved(started, tuple(rounds.MODES), *timing, **common)
        say(f"paced, {plan['rate']} requests a second")
        timing = (plan["paced_rounds"], plan["paced_seconds"], plan["warm_up"])
        paced = rounds.interleaved(started, ("new",), *timing, rate=plan["rate"], **common)
    return {mode: cells(series) for mode, series in fast.items()}, {"new": cells(paced["new"])}, memory


def compare_slow(workshop, plan):
    """Neutron's agent, and ours beside it in the same rounds; {mode: {key: Series}} and memory."""
    say("starting RabbitMQ, a neutron-server's part, and Neutron's agents")
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(reference.Cloud(workshop))
        started = [stack.enter_context(kind(workshop, cloud)) for kind in SLOW]
        started.append(stack.enter_context(ours.Chain(workshop)))
        memory = {contender.key: contender.memory_kib() for contender in started[:-1]}
        timing = (plan["slow_rounds"], plan["slow_seconds"], plan["slow_warm_up"])
        series = rounds.interleaved(started, ("new", "keep"), *timing, say=say, connections=32)
    throughput = {
        kind.key: {mode: found["ours"].ratio(found[kind.key], "per_second") for mode, found in series.items()}
        for kind in SLOW
    }
    told = {
        mode: {key: cell for key, cell in cells(found).items() if key != "ours"} for mode, found in series.items()
    }
    return told, throughput, memory


def measure(workshop, plan, parts):
    results = {"plan": plan, "rounds": {}, "throughput": {}}
    kinds = [*FAST, *SLOW, scale.OneLoop, scale.TwoLoops]
    results["titles"] = {kind.key: kind.title for kind in kinds}
    results["machine"] = machine.describe(
        [kind.__new__(kind) for kind in (peers.NeutronHaproxy, peers.TunedNginx, peers.BareRelay, SLOW[0], ours.Chain)],
        " ".join(["Benchmarks/bench.py", *sys.argv[1:]]),
    )
    if "rounds" in parts:
        results["rounds"], results["paced"], results["memory"] = compare(workshop, plan, FAST)
        told, results["throughput"], memory = compare_slow(workshop, plan)
        for mode, found in told.items():
            results["rounds"][mode].update(found)
        results["memory"].update(memory)
    if "scale" in parts:
        timing = (plan["scale_rounds"], plan["scale_seconds"])
        results["networks"] = scale.over_networks(workshop, plan["networks"], plan["peer_networks"], *timing)
        possible = [count for count in plan["idle"] if count <= workshop.files_max // 2 - 1_000]
        idle_timing = (plan["idle_rounds"], plan["scale_seconds"])
        results["idle"] = scale.over_idle_connections(workshop, possible, *idle_timing, plan.get("idle_kinds"))
        results["loops"] = scale.over_loops(workshop, *timing)
    if "gates" in parts:
        results["gates"] = gates.measure(workshop, plan["gate_requests"], plan.get("gates"))
    # As they come out of the file, so that a report of new figures and of old ones is the same.
    return json.loads(json.dumps(results))


def failures(results):
    """Requests that got no proper answer, by contender. Neutron's own agent may lose some."""
    found = []
    for kind in ("rounds", "paced"):
        for mode, series in results.get(kind, {}).items():
            found += [f"{key}, {mode}: {cell['failed']}" for key, cell in series.items() if cell["failed"]]
    return [line for line in found if not line.startswith("python")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small run, to see that everything works")
    parser.add_argument("--gates", action="store_true", help="only what noise cannot move; printed as JSON")
    parser.add_argument("--report", type=pathlib.Path, help="write the page again from this file of results")
    parser.add_argument("--page", type=pathlib.Path, help="where to write; docs/performance.md by default")
    options = parser.parse_args()
    quick = BUILT / "quick/performance.md"
    page = options.page or (quick if options.quick else ROOT / "docs/performance.md")
    if options.report:
        report.write(json.loads(options.report.read_text()), page, "# Performance\n")
        return 0
    began = time.monotonic()
    # What was started is stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        check_installation()
        compile_programs()
        with Workshop(say) as workshop:
            parts = ("gates",) if options.gates else ("rounds", "gates", "scale")
            results = measure(workshop, QUICK if options.quick else FULL, parts)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.gates:
        print(json.dumps(results["gates"], indent=1))
    else:
        page.parent.mkdir(parents=True, exist_ok=True)
        report.write(results, page, "# Performance\n")
        say(f"{page} is written, after {time.monotonic() - began:.0f} s")
    wrong = [f"requests failed: {line}" for line in failures(results)]
    wrong += [
        f"a count is above its limit: {goal.text}: {goal.measured}, {goal.limit}"
        for goal in goals.evaluate(results)
        if goal.is_steady and not goal.is_met
    ]
    for line in wrong:
        say(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
