"""Whether the cost of a request stays the same with many networks, many idle connections, and more loops."""

import contextlib
import statistics
import time

from . import accounts
from .ours import Chain
from .peers import BareRelay, NeutronHaproxy, TunedHaproxy, TunedNginx
from .rounds import Series, interleaved, one_run, settle
from .workshop import BenchError

# Guests per network: enough addresses for runs of seconds, spread over all networks.
GUESTS = 4


class SmallGuests(Chain):
    guests = GUESTS


def over_networks(workshop, counts, peer_counts, rounds, seconds):
    """{contender's key: {networks: {mode: {...}, "memory": ...}}}"""
    result = {}
    for kind, wanted in ((SmallGuests, counts), (NeutronHaproxy, peer_counts)):
        with contextlib.ExitStack() as stack:
            started = []
            for count in wanted:
                workshop.say(f"{kind.key} with {count} networks")
                started.append(stack.enter_context(kind(workshop, count)))
            memory = {count: listener_memory(contender) for count, contender in zip(wanted, started, strict=True)}
            for contender, count in zip(started, wanted, strict=True):
                contender.key = f"{kind.key}-{count}"
            runs = interleaved(started, ("new", "keep"), rounds, seconds, 0.2, connections=64, sources=GUESTS)
            result[kind.key] = {
                count: {
                    "memory": memory[count],
                    **{mode: summary(runs[mode][f"{kind.key}-{count}"]) for mode in runs},
                }
                for count in wanted
            }
    return result


def listener_memory(contender):
    """KiB in all, split into the agent (if there is one) and the processes of the networks."""
    settle(contender)
    agent = [contender.agent.pid] if isinstance(contender, Chain) else []
    others = [pid for pid in contender.pids if pid not in agent]
    return {"agent": accounts.memory_kib(agent), "networks": accounts.memory_kib(others)}


def summary(series: Series):
    low, high = series.span("cpu_us")
    return {
        "cpu_us": series.median("cpu_us"),
        "low": low,
        "high": high,
        "per_second": series.median("per_second"),
        "failed": sum(series.values("failed")),
    }


IDLE_KINDS = (Chain, NeutronHaproxy, TunedHaproxy, TunedNginx, BareRelay)


def over_idle_connections(workshop, counts, rounds, seconds, keys=None):
    """{contender's key: {idle connections: {mode: {...}, "bytes_each": ...}}}; of all kinds, or of those named.

    `counts` are in rising order.
    """
    result = {}
    for kind in (kind for kind in IDLE_KINDS if not keys or kind.key in keys):
        # As many networks as it takes; only the whole chain serves several with one process.
        networks = -(-max(counts) // kind.idle_max) if kind is Chain else 1
        with kind(workshop, networks) as contender:
            wanted = sorted({min(count, contender.idle_max * networks) for count in counts})
            runs = {count: {"new": Series(), "keep": Series(), "bytes": []} for count in wanted}
            workshop.load(contender.targets, "keep", seconds=0.3)
            settle(contender)
            fresh = contender.memory_kib()["private"]
            for number in range(rounds):
                for count in wanted:
                    workshop.say(f"{kind.key} with {count} idle connections, round {number + 1} of {rounds}")
                    # Later, what the process keeps of the rounds before would count too.
                    one_idle_run(workshop, contender, count, seconds, runs[count], fresh if number == 0 else None)
        result[kind.key] = {
            count: {
                "new": summary(found["new"]),
                "keep": summary(found["keep"]),
                "bytes_each": found["bytes"][0] if found["bytes"] else None,
            }
            for count, found in runs.items()
        }
    return result


def one_idle_run(workshop, contender, count, seconds, found, fresh):
    """`fresh` is the memory of the fresh process in KiB, if this run is to tell what a connection takes."""
    with workshop.hold(contender.targets, count) if count else contextlib.nullcontext() as holder:
        if holder and holder.count != count:
            raise BenchError(f"{contender.title}: {holder.count} of {count} connections had an answer")
        if holder:
            # Buffers may be kept for a moment after an answer.
            time.sleep(2.5)
            settle(contender)
            if fresh is not None:
                found["bytes"].append((contender.memory_kib()["private"] - fresh) * 1024 / count)
        for mode in ("new", "keep"):
            found[mode].runs.append(one_run(contender, mode, seconds))
    settle(contender)


class OneLoop(Chain):
    key = "one-loop"
    workers = 1


class TwoLoops(Chain):
    key = "two-loops"
    workers = 2


def over_loops(workshop, rounds, seconds):
    """One loop and two, on two CPUs: cost, and how evenly the loops share the work.

    Where there are four CPUs or more, guests and upstream have others, and requests per second tell something too.
    """
    cpus = workshop.cpus
    shares = {}
    with contextlib.ExitStack() as stack:
        started = []
        for kind in (OneLoop, TwoLoops):
            contender = kind(workshop)
            contender.agent_cpus = cpus[-2:]
            started.append(stack.enter_context(contender))
        runs = {}
        for mode in ("new", "keep"):
            runs[mode] = {contender.key: Series() for contender in started}
            for _ in range(rounds):
                for contender in started:
                    before = accounts.thread_seconds(contender.agent.pid)
                    runs[mode][contender.key].runs.append(one_run(contender, mode, seconds, connections=64))
                    after = accounts.thread_seconds(contender.agent.pid)
                    spent = sorted(after[thread][1] - before.get(thread, ("", 0))[1] for thread in after)[::-1]
                    shares.setdefault((contender.key, mode), []).append(spent[0] / sum(spent))
    return {
        "has_spare_cpus": len(cpus) >= 4,
        **{
            contender.key: {
                mode: {
                    **summary(runs[mode][contender.key]),
                    "busiest_share": statistics.median(shares[contender.key, mode]),
                }
                for mode in runs
            }
            for contender in started
        },
    }
