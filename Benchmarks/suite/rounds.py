"""The runs themselves: all contenders stand ready, and are loaded one after the other, again and again.

A machine drifts; what lasts is the ratio of two contenders within one round, so that is what is told.
"""

import dataclasses
import statistics
import time

MODES = {
    "new": "new connection, closed by the guest",
    "close": "new connection, `Connection: close`",
    "keep": "kept connection",
}


@dataclasses.dataclass
class Series:
    """What one contender did in one kind of run, round by round."""

    runs: list = dataclasses.field(default_factory=list)

    def values(self, name):
        return [run[name] for run in self.runs if run[name] is not None]

    def median(self, name):
        values = self.values(name)
        return statistics.median(values) if values else None

    def span(self, name):
        values = self.values(name)
        return (min(values), max(values)) if values else (None, None)

    def ratio(self, other, name):
        """The median of the rounds' own ratios to another contender."""
        pairs = zip(self.values(name), other.values(name), strict=False)
        ratios = [mine / theirs for mine, theirs in pairs if theirs]
        return statistics.median(ratios) if ratios else None


def one_run(contender, mode, seconds, **keywords):
    """Loads a contender once, and adds what it cost."""
    workshop = contender.workshop
    pids = contender.pids
    before = contender.cpu_seconds(pids)
    seen = workshop.load(contender.targets, mode, seconds=seconds, **keywords)
    cost = contender.cpu_seconds(pids) - before
    done = seen["requests"]
    return {
        "requests": done,
        "failed": seen["failed"],
        "errors": seen["errors"],
        "per_second": done / seen["seconds"],
        "cpu_us": cost / done * 1e6 if done else None,
        "busy": cost / seen["seconds"],
        **{name: seen[name] if done else None for name in ("p50_us", "p90_us", "p99_us", "p999_us", "max_us")},
    }


def interleaved(contenders, modes, rounds, seconds, warm_up, say=lambda _: None, **keywords):
    """{mode: {contender's key: Series}}, in the order A B C, A B C, ..."""
    result = {mode: {contender.key: Series() for contender in contenders} for mode in modes}
    for number in range(rounds):
        for mode in modes:
            say(f"round {number + 1} of {rounds}, {MODES[mode]}")
            for contender in contenders:
                contender.workshop.load(contender.targets, mode, seconds=warm_up, **keywords)
                result[mode][contender.key].runs.append(one_run(contender, mode, seconds, **keywords))
    return result


def settle(contender, seconds_max=10.0):
    """Waits until a contender has nothing left to do, such as the ends of many connections."""
    end = time.monotonic() + seconds_max
    before = contender.cpu_seconds()
    while time.monotonic() < end:
        time.sleep(0.2)
        now = contender.cpu_seconds()
        if now - before < 0.001:
            return
        before = now
