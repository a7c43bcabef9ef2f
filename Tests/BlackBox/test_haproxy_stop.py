"""The contract with the agents about stopping: the address is free at once, whatever is going on."""

import os
import signal
import threading
import time

import pytest

from Harness import personality, programs, wire
from Harness.programs import eventually
from Harness.servers import CLOSE, Steps, reply
from Harness.wire import Client, request


class Gate:
    """Answers of the agent's that wait until the test opens it."""

    def __init__(self):
        self.opened = threading.Event()
        self.entered = threading.Event()

    def answer(self, body=b"late"):
        def wait():
            self.entered.set()
            self.opened.wait(30)

        return Steps(wait, reply(body=body))


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


def test_sigterm_frees_the_port_and_ends_it(haproxy):
    haproxy.serve()
    pid = haproxy.start()
    assert haproxy.get().status == 200
    os.kill(pid, signal.SIGTERM)
    personality.bind_alone(haproxy.port, 1).close()
    eventually(lambda: not programs.is_alive(pid), 5, "the end of the proxy")


def test_sigterm_frees_the_port_while_a_request_is_in_flight(haproxy, gate):
    """No socket listens there any more, not even one that nobody accepts from: guests' connections would go there."""
    haproxy.serve(gate.answer())
    pid = haproxy.start()
    with Client(haproxy.where) as guest:
        guest.send(request("/slow"))
        assert gate.entered.wait(10)
        os.kill(pid, signal.SIGTERM)
        successor = personality.bind_alone(haproxy.port, 1)
        gate.opened.set()
        assert guest.response().body == b"late", "what was begun is finished"
        successor.close()
    eventually(lambda: not programs.is_alive(pid), 5, "the end of the proxy")


def test_sigterm_does_not_wait_long_for_anybody(haproxy, gate):
    """Agents wait five seconds at most, and the namespace goes away afterwards."""
    haproxy.serve(gate.answer())
    pid = haproxy.start()
    with Client(haproxy.where) as busy, Client(haproxy.where) as idle, Client(haproxy.where) as half:
        busy.send(request("/slow"))
        half.send(b"GET / HTTP/1.1\r\nHos")
        assert gate.entered.wait(10)
        os.kill(pid, signal.SIGTERM)
        assert idle.is_closed()
        eventually(lambda: not programs.is_alive(pid), 4.5, "the end of the proxy")


def test_a_second_signal_ends_it_at_once(haproxy, gate):
    haproxy.serve(gate.answer())
    pid = haproxy.start()
    with Client(haproxy.where) as guest:
        guest.send(request("/slow"))
        assert gate.entered.wait(10)
        os.kill(pid, signal.SIGUSR1)
        eventually(lambda: personality.listeners(haproxy.port) == 0, 5, "the end of the listener")
        assert programs.is_alive(pid)
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not programs.is_alive(pid), 1.5, "the end of the proxy")


def test_a_successor_binds_beside_its_predecessor(haproxy, gate):
    """Since 2024.1 agents start the next one while the old one still holds the port."""
    haproxy.serve(lambda message: gate.answer(b"old") if message.target == b"/old" else reply(body=b"new"))
    old = haproxy.start()
    with Client(haproxy.where) as guest:
        guest.send(request("/old"))
        assert gate.entered.wait(10)
        assert haproxy.run("-f", haproxy.path)[0] == 0
        new = haproxy.pid
        assert new != old and set(haproxy.processes) == {old, new}
        os.kill(old, signal.SIGTERM)
        eventually(lambda: personality.listeners(haproxy.port) == 1, 5, "the end of the old listener")
        # The kernel shares connections out between listeners; none may reach the old one any more.
        for _ in range(50):
            assert haproxy.get("/new").body == b"new"
        gate.opened.set()
        assert guest.response().body == b"old"
    eventually(lambda: not programs.is_alive(old), 5, "the end of the predecessor")
    assert haproxy.pid_file.read_text() == f"{new}\n", "the pid file is the successor's"


def test_stop_and_start_over_and_over_lose_no_port(haproxy):
    """What the DHCP agent does to each proxy after its own start."""
    haproxy.serve()
    haproxy.write()
    pids = set()
    for _ in range(15):
        assert haproxy.run("-f", haproxy.path)[0] == 0
        pid = haproxy.pid
        pids.add(pid)
        assert haproxy.get().status == 200
        os.kill(pid, signal.SIGTERM)
    assert len(pids) == 15
    eventually(lambda: not haproxy.processes, 5, "the end of all")


def test_sigusr1_finishes_what_was_begun(haproxy, gate):
    haproxy.serve(gate.answer())
    pid = haproxy.start()
    with Client(haproxy.where) as busy, Client(haproxy.where) as idle:
        busy.send(request("/slow"))
        assert gate.entered.wait(10)
        os.kill(pid, signal.SIGUSR1)
        personality.bind_alone(haproxy.port, 1).close()
        assert idle.is_closed()
        # Longer than what SIGTERM allows.
        time.sleep(2.5)
        assert programs.is_alive(pid)
        gate.opened.set()
        assert busy.response().body == b"late"
        assert busy.is_closed()
    eventually(lambda: not programs.is_alive(pid), 5, "the end of the proxy")


@pytest.mark.parametrize("name", ["SIGHUP", "SIGTTOU", "SIGTTIN", "SIGQUIT", "SIGPIPE"])
def test_signals_that_haproxy_survives_are_survived(haproxy, control, name):
    for setup in (haproxy, control):
        setup.serve()
        pid = setup.start()
        os.kill(pid, getattr(signal, name))
        if setup is haproxy:
            # haproxy stops accepting at SIGTTOU until SIGTTIN; here both mean nothing.
            assert [setup.get().status for _ in range(3)] == [200] * 3
        assert programs.is_alive(pid)
        setup.stop(signal.SIGKILL)
        setup.agent.stop()


def test_sigttou_in_the_foreground_stops_nothing(haproxy, start):
    haproxy.serve()
    program = start([haproxy.program, "-db", "-f", haproxy.write()], "haproxy")
    program.wait_until(lambda: wire.accepts(haproxy.where), what="the listener")
    for number in (signal.SIGTTOU, signal.SIGTTIN, signal.SIGQUIT, signal.SIGHUP):
        program.send_signal(number)
        assert haproxy.get().status == 200
    program.stop()


def test_the_pid_file_stays_behind(haproxy, control):
    """The agents remove it; haproxy leaves it, and who took its place may have written it anew."""
    for setup in (haproxy, control):
        pid = setup.start()
        setup.stop()
        assert setup.pid_file.read_text() == f"{pid}\n"


def test_sigkill_frees_the_port(haproxy, gate):
    """How agents up to Victoria stop it."""
    haproxy.serve(gate.answer())
    pid = haproxy.start()
    with Client(haproxy.where) as guest:
        guest.send(request("/slow"))
        assert gate.entered.wait(10)
        os.kill(pid, signal.SIGKILL)
        personality.bind_alone(haproxy.port, 1).close()
        assert guest.is_closed()
    assert haproxy.pid_file.read_text() == f"{pid}\n"


def test_a_guest_that_is_served_while_it_stops_gets_a_whole_answer(haproxy):
    """Two halves with the signal in between."""
    body = bytes(range(256)) * 200
    reached = threading.Event()
    head = reply(body=body)
    agent = Steps(head[:20_000], reached.set, 0.5, head[20_000:], CLOSE)
    haproxy.serve(agent)
    pid = haproxy.start()
    with Client(haproxy.where) as guest:
        guest.send(request("/"))
        assert reached.wait(10)
        os.kill(pid, signal.SIGTERM)
        assert guest.response().body == body
