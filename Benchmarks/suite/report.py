"""The figures as Markdown, between two marks of a page whose prose people write; the pictures beside it."""

import html
import json

from . import goals, plots
from .rounds import MODES

BEGIN, END = "<!-- bench: from here on written by Benchmarks/bench.py -->", "<!-- bench: end -->"
SHORT = {"new": "new connection", "close": "`Connection: close`", "keep": "kept"}


def table(header, rows, right_from=1):
    marks = ["---"] * right_from + ["---:"] * (len(header) - right_from)
    lines = [header, marks, *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def figure(value, digits=1):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def spread(cell):
    """A median with what it came from."""
    if not cell or cell.get("cpu_us") is None:
        return ""
    return f"{figure(cell['cpu_us'])} ({figure(cell['low'])}–{figure(cell['high'])})"


class Report:
    def __init__(self, results, pictures="performance"):
        self.results, self.pictures = results, pictures
        self.names = {key: title for key, title in results["titles"].items()}

    def text(self):
        parts = [self.about()]
        for name, part in (
            ("rounds", self.one_after_the_other),
            ("paced", self.paced),
            ("gates", self.gates),
            ("networks", self.networks),
            ("idle", self.idle),
            ("loops", self.loops),
        ):
            if self.results.get(name):
                parts.append(part())
        return "\n".join([self.goals(), *parts])

    def about(self):
        machine = self.results["machine"]
        versions = [f"{self.names[key]}: {version}" for key, version in machine["versions"].items() if version]
        return (
            "## The run\n\n"
            f"- {machine['date']}, commit {machine['commit'] or 'unknown'}, `{machine['command']}`\n"
            f"- {machine['processor']}, {machine['cpus']} CPUs, {machine['memory_gib']} GiB; {machine['system']}, "
            f"Linux {machine['kernel']}, TCP congestion control {machine['congestion_control']}; load average at the start "
            f"{machine['load_average']:.2f}\n"
            f"- {machine['swift']}\n" + "".join(f"- {version}\n" for version in versions)
        )

    def goals(self):
        rows = [
            (goal.text, goal.limit, goal.measured, "met" if goal.is_met else "**missed**")
            for goal in goals.evaluate(self.results)
        ]
        return "## Goals\n\n" + table(("Goal", "Limit", "Measured", ""), rows)

    def one_after_the_other(self):
        parts = [
            f"## As fast as it goes\n\n32 requests in flight. Medians of {self.results['plan']['rounds']} rounds, "
            "with the least and the most; "
            "ratios are medians of the rounds' own ratios.\n\n"
            f"![CPU per request]({self.pictures}/cpu.svg)\n\n![Requests per second]({self.pictures}/throughput.svg)\n"
        ]
        for mode, title in MODES.items():
            rows = []
            for key, cell in self.results["rounds"][mode].items():
                ratios = cell["ratios"]
                rows.append(
                    (
                        self.names[key],
                        spread(cell),
                        figure(ratios.get("haproxy", {}).get("cpu_us"), 2),
                        figure(ratios.get("relay", {}).get("cpu_us"), 2),
                        figure(cell["per_second"]),
                        f"{cell['busy'] * 100:.0f} %",
                        *(figure(cell[name] and cell[name] / 1000, 2) for name in ("p50_us", "p99_us", "p999_us")),
                        cell["failed"] or "",
                    )
                )
            header = ("", "CPU µs per request", "to haproxy", "to the bare relay", "requests/s", "CPU busy")
            header += ("p50 ms", "p99 ms", "p99.9 ms", "failed")
            parts.append(f"### {title[0].upper()}{title[1:]}\n\n" + table(header, rows))
        memory = [
            (self.names[key], f"{found['private']:,}", f"{found['pss']:,}")
            for key, found in self.results["memory"].items()
        ]
        parts.append(
            "### Memory before the first request\n\nOf all processes of a contender, in KiB.\n\n"
            + table(("", "private", "PSS"), memory)
        )
        return "\n".join(parts)

    def paced(self):
        rate = self.results["plan"]["rate"]
        rows = [
            (
                self.names[key],
                *(figure(cell[name]) for name in ("p50_us", "p90_us", "p99_us", "p999_us")),
                figure(cell["ratios"].get("haproxy", {}).get("p99_us"), 2),
                spread(cell),
            )
            for key, cell in self.results["paced"]["new"].items()
        ]
        header = ("", "p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "p99 to haproxy", "CPU µs per request")
        return (
            f"## At {rate:,} requests a second\n\nA new connection each, none of the relays near its limit: "
            "what a guest waits. A request that starts late counts from when it was due.\n\n"
            f"![Latency]({self.pictures}/latency.svg)\n\n" + table(header, rows)
        )

    def gates(self):
        gates = self.results["gates"]
        rows = []
        for key, found in gates.items():
            cells = [self.names[key]]
            cells += [figure(found["calls"][mode]["32"]["total"]) for mode in MODES]
            cells += [figure(found["calls"][mode]["1"]["total"]) for mode in MODES]
            cells += [figure(round(found["allocations"][mode]["32"]["count"], 2)) for mode in MODES]
            cells += [figure(found["instructions"][mode]) for mode in MODES]
            rows.append(cells)
        header = [""]
        for what in ("calls, 32 in flight:", "calls, 1 in flight:", "allocations:", "instructions:"):
            header += [f"{what} new", "close", "kept"]
        parts = [
            "## What noise cannot move\n\nPer request: system calls (strace), heap allocations with 32 in flight "
            "(counted in a preloaded library) and user instructions (callgrind). Of the whole chain this is the "
            "agent; the proxies wait.\n\n" + table(header, rows)
        ]
        parts.append("System calls of the whole chain, by name, 32 in flight:\n")
        for mode in MODES:
            calls = {name: count for name, count in gates["ours"]["calls"][mode]["32"].items() if name != "total"}
            ordered = sorted(calls.items(), key=lambda item: -item[1])
            parts.append(f"- {SHORT[mode]}: " + ", ".join(f"{name} {count:.2f}" for name, count in ordered))
        functions = gates["ours"]["functions"]["close"]
        parts.append(
            "\n<details><summary>Where the instructions of a request on a new connection go</summary>\n\n"
            + table(
                ("Function", "instructions"),
                [(f"`{html.unescape(name)[:110]}`", figure(cost)) for name, cost in functions],
            )
            + "\n</details>\n"
        )
        return "\n".join(parts)

    def networks(self):
        rows = []
        for key, counts in self.results["networks"].items():
            for count, cell in counts.items():
                agent, processes = cell["memory"]["agent"], cell["memory"]["networks"]
                rows.append(
                    (
                        self.names[key],
                        f"{int(count):,}",
                        spread(cell["new"]),
                        spread(cell["keep"]),
                        f"{agent['private']:,}" if agent["private"] else "",
                        figure(processes["private"] / int(count)),
                        figure(processes["pss"] / int(count)),
                    )
                )
        header = ("", "networks", "CPU µs, new connection", "CPU µs, kept", "agent KiB")
        header += ("process per network, private KiB", "PSS KiB")
        counts = list(self.results["networks"]["ours"].items())
        (few, first), (many, last) = counts[0], counts[-1]
        each = (last["memory"]["agent"]["private"] - first["memory"]["agent"]["private"]) / (int(many) - int(few))
        return (
            "## Many networks\n\nRequests go to all of them in turn; 64 in flight.\n\n"
            f"![CPU per request over networks]({self.pictures}/networks.svg)\n\n"
            + table(header, rows)
            + f"\nIn the agent, a listener with the four guests of its network costs {each * 1024:,.0f} bytes.\n"
        )

    def idle(self):
        rows = []
        for key, counts in self.results["idle"].items():
            for count, cell in counts.items():
                each = cell["bytes_each"]
                rows.append(
                    (
                        self.names[key],
                        f"{int(count):,}",
                        spread(cell["new"]),
                        spread(cell["keep"]),
                        figure(each) if each is not None else "",
                    )
                )
        header = ("", "idle connections", "CPU µs, new connection", "CPU µs, kept", "private bytes each")
        return (
            "## Many idle connections\n\nEach has had one answer. haproxy with Neutron's file takes 1,024 per network, "
            "so the whole chain has them spread over as many networks as that needs.\n\n"
            f"![CPU per request over idle connections]({self.pictures}/idle.svg)\n\n" + table(header, rows)
        )

    def loops(self):
        found = self.results["loops"]
        rows = [
            (
                {"one-loop": "1", "two-loops": "2"}[key],
                SHORT[mode],
                spread(found[key][mode]),
                f"{found[key][mode]['busiest_share'] * 100:.0f} %",
                figure(found[key][mode]["per_second"]),
            )
            for key in ("one-loop", "two-loops")
            for mode in ("new", "keep")
        ]
        if found["has_spare_cpus"]:
            note = "Guests and upstream have CPUs of their own."
        else:
            note = (
                "With two CPUs, guests and upstream run on one of the loops' own, so requests/s say nothing about the "
                "loops here. What counts: a request costs the same, and each loop does its part of the work, so with "
                "CPUs to spare two loops serve what the busier one's share allows."
            )
        header = ("`metadata_workers`", "", "CPU µs per request", "busiest loop's share", "requests/s")
        return f"## Two event loops\n\n{note}\n\n" + table(header, rows, right_from=2)

    # MARK: Pictures

    def drawings(self):
        """{file name: SVG}"""
        found = {}
        if self.results["rounds"]:
            found["cpu.svg"] = plots.bars(
                "CPU per request",
                "µs, all processes of the chain; less is better",
                self._bars("cpu_us", with_slow=False),
            )
            found["throughput.svg"] = plots.bars(
                "Requests per second, the relay on one CPU",
                "requests/s, logarithmic; more is better",
                self._bars("per_second", with_slow=True),
                is_log=True,
            )
        if self.results.get("paced"):
            found["latency.svg"] = plots.bars(
                f"Latency at {self.results['plan']['rate']:,} requests a second, a new connection each",
                "µs, logarithmic; less is better",
                self._latencies(),
                is_log=True,
            )
        if self.results.get("networks"):
            curves = self._curves("networks", ("new", "keep"))
            found["networks.svg"] = plots.lines("CPU per request over networks", "µs per request", "networks", curves)
        if self.results.get("idle"):
            curves = self._curves("idle", ("new",))
            title = "CPU per request over idle connections, a new connection each"
            found["idle.svg"] = plots.lines(title, "µs per request", "idle connections", curves)
        return found

    def _plain(self, key):
        return self.names[key].replace("*", "")

    def _bars(self, name, with_slow):
        """A group per contender, a bar per kind of run."""
        groups = []
        for key in self.results["rounds"]["new"]:
            bars = []
            for mode, cells in self.results["rounds"].items():
                cell = cells.get(key)
                if cell and cell[name]:
                    span = (cell["low"], cell["high"]) if name == "cpu_us" else (None, None)
                    bars.append((SHORT[mode].replace("`", ""), cell[name], *span))
            if bars and (with_slow or not key.startswith("python")):
                groups.append((self._plain(key), key == "ours", bars))
        return groups

    def _latencies(self):
        shown = (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"))
        return [
            (self._plain(key), key == "ours", [(name, cell[field], None, None) for name, field in shown])
            for key, cell in self.results["paced"]["new"].items()
        ]

    def _curves(self, name, modes):
        return [
            (
                f"{self._plain(key)}, {SHORT[mode]}" if len(modes) > 1 else self._plain(key),
                key == "ours",
                [(int(count), cell[mode]["cpu_us"]) for count, cell in counts.items()],
            )
            for key, counts in self.results[name].items()
            for mode in modes
        ]


def write(results, page, prose):
    """Writes the page, its pictures and the raw figures. The page's own prose stays; `prose` is for a new page."""
    report = Report(results)
    folder = page.parent / "performance"
    folder.mkdir(parents=True, exist_ok=True)
    old = page.read_text() if page.exists() else prose
    if BEGIN not in old:
        old = f"{old.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{report.text()}\n{END}{rest.partition(END)[2]}")
    for name, drawing in report.drawings().items():
        (folder / name).write_text(drawing)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
