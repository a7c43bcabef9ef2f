"""Plays many items, and then says what came of each: a request that reaches Nova late still belongs to its item."""

import dataclasses
import re
import time

from Harness.programs import eventually

from . import corpus, judge

QUIET_SECONDS = 0.3


@dataclasses.dataclass
class Result:
    outcome: object
    # What is wrong whatever the corpus says: another's data, a header that is not ours, bytes that are no request.
    faults: list


def run(items, chain, play, nova, people, faults_of):
    """Results by path, and what was no request.

    `play` takes an item to what the guest got, `faults_of` a request to Nova and its sender to what is wrong with it.
    """
    played, spans = {}, []
    start, clean = len(nova.requests), len(nova.garbage)
    for item in items:
        first = len(nova.requests)
        played[item.path] = play(item)
        spans.append((item, first, len(nova.requests)))
    _settle(nova)
    requests = _belongings(items, spans, start, nova.requests)
    results = {}
    for item in items:
        outcome = judge.outcome(item, played[item.path], requests[item.path], people, "own")
        strangers = set(judge.leaks(played[item.path], people, "own")) - set(item.expected(chain).identities)
        faults = [f"the guest read data of {name}" for name in sorted(strangers)]
        for request in requests[item.path]:
            sender = people.get(judge.identity(request, people))
            wrong = faults_of(request, sender) if sender else ["it is for nobody"]
            faults += [f"{request.method} {request.target}: {fault}" for fault in wrong]
        results[item.path] = Result(outcome, faults)
    return results, [f"Nova got {head[:300]!r}" for head in nova.garbage[clean:]]


def wrong(results, chain, group=None):
    """A line per item, of one group or of all, that went another way than the corpus says or has a fault."""
    lines = []
    for item in corpus.items(chain):
        if group in (None, item.group):
            result, expected = results[item.path], item.expected(chain)
            if result.faults or result.outcome != expected:
                lines.append(f"{item.path} ({item.tries}): expected {expected}, found {result.outcome} {result.faults}")
    return lines


def _settle(nova):
    seen = [-1, time.monotonic()]

    def quiet():
        if seen[0] != len(nova.requests):
            seen[:] = len(nova.requests), time.monotonic()
        return time.monotonic() - seen[1] > QUIET_SECONDS

    eventually(quiet, 20, "quiet at Nova")


def _belongings(items, spans, start, requests):
    """The requests of each item: by the tag in their targets, or else by the time at which they came."""
    tags = {item.tag: item.path for item in items}
    found = {item.path: [] for item in items}
    for number, request in enumerate(requests[start:], start):
        named = [tags[tag] for tag in re.findall(r"[a-z0-9]+\.[a-z0-9-]+", request.target) if tag in tags]
        when = [item.path for item, first, end in spans if first <= number < end] or [spans[-1][0].path]
        found[(named or when)[0]].append(request)
    return found
