#!/usr/bin/python3
"""Boot storms against Bellhop and against what a node has today, side by side.

    run.py             every workload, both chains by turns: more than an hour, because the old chain takes long to lose
    run.py --quick     each kind of workload once, small, in two minutes: whether all of it works
    run.py --matrix    every size with every number of networks, Nova and look-up time: hours

Everything runs on loopback, in a temporary folder: a RabbitMQ, a neutron-server of oslo.messaging, a Nova in C with a
delay, one namespace proxy per network, and one agent. One workload makes a network namespace and needs root for it.
`--write` puts the table into docs/performance.md.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import chains  # noqa: E402
import cloud  # noqa: E402
import table  # noqa: E402
import workloads  # noqa: E402
from cloud import StormError, programs, wire  # noqa: E402

# Seconds after which a storm is ended, whatever is not over.
LIMIT, QUICK_LIMIT = 300, 30


def say(words):
    print(f"storm: {time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


@dataclasses.dataclass
class Result:
    workload: workloads.Workload
    # (title, row) in the order of the chains.
    rows: list


class Workshop:
    """What all storms share: a folder, the bus, and which CPU belongs to whom."""

    def __init__(self, limit):
        self.limit = limit
        self.stack = contextlib.ExitStack()
        cpus = sorted(os.sched_getaffinity(0))
        # The chain has one CPU for itself; guests, Nova, neutron-server and the broker share the rest.
        self.chain_cpus, self.other_cpus = (cpus[-1:], cpus[:-1]) if len(cpus) > 1 else ([], cpus)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-storm-"))
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.folder.chmod(0o755)
            self.bus = cloud.Bus(self.folder, self.other_cpus)
            stack.callback(self.bus.close)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def run(self, workload, kind):
        """One storm against one chain: the report of `bellhop storm`, and what the chain took for it."""
        with contextlib.ExitStack() as stack:
            folder = self.folder / f"{kind.key}-{secrets.token_hex(3)}"
            folder.mkdir()
            port = wire.free_port()
            place = {}
            if workload.in_namespace:
                place["namespace"] = stack.enter_context(namespace())
                plan = cloud.Plan(workload.guests, 1, 80, "169.254.169.254", "10.99.0.1")
            else:
                plan = cloud.Plan(workload.guests, workload.networks, port)
            before = ["taskset", "-c", ",".join(map(str, self.other_cpus))]
            nova = cloud.Nova(folder, workload.nova, workload.slow, before)
            stack.callback(nova.stop)
            if not workload.nova_after:
                nova.start()
            neutron = cloud.Neutron(self.bus, plan, workload.lookup, has_ports=not workload.ports_after)
            stack.callback(neutron.close)
            if workload.bus_after:
                neutron.wire.cut()
            chain = stack.enter_context(kind(folder / "chain", plan, nova, neutron, self.chain_cpus, **place))
            chains.settle()
            events = workloads.Events(workload.events(chain, nova, neutron))
            stack.callback(events.join)
            return self.measure(workload, chain, plan, folder, before, place.get("namespace"))

    def measure(self, workload, chain, plan, folder, before, inside):
        details = folder / "boots.jsonl"
        words = [*before, programs.BELLHOP, "storm", "--quiet", "--report=json", *plan.targets()]
        words += workload.storm_words(self.limit)
        words += [f"--namespace={inside}"] if inside else []
        words += [] if workload.poll else [f"--details={details}"]
        cpu = chain.cpu_seconds()
        done = subprocess.run(
            [str(word) for word in words], capture_output=True, text=True, timeout=(workload.seconds or self.limit) + 60
        )
        if done.returncode not in (0, 2):
            raise StormError(f"bellhop storm ended with {done.returncode}: {done.stderr}")
        report = json.loads(done.stdout)
        report["cpu_seconds"] = chain.cpu_seconds() - cpu
        if workload.slow:
            report["groups"] = workloads.split_by_slowness(details, plan.guest_of_address(), workload.slow[0])
        return report


@contextlib.contextmanager
def namespace():
    """A network namespace without any link: the metadata address and the guests' are on its own loopback."""
    name = f"bh-storm-{secrets.token_hex(3)}"

    def ip(*words):
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise StormError(f"ip {' '.join(words)}: {done.stderr.strip()}")

    ip("netns", "add", name)
    try:
        for words in (("link", "set", "lo", "up"), ("addr", "add", "169.254.169.254/32", "dev", "lo")):
            ip("-n", name, *words)
        ip("-n", name, "addr", "add", "10.99.0.1/24", "dev", "lo")
        yield name
    finally:
        ip("netns", "del", name)


# MARK: Rows


def rows(title, workload, reports):
    """One row for a chain, two where some guests are slow. Counts are the worst run's, times the median of all runs."""
    if workload.poll:
        return [(title, poll_row(reports))]
    common = boot_row(reports)
    if not workload.slow:
        return [(title, common)]
    made = []
    for slow, name in ((False, "the others"), (True, "the slow ones")):
        groups = [report["groups"][slow] for report in reports]
        worst = min(groups, key=lambda group: group["complete"])
        marks = [[share(group["seconds"], at) for at in (0.5, 0.99, 1)] for group in groups]
        # The slowest requests of all are the slow ones' and say nothing about the others.
        row = {**common, **worst, "boot": [median(each) for each in zip(*marks)], "request": [common["request"][0]]}
        made.append((f"{title}, {name}", row))
    return made


def boot_row(reports):
    boots = [report["boots"] for report in reports]
    worst = min(boots, key=lambda each: each["complete"])
    ended = worst["begun"] - worst["unfinished"]
    return {
        "begun": worst["begun"],
        "complete": worst["complete"],
        "partial": ended - worst["complete"] - worst["no_data_source"],
        "none": worst["no_data_source"],
        "unfinished": worst["unfinished"],
        "boot": [median(each["seconds"][mark] for each in boots if each["seconds"]["count"]) for mark in MARKS],
        **shared(reports),
    }


def poll_row(reports):
    requests = [report["requests"] for report in reports]
    return {
        "rate": median(each["per_second"] for each in requests),
        "refused": max(each["answered"] - each["statuses"].get("200", 0) for each in requests),
        "failed": max(sum(each["errors"].values()) for each in requests),
        "abusive": median(report["abusive"]["per_second"] for report in reports if "abusive" in report),
        **shared(reports),
        "request": [median(each["milliseconds"][mark] for each in requests) for mark in MARKS],
    }


MARKS = ("p50", "p99", "most")


def shared(reports):
    def answers(report):
        return report["requests"]["answered"] + report.get("abusive", {}).get("answered", 0)

    return {
        "request": [median(report["requests"]["milliseconds"][mark] for report in reports) for mark in ("p50", "p99")],
        "cpu": median(report["cpu_seconds"] / answers(report) * 1e6 for report in reports if answers(report)),
        "hostile": reports[-1]["hostile"],
    }


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def share(values, at):
    """The value that this share does not exceed, of sorted ones."""
    return values[min(int(at * len(values)), len(values) - 1)] if values else None


# MARK: All of it


def run_all(arguments):
    chosen = workloads.quick() if arguments.quick else workloads.matrix() if arguments.matrix else workloads.full()
    chosen = [each for each in chosen if arguments.only in each.name]
    if os.geteuid() != 0:
        say("not root: the workload in a namespace is left out")
        chosen = [each for each in chosen if not each.in_namespace]
    kinds = [kind for kind in (chains.Ours, chains.Control) if arguments.chain in ("both", kind.key)]
    results = []
    with Workshop(arguments.limit or (QUICK_LIMIT if arguments.quick else LIMIT)) as workshop:
        for workload in chosen:
            reports = {kind: [] for kind in kinds}
            for _ in range(arguments.repeat):
                for kind in kinds:
                    report = workshop.run(workload, kind)
                    reports[kind].append(report)
                    say(f"{workload.name}: {kind.title}: {summary(report)}")
            made = [row for kind in kinds for row in rows(kind.title, workload, reports[kind])]
            results.append(Result(workload, made))
    return results


def summary(report):
    requests = report["requests"]
    if "boots" not in report:
        return f"{requests['answered']} answers, {sum(requests['errors'].values())} without"
    boots = report["boots"]
    reasons = "".join(f", {count} x {reason}" for reason, count in boots["reasons"].items())
    return f"{boots['complete']} of {boots['begun']} complete in {report['seconds']:.1f} s{reasons}"


def raise_descriptors(wanted=65_536):
    """Root may allow more than it was given."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, wanted), hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="each kind of workload once, small")
    size.add_argument("--matrix", action="store_true", help="all combinations")
    parser.add_argument("--only", default="", help="only workloads with this in their name")
    parser.add_argument("--chain", choices=("both", "ours", "control"), default="both")
    parser.add_argument("--repeat", type=int, default=1, help="run each workload so often, the chains by turns")
    parser.add_argument("--limit", type=float, help=f"seconds after which a storm is ended ({LIMIT})")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--json", type=pathlib.Path, help="write all rows to this file as well")
    arguments = parser.parse_args()
    absent = chains.missing()
    if absent:
        sys.exit(f"storm: not installed: {', '.join(absent)}; run `scripts/setup.sh stack`")
    if not programs.BELLHOP.exists():
        sys.exit(f"storm: {programs.BELLHOP} is not there: run `make build`")
    raise_descriptors()
    cloud.compile_nova()
    try:
        results = run_all(arguments)
    except StormError as error:
        sys.exit(f"storm: {error}")
    command = " ".join(["Benchmarks/storm/run.py", *(word for word in sys.argv[1:] if word != "--write")])
    text = table.markdown(results, command)
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps([{"workload": each.workload.name, "rows": each.rows} for each in results]))
    if arguments.write:
        say(f"written to {table.write(text, cloud.ROOT)}")


if __name__ == "__main__":
    main()
