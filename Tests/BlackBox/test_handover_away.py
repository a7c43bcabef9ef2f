"""The agent goes and comes back: guests wait, are held, are told to come back, and are served by the next agent."""

import os
import pathlib
import shutil
import signal
import threading
import time

import pytest

from Harness import personality, servers, wire
from Harness.programs import eventually, is_alive
from Harness.wire import Client, request


def serves_alone(pid):
    return not personality.stands_by(pid)


def test_a_restarted_agent_has_the_listener_again(handover):
    """Over and over, and it is the same process all the time."""
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy()
    for round in range(5):
        assert handover.get(f"/{round}").status == 200
        assert program.stop() == 0
        program = handover.start_agent()
        eventually(lambda: handover.agent.log_text.count("Listeners taken over") > round + 1, 10, "another hand-over")
    eventually(lambda: personality.stands_by(pid), 10, "the small program")
    assert handover.get("/last").status == 200
    eventually(lambda: handover.served_by_agent("/last"), 5, "the access line")
    assert handover.haproxy.processes == [pid] == [handover.haproxy.pid]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_guests_that_come_meanwhile_wait_for_the_next_agent(handover, number):
    """First in the backlog, then held by the proxy; nobody is refused."""
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy()
    program.stop(number)
    with Client(handover.where) as early:
        early.send(request("/early"))
        eventually(lambda: serves_alone(pid), 10, "the whole program")
        with Client(handover.where) as late:
            late.send(request("/late"))
            handover.start_agent()
            assert early.response().status == late.response().status == 200
    eventually(lambda: personality.stands_by(pid), 15, "the small program")
    assert handover.get("/after").status == 200
    eventually(lambda: handover.served_by_agent("/after"), 5, "the access line")


def test_without_an_agent_guests_are_held_and_then_told_to_come_back(handover):
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy()
    program.stop()
    began = time.monotonic()
    answer = handover.get(timeout=30)
    seconds = time.monotonic() - began
    assert answer.status == 503 and int(answer["Retry-After"]) >= 1
    assert answer.body == b"The remote metadata server is temporarily unavailable. Please try again later.\n"
    assert seconds > 8, "cloud-init gives its first request ten seconds"
    assert serves_alone(pid) and handover.haproxy.pid == pid
    assert [line for line in handover.haproxy.log.read() if "The metadata agent cannot be reached" in line]


def test_alone_it_logs_and_limits_as_before(handover):
    """What the file said is remembered while the small program runs, although the file may have changed."""
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy(times={"http-request": "1s", "http-keep-alive": "1s"}, maxconn=3)
    handover.haproxy.path.unlink()
    program.stop()
    eventually(lambda: serves_alone(pid), 10, "the whole program")
    with Client(handover.where) as guest:
        guest.send(b"GET / HTT")
        assert guest.response().status == 408
    line = eventually(handover.haproxy.log.requests, 5, "its log line")[0]
    assert f"haproxy-metadata-proxy-{handover.haproxy.identity}[{pid}]" in line and ' 408 ' in line
    with Client(handover.where) as guest:
        assert guest.response().status == 408
    assert len(handover.haproxy.log.requests()) == 1, "a silent connection leaves no line, as before"


def test_without_httplog_it_writes_no_lines_afterwards_either(handover):
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy(options=("dontlognull", "http-server-close", "forwardfor"), times={"http-request": "1s"})
    program.stop()
    eventually(lambda: serves_alone(pid), 10, "the whole program")
    with Client(handover.where) as guest:
        guest.send(b"GET / HTT")
        assert guest.response().status == 408
    assert not handover.haproxy.log.requests()


def test_requests_in_flight_are_finished_by_the_agent_that_leaves(handover):
    handover.serve(servers.Steps(1.5, servers.reply(body=b"late")))
    program = handover.start_agent()
    handover.start_proxy()
    with Client(handover.where) as guest:
        guest.send(request("/slow"))
        eventually(lambda: handover.agent.nova.requests, 5, "the request at Nova")
        program.send_signal(signal.SIGTERM)
        assert guest.response().body == b"late"
    assert program.wait() == 0


def test_two_agents_one_after_the_other_lose_nothing(handover):
    """The next one takes over before the old one has finished."""
    handover.serve()
    first = handover.start_agent()
    pid = handover.start_proxy()
    failures, stop, count = [], threading.Event(), [0]

    def guest():
        while not stop.is_set():
            try:
                status = handover.get(timeout=20).status
            except (OSError, EOFError, AssertionError) as failure:
                status = repr(failure)
            count[0] += 1
            if status != 200:
                failures.append(status)

    threads = [threading.Thread(target=guest) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(3):
            eventually(lambda: personality.stands_by(pid), 15, "the small program")
            second = handover.agent._start(handover.agent.words, f"next{number}")
            started = lambda: handover.agent.log_text.count(" Listening ") == number + 2  # noqa: E731
            second.wait_until(started, what="the next agent")
            assert first.stop() == 0
            first = second
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures and count[0] > 100, (failures[:5], count)


def test_the_proxy_may_be_stopped_while_no_agent_is_there(handover):
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy()
    program.stop()
    for moment in ("waiting for an agent", "serving alone"):
        if moment == "serving alone":
            pid = handover.haproxy.start()
            eventually(lambda: wire.accepts(handover.where), 5)
        os.kill(pid, signal.SIGTERM)
        personality.bind_alone(handover.haproxy.port, 1).close()
        eventually(lambda: not is_alive(pid), 5, f"the end while {moment}")


def test_replaced_programs_are_used_when_it_serves_again(handover, folder):
    """An upgrade of the node's packages: the process goes on, with the new program at its next change."""
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy()
    installed = pathlib.Path(handover.haproxy.program).parent
    shutil.copytree(installed, folder / "next")
    for name in ("haproxy", "standby/haproxy"):
        os.rename(folder / "next" / name, installed / name)
    inode = os.stat(handover.haproxy.program).st_ino
    program.stop()
    eventually(lambda: serves_alone(pid), 10, "the whole program")
    assert os.stat(f"/proc/{pid}/exe").st_ino == inode
    handover.start_agent()
    eventually(lambda: personality.stands_by(pid), 15, "the small program")
    assert handover.get().status == 200


def test_without_its_program_it_waits_for_the_next_agent(handover):
    """Uninstalled while it runs: guests wait in the backlog instead of being refused."""
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy()
    os.unlink(handover.haproxy.program)
    program.stop()
    with Client(handover.where) as guest:
        guest.send(request("/"))
        # Longer than its patience: it has tried to become the whole program.
        time.sleep(2.5)
        assert personality.stands_by(pid)
        handover.start_agent()
        assert guest.response().status == 200
    assert handover.get().status == 200
