"""Requests by which a guest tries to be another, through every door of ours: Tests/Forgery and docs/threat-model.md.

Each chain is started once and plays the whole corpus; a test looks at what came of one group. Guests are source
addresses on loopback. On the same network there is a neighbour, on another one a guest with the same address, so
whoever gets through gets something.
"""

import dataclasses
import pathlib
import random
import shutil
import tempfile
import time

import pytest

from Forgery import chains, corpus, judge, nova, people, player, run, table
from Forgery.gullible import Gullible
from Harness.wire import get

CHAINS = list(chains.CHAINS)


@pytest.fixture(scope="module")
def chain():
    """Starts a chain in a folder of its own; each ends with the module."""
    running, folders = {}, []

    def start(name, kind=None, **options):
        if name not in running:
            kind = kind or chains.CHAINS[name]
            if issubclass(kind, chains.DebiansHaproxy) and chains.DEBIANS_HAPROXY is None:
                pytest.skip("haproxy is not installed: run `make setup`")
            folders.append(pathlib.Path(tempfile.mkdtemp(prefix="bellhop-")))
            folders[-1].chmod(0o755)
            running[name] = kind(folders[-1], **options).__enter__()
        return running[name]

    yield start
    for one in running.values():
        one.__exit__()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def played(chain):
    """What came of every item on a chain, played once."""
    known = {}

    def play(name):
        if name not in known:
            started = chain(name)
            known[name] = started.play()
            for program in started.programs:
                assert program.process.poll() is None, f"{program.words[0]} did not survive:\n{program.output[-4000:]}"
        return known[name]

    return play


GROUPS = [
    (name, group.name)
    for name, kind in chains.CHAINS.items()
    for group in corpus.groups()
    if any(item.expected(kind.outcome) for item in group.items)
]


@pytest.mark.parametrize(("name", "group"), GROUPS)
def test_a_guest_is_nobody_but_itself(played, name, group):
    """Nova is asked for the guest's own instance, with exactly our headers and as often as written, or not at all."""
    wrong = run.wrong(played(name)[0], chains.CHAINS[name].outcome, group)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", CHAINS)
def test_every_byte_that_reaches_nova_belongs_to_a_request(played, name):
    assert played(name)[1] == []


@pytest.mark.parametrize("name", CHAINS)
def test_it_does_not_matter_how_the_bytes_are_cut(chain, name):
    """Three writes instead of one, at random places: between CR and LF, within a name, within a chunk's size."""
    seeded = random.Random(7)

    def cuts(piece):
        first, second = sorted(seeded.randrange(len(piece) + 1) for _ in range(2))
        return [part for part in (piece[:first], piece[first:second], piece[second:]) if part]

    started = chain(name)
    results, garbage = started.play(cuts=cuts)
    assert garbage == []
    wrong = run.wrong(results, started.outcome)
    assert not wrong, "\n".join(wrong)


# haproxy keeps 1 KiB of its 16 KiB for what it adds; a head that leaves less must not cost the header of trust.
@pytest.mark.parametrize(
    ("name", "sizes", "refusals"),
    [
        ("Debian's haproxy", range(15_000, 15_400, 8), {400}),
        ("relayed", range(16_330, 16_400, 2), {431}),
        ("handed over", range(16_330, 16_400, 2), {431}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_head_of_any_size_is_the_guest_s_own_or_refused(chain, name, sizes, refusals):
    items = [
        corpus.item(
            "sizes",
            f"bytes-{size}\nA head near what is taken.\nours: 200 / own / open\n"
            f"| GET {{document}} HTTP/1.1\n| X-Forwarded-For: {{neighbour}}\n| X-Filler: {{x*{size}}}\n|\n",
        )
        for size in sizes
    ]
    results, garbage = chain(name).play(items)
    outcomes = [results[item.path].outcome for item in items]
    refused = [outcome for outcome in outcomes if str(outcome) != "200 / own / open"]
    assert garbage == [] and not any(results[item.path].faults for item in items)
    assert 0 < len(refused) < len(outcomes), "the sizes are on both sides of the limit"
    assert {outcome.statuses for outcome in refused} == {(status,) for status in refusals}
    assert {outcome.identities for outcome in refused} == {()}


# MARK: Our own header


@pytest.mark.parametrize("name", ["relayed", "handed over"])
@pytest.mark.parametrize("held", ["999999", "-999999"])
def test_a_guest_cannot_change_how_long_it_is_held(chain, name, held):
    started = chain(f"{name}, holding", chains.CHAINS[name], hold=1)
    before = time.monotonic()
    answer = get(started.where, nova.DOCUMENT, [("X-Bellhop-Held", held)], source="127.0.0.77")
    assert answer.status == 404
    assert 0.9 <= time.monotonic() - before < 10


def test_behind_haproxy_a_guest_can_only_shorten_its_own_hold(chain):
    """haproxy passes the header on; the guest then gets the same answer earlier, and nobody else notices."""
    started = chain("Debian's haproxy, holding", chains.DebiansHaproxy, hold=1)
    ask = lambda *headers: get(started.where, nova.DOCUMENT, headers, source="127.0.0.77").status  # noqa: E731
    assert ask(("X-Bellhop-Held", "999999")) == 404
    before = time.monotonic()
    assert ask(("X-Bellhop-Held", "-999999")) == 404
    assert 0.9 <= time.monotonic() - before < 10


# MARK: Would we notice?

FORGED = {
    "address/forwarded-for": "neighbour",
    "address/forwarded-for-twice": "neighbour",
    "address/forwarded-for-odd-case": "neighbour",
    "address/forwarded-for-mapped": "neighbour",
    "hop/connection-and-forgery": "neighbour",
    "instance/provider": "neighbour",
    "tunnel/connect-staying": "neighbour",
    "tunnel/connect-other-network": "twin",
    "tunnel/upgrade": "neighbour",
}


def test_with_a_proxy_that_believes_guests_the_same_items_get_through(chain):
    items = {item.path: item for item in corpus.items("ours")}
    results, _ = chain("gullible", Gullible).play([items[path] for path in FORGED])
    for path, victim in FORGED.items():
        assert victim in results[path].outcome.identities, path
        assert f"the guest read data of {victim}" in results[path].faults, path


SENDER = people.PEOPLE["own"]
RIGHT = [
    ("host", "nova:8775"),
    ("accept-encoding", "identity"),
    ("x-forwarded-for", SENDER.address),
    ("x-instance-id", SENDER.instance),
    ("x-tenant-id", SENDER.project),
    ("x-instance-id-signature", judge.signature(SENDER.instance, people.SECRET)),
]


def faults(headers=(), **changed):
    request = nova.Request("GET", "/", [*RIGHT, *headers], b"", 0)
    request = dataclasses.replace(request, **changed)
    return judge.faults_of_request(request, SENDER, "nova:8775", people.SECRET)


def test_a_request_as_it_should_be_has_no_fault():
    assert faults() == []
    assert faults([("content-length", "3")], method="POST", body=b"abc", length=3) == []


@pytest.mark.parametrize(
    "changed",
    [
        *[{"headers": RIGHT[:n] + RIGHT[n + 1 :]} for n in range(len(RIGHT))],
        *[{"headers": [*RIGHT, RIGHT[n]]} for n in range(len(RIGHT))],
        *[{"headers": [*RIGHT[:n], (RIGHT[n][0], RIGHT[n][1] + ", x"), *RIGHT[n + 1 :]]} for n in range(len(RIGHT))],
        {"headers": [*RIGHT, ("x-filler", "a")]},
        {"headers": [*RIGHT, ("x_forwarded_for", SENDER.address)]},
        {"headers": [*RIGHT, ("x-metadata-provider", "a")]},
        {"headers": [*RIGHT, ("content-length", "4")]},
        {"target": "http://nova/"},
        {"method": "GET:"},
    ],
)
def test_the_judge_sees_every_fault_of_a_request(changed):
    assert faults(**changed)


def test_an_answer_too_many_and_a_request_too_many_are_another_outcome():
    item = corpus.items("ours")[0]
    asked = nova.Request("GET", f"{nova.DOCUMENT}?{item.tag}", RIGHT, b"", 0)
    probe = dataclasses.replace(asked, target=player.probe(item, chains.VALUES))

    def outcome(statuses, requests, before=1):
        return str(judge.outcome(item, player.Played(statuses, b"", True, before), requests, people.PEOPLE, "own"))

    assert outcome([200, 200], [asked, probe]) == "200 / own / open"
    assert outcome([200, 200], [asked, asked, probe]) == "200 / own own / open"
    assert outcome([200, 200, 200], [asked, asked, probe]) == "200 200 200 / own own own / closed"
    assert outcome([200], [asked]) == "200 / own / closed"
    assert outcome([200, 400], [asked]) == "200 / own / 400"


# MARK: The corpus and the page about it


def test_where_the_control_differs_there_is_a_reason():
    used = set()
    for item in corpus.items("ours"):
        differs = item.expected("control") != item.expected("ours")
        assert bool(item.why) == differs, f"{item.path}: `why` belongs where the control differs, and only there"
        used |= {item.why} - {""}
    assert used == corpus.reasons().keys()


def test_nothing_is_forged_where_we_serve():
    for name in ("ours", "haproxy", "pike", "proxy"):
        for item in corpus.items(name):
            assert set(item.expected(name).identities) <= {"own"}, item.path


def test_the_page_shows_what_the_corpus_says():
    page = table.PAGE.read_text()
    assert table.updated(page) == page, "run `cd Tests && /usr/bin/python3 -B -m Forgery.table`"
