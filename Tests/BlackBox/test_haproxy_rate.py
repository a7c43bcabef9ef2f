"""Rate limits of `[metadata_rate_limiting]`: by Debian's haproxy, by ours alone, and by the agent after the hand-over.

The same requests at the same moments get the same statuses from all three: two windows, each request counted in both
before it is decided about, denied ones too.
"""

import threading
import time

import pytest

from Harness import wire
from Harness.haproxy_file import Limits
from Harness.programs import eventually
from Harness.wire import Client, request

OK, DENIED = 200, 429


def ask(where, count, source=None):
    return [wire.get(where, "/", source=source).status for _ in range(count)]


def test_above_the_limit_is_denied(served):
    """A limit of 3 lets three pass."""
    served.serve()
    served.start(limits=Limits(base=(60, 3), burst=(60, 100)))
    assert ask(served.where, 6) == [OK] * 3 + [DENIED] * 3


def test_either_window_may_deny(served):
    served.serve()
    served.start(limits=Limits(base=(60, 100), burst=(60, 2)))
    assert ask(served.where, 4) == [OK, OK, DENIED, DENIED]


def test_each_address_has_its_own_count(served):
    served.serve()
    served.start(limits=Limits(base=(60, 2), burst=(60, 2)))
    assert ask(served.where, 3, "127.0.0.1") == [OK, OK, DENIED]
    assert ask(served.where, 3, "127.0.0.2") == [OK, OK, DENIED]
    assert ask(served.where, 1, "127.0.0.1") == [DENIED]


def test_requests_of_one_connection_count_each(served):
    served.serve()
    served.start(limits=Limits(base=(60, 3), burst=(60, 3)))
    statuses = []
    with Client(served.where) as guest:
        for _ in range(4):
            guest.send(request("/"))
            statuses.append(guest.response().status)
    assert statuses == [OK] * 3 + [DENIED]


def test_denied_requests_count_too(served):
    """Who goes on asking is let in no earlier than who stays away: the window slides over the denied ones."""
    served.serve()
    served.start(limits=Limits(base=(2, 2), burst=(60, 1000)))
    began = time.monotonic()
    statuses = []
    while time.monotonic() - began < 5:
        statuses += ask(served.where, 1)
        time.sleep(0.1)
    assert statuses[:3] == [OK, OK, DENIED]
    assert OK not in statuses[3:]


def test_who_stays_away_is_let_in_again(served):
    served.serve()
    served.start(limits=Limits(base=(1, 2), burst=(60, 1000)))
    assert ask(served.where, 3) == [OK, OK, DENIED]
    time.sleep(2.1)
    assert ask(served.where, 3) == [OK, OK, DENIED]


def test_requests_that_are_refused_for_another_reason_count(served):
    """Counting comes first; what is no HTTP at all has no address to count for."""
    served.serve()
    served.start(limits=Limits(base=(60, 2), burst=(60, 2)))
    for _ in range(2):
        with Client(served.where) as guest:
            guest.send(request("m:80", "CONNECT", host="m:80"))
            assert guest.response().status in (OK, 405)
    assert ask(served.where, 1) == [DENIED]


@pytest.mark.parametrize("version", [4, 6])
def test_whom_a_table_counts_at_a_listener_for_both_families(served, version):
    """`ip`: IPv4 and nobody else. `ipv6`: everybody, each for himself."""
    served.serve()
    served.start(limits=Limits(base=(60, 2), burst=(60, 2), version=version), binds=[f":::{served.where[1]}"])
    assert ask(served.where, 3) == [OK, OK, DENIED]
    assert ask(served.where_v6, 3) == ([OK] * 3 if version == 4 else [OK, OK, DENIED])


@pytest.mark.parametrize("version", [4, 6])
def test_whom_a_table_counts_at_a_listener_for_each_family(served, version):
    served.serve()
    port = served.where[1]
    served.start(
        limits=Limits(base=(60, 2), burst=(60, 2), version=version), binds=[f"127.0.0.1:{port}", f"[::1]:{port}"]
    )
    assert ask(served.where, 3) == [OK, OK, DENIED]
    assert ask(served.where_v6, 3) == ([OK] * 3 if version == 4 else [OK, OK, DENIED])


def test_without_limits_nobody_is_denied(served):
    served.serve()
    served.start()
    assert ask(served.where, 150) == [OK] * 150


def test_many_at_once_are_counted_exactly(served):
    """From many connections, which the agent's workers share."""
    served.serve()
    served.start(limits=Limits(base=(60, 20), burst=(60, 1000)), **workers(served, 4))
    statuses, lock, ready = [], threading.Lock(), threading.Barrier(10)

    def guest():
        ready.wait()
        found = ask(served.where, 5)
        with lock:
            statuses.extend(found)

    threads = [threading.Thread(target=guest) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(OK), statuses.count(DENIED)) == (20, 30)


def workers(setup, count):
    return {"agent": {"metadata_workers": count}} if setup.way == "handed over" else {}


def test_the_same_requests_get_the_same_statuses(haproxy, control):
    """Side by side for some seconds, at a pace at which both windows decide in turns."""
    limits = Limits(base=(3, 8), burst=(1, 4))
    haproxy.serve()
    for setup in (haproxy, control):
        setup.start(limits=limits)
    ours, theirs = [], []
    pauses = [0.0] * 5 + [0.35] * 6 + [1.2] + [0.05] * 12 + [2.0] + [0.0] * 3 + [3.5] + [0.0] * 10 + [0.6] * 5
    for pause in pauses:
        time.sleep(pause)
        ours += ask(haproxy.where, 1)
        theirs += ask(control.where, 1)
    different = [number for number, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]]
    # The counters begin some milliseconds apart, so one request at the edge of a window may fall on the other side.
    assert len(different) <= 1, (ours, theirs)
    assert {OK, DENIED} == set(ours)


def test_the_denied_are_told_when_to_come_back(ours):
    """haproxy does not say; cloud-init since 25.1 heeds it."""
    ours.serve()
    ours.start(limits=Limits(base=(2, 1), burst=(2, 1)))
    assert ours.get().status == OK
    denied = ours.get()
    assert denied.status == DENIED and denied.body == b"Too many requests. Please try again later.\n"
    seconds = int(denied["Retry-After"])
    assert 1 <= seconds <= 4
    time.sleep(seconds + 0.1)
    assert ours.get().status == OK


def test_a_denied_connection_stays_open(served):
    served.serve()
    served.start(limits=Limits(base=(60, 1), burst=(60, 1)))
    with Client(served.where) as guest:
        statuses = []
        for _ in range(3):
            guest.send(request("/"))
            statuses.append(guest.response().status)
    assert statuses == [OK, DENIED, DENIED]


def test_the_agent_names_who_asks_too_often(handover):
    handover.serve()
    handover.start(limits=Limits(base=(60, 1), burst=(60, 1)))
    assert [handover.get().status for _ in range(2)] == [OK, DENIED]
    warning = "A guest asks more often than its network allows"
    eventually(lambda: warning in handover.agent.log_text, 5, "the warning")


def test_a_boot_passes_neutrons_usual_limits_only_if_they_are_raised(served):
    """28 requests, which is what cloud-init makes: Neutron's default of 10 in 10 s is for nobody's boot."""
    served.serve()
    served.start(limits=Limits())
    assert ask(served.where, 28).count(DENIED) == 18


def test_the_table_holds_as_many_as_it_says(ours):
    """Beyond its size the address that was silent the longest is forgotten, and begins anew."""
    ours.serve()
    text = getattr(ours, "haproxy", ours).text(limits=Limits(base=(60, 1), burst=(60, 1)))
    ours.start(text.replace("size 10k", "size 3"))
    for number in (1, 2, 3):
        assert ask(ours.where, 1, f"127.0.0.{number}") == [OK]
    assert ask(ours.where, 1, "127.0.0.1") == [DENIED]
    assert ask(ours.where, 1, "127.0.0.4") == [OK]
    assert ask(ours.where, 1, "127.0.0.2") == [OK]


def test_an_ended_lease_takes_the_counts_along(handover):
    """They live in whoever serves, as haproxy's die with it."""
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy(limits=Limits(base=(60, 2), burst=(60, 2)))
    assert ask(handover.where, 3) == [OK, OK, DENIED]
    program.stop()
    handover.start_agent()
    eventually(lambda: ask(handover.where, 1) == [OK], 15, "an answer of the next agent")
    assert handover.haproxy.pid == pid
