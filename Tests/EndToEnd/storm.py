"""The test's side of `guest_storm.py`: starts storms, follows what they report, and judges it."""

import collections
import dataclasses
import json
import pathlib
import subprocess
import threading
import time

from Harness.programs import eventually

SCRIPT = pathlib.Path(__file__).with_name("guest_storm.py")
# What happens to a kept connection between two requests, and costs no guest anything.
HARMLESS = ("kept-closed-idle", "kept-asked-again")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One request's fate. The times are those of `time.monotonic` in any process."""

    kind: str
    began: float
    ended: float
    detail: str

    @property
    def is_failure(self):
        return self.kind not in ("ok", "kept-ok", *HARMLESS)

    @property
    def seconds(self):
        return self.ended - self.began


class Storm:
    """One process of guests. `prefix` are the words that put it into its namespace."""

    def __init__(self, prefix=(), **order):
        words = [*prefix, "/usr/bin/python3", SCRIPT, json.dumps(order)]
        self.outcomes = []
        self._order = order
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            kind, began, ended, detail = line.split()
            self.outcomes.append(Outcome(kind, float(began), float(ended), detail))

    def wait_for_answers(self, count, after, seconds=30):
        """Until `count` requests that were begun `after` that moment have got the right answer."""

        def answered():
            assert self._process.poll() is None, f"the storm is over:\n{self._process.stderr.read()}"
            return sum(each.kind == "ok" and each.began > after for each in list(self.outcomes)) >= count

        eventually(answered, seconds, f"{count} answers")

    def wait_for(self, kind, seconds=30):
        """Until a request has ended so."""
        eventually(lambda: any(outcome.kind == kind for outcome in list(self.outcomes)), seconds, f"a request's {kind}")

    def end(self):
        """No new requests from now on."""
        if not self._process.stdin.closed:
            self._process.stdin.close()

    def join(self, seconds=60):
        """Waits until the last request has its answer."""
        assert self._process.wait(seconds) == 0, self._process.stderr.read()
        self._reader.join(seconds)
        self._process.stdout.close()
        self._process.stderr.close()

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class Storms:
    """Storms of several guests at once, for the time of a `with` block; judged after it."""

    def __init__(self, storms):
        self.storms = storms

    def __enter__(self):
        self.wait_for_answers(10)
        return self

    def __exit__(self, failure, *_):
        for storm in self.storms:
            storm.end() if failure is None else storm.kill()
        if failure is None:
            for storm in self.storms:
                storm.join()

    def wait_for_answers(self, count, seconds=30):
        """Until each guest has got that many right answers to requests begun after this call."""
        after = time.monotonic()
        for storm in self.storms:
            storm.wait_for_answers(count, after, seconds)

    @property
    def outcomes(self):
        """Of all requests that have an answer so far."""
        return [outcome for storm in self.storms for outcome in list(storm.outcomes)]

    @property
    def failures(self):
        return [outcome for outcome in self.outcomes if outcome.is_failure]

    def of_kind(self, *kinds):
        return [outcome for outcome in self.outcomes if outcome.kind in kinds]

    def open_within(self, began, ended):
        """Requests that were on their way at some moment of that time."""
        requests = [each for each in self.outcomes if each.kind not in HARMLESS]
        return [each for each in requests if each.began <= ended and each.ended >= began]

    @property
    def summary(self):
        """A line: requests, failures by kind, the slowest."""
        requests = [outcome for outcome in self.outcomes if outcome.kind not in HARMLESS]
        kinds = collections.Counter(outcome.kind for outcome in self.failures)
        harmless = collections.Counter(outcome.kind for outcome in self.of_kind(*HARMLESS))
        failed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "0"
        slowest = max((outcome.seconds for outcome in requests), default=0)
        text = f"{len(requests)} requests, failed: {failed}, slowest {slowest:.2f} s"
        return text + "".join(f", {count} {kind}" for kind, count in sorted(harmless.items()))
