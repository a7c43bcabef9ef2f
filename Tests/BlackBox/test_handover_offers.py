"""What goes over the socket for listeners: an agent that is offered anything, and a proxy that is answered anything."""

import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

from Harness import handing, lab, personality, programs, wire
from Harness.handing import ACCEPTED, READY, FakeAgent, FakeProxy, offer
from Harness.marks import as_root
from Harness.personality import Limits
from Harness.programs import eventually


@pytest.fixture
def listener():
    """A guest's door, of this test's own process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def desk(handover):
    """Our agent, waiting for offers."""
    handover.serve()
    handover.start_agent()
    eventually(lambda: pathlib.Path(handing.path_of(handover.haproxy.socket)).exists(), 10, "the socket for listeners")
    # One of each, so that what is opened once is open when descriptors are counted.
    assert handover.agent.ask("/first", address="127.0.0.1").status == 200
    with FakeProxy(handover.haproxy.socket) as proxy:
        assert proxy.answer() == READY
    handover.descriptors = lambda: len(os.listdir(f"/proc/{handover.agent.program.pid}/fd"))
    return handover


def ask(listener):
    return wire.get(listener.getsockname()).status


# MARK: An agent that is offered anything


def test_an_offer_is_taken_for_as_long_as_its_connection_stands(desk, listener):
    with FakeProxy(desk.haproxy.socket) as proxy:
        assert proxy.offer(offer(lab.RED), [listener.fileno()]) == ACCEPTED
        assert ask(listener) == 200
    eventually(lambda: "Listeners given back" in desk.agent.log_text, 5, "the end of the lease")
    # Guests wait in the backlog again: the listener is ours alone.
    listener.settimeout(5)
    with wire.Client(listener.getsockname()) as guest:
        connected, _ = listener.accept()
        with connected:
            connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert guest.response().status == 200


def datagram():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def unix_server():
    server = socket.socket(socket.AF_UNIX)
    server.bind("")
    server.listen()
    return server


# What is offered, the sockets with it, and a word of the refusal.
REFUSED = {
    "no socket": (offer(lab.RED), [], "no sockets"),
    "no offer": (b"GET / HTTP/1.1\r\n\r\n", None, "cannot be read"),
    "another version": (b"bellhop-listeners 2\nnetwork x\n", None, "cannot be read"),
    "no network": (b"bellhop-listeners 1\nheaders neutron\n", None, "cannot be read"),
    "two networks": (offer(lab.RED, f"network {lab.BLUE}"), None, "cannot be read"),
    "a bad limit": (offer(lab.RED, "maxconn 0"), None, "cannot be read"),
    "bytes": (bytes(range(256)), None, "cannot be read"),
    "too much": (offer(lab.RED) + b"tag " + b"x" * 5_000, None, "larger than"),
    "a socket that does not listen": (offer(lab.RED), [lambda: socket.socket()], "not a listening TCP socket"),
    "a datagram socket": (offer(lab.RED), [datagram], "not a listening TCP socket"),
    "a UNIX socket": (offer(lab.RED), [unix_server], "not a listening TCP socket"),
    "a file": (offer(lab.RED), [lambda: open("/dev/zero", "rb")], "not a listening TCP socket"),  # noqa: SIM115
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_and_kept_by_nobody(desk, listener, case):
    data, makers, word = REFUSED[case]
    before = desk.descriptors()
    made = [make() for make in makers] if makers is not None else [listener]
    try:
        for _ in range(5):
            with FakeProxy(desk.haproxy.socket) as proxy:
                answer = proxy.offer(data, [each.fileno() for each in made])
                assert answer.startswith(b"refused ") and word.encode() in answer
                assert proxy.is_ended()
    finally:
        for each in made:
            each.close()
    eventually(lambda: desk.descriptors() <= before, 5, f"at most {before} descriptors")
    assert "Offered listeners are refused" in desk.agent.log_text
    assert desk.agent.ask("/alive", address="127.0.0.1").status == 200


def test_more_sockets_than_a_message_may_have_are_refused(desk):
    before = desk.descriptors()
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(9)]
    try:
        with FakeProxy(desk.haproxy.socket) as proxy:
            answer = proxy.offer(offer(lab.RED), [server.fileno() for server in servers])
            assert answer.startswith(b"refused ") and b"too many sockets" in answer
    finally:
        for server in servers:
            server.close()
    eventually(lambda: desk.descriptors() <= before, 5, "no more descriptors")


def test_a_second_offer_on_a_connection_ends_it(desk, listener):
    with FakeProxy(desk.haproxy.socket) as proxy:
        assert proxy.offer(offer(lab.RED), [listener.fileno()]) == ACCEPTED
        handing.send(proxy.socket, offer(lab.BLUE), [listener.fileno()])
        assert b"one connection carries one offer" in proxy.answer()
        assert proxy.is_ended()
    eventually(lambda: "Listeners given back" in desk.agent.log_text, 5, "the end of the lease")


def test_a_proxy_that_offers_nothing_is_let_go(desk):
    with FakeProxy(desk.haproxy.socket) as proxy:
        assert proxy.answer() == READY
        assert proxy.is_ended(15)


def test_a_proxy_that_leaves_at_any_moment_leaves_nothing(desk, listener):
    before = desk.descriptors()
    for step in range(3):
        for _ in range(10):
            with FakeProxy(desk.haproxy.socket) as proxy:
                if step >= 1:
                    assert proxy.answer() == READY
                if step >= 2:
                    handing.send(proxy.socket, offer(lab.RED), [listener.fileno()])
    eventually(lambda: desk.descriptors() <= before, 10, "no more descriptors")
    with FakeProxy(desk.haproxy.socket) as proxy:
        assert proxy.offer(offer(lab.RED), [listener.fileno()]) == ACCEPTED
        assert ask(listener) == 200


def test_one_socket_for_two_networks_serves_the_one_whose_lease_stands(desk, listener):
    """Nobody does this; it must not confuse who is who afterwards."""
    with FakeProxy(desk.haproxy.socket) as second:
        with FakeProxy(desk.haproxy.socket) as first:
            assert first.offer(offer(lab.BLUE), [listener.fileno()]) == ACCEPTED
            assert second.offer(offer(lab.RED), [listener.fileno()]) == ACCEPTED
        eventually(lambda: "Listeners given back" in desk.agent.log_text, 5, "the end of the first lease")
        for _ in range(10):
            assert ask(listener) == 200
        assert desk.agent.nova.last["X-Instance-ID"] == personality.GUEST


@as_root
def test_another_user_is_refused_before_it_can_offer_anything(handover):
    handover.serve()
    handover.start_agent(metadata_proxy_socket_mode="all")
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from Harness.handing import FakeProxy\n"
        "os.setgid(1); os.setuid(1)\n"
        "proxy = FakeProxy(sys.argv[2]); print(proxy.answer().decode(), proxy.is_ended())\n"
    )
    words = ["/usr/bin/python3", "-B", "-c", script, str(programs.ROOT / "Tests"), str(handover.haproxy.socket)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.stdout == "refused this user may not hand over listeners\n True\n", done.stderr
    assert "uid=1" in handover.agent.log_text


# MARK: A proxy that is answered anything


def test_an_offer_says_what_the_file_says(haproxy):
    times = {"http-request": "20s", "connect": "5s", "client": "62s", "server": "61s", "http-keep-alive": "10s"}
    with FakeAgent(haproxy.socket) as agent:
        haproxy.header = "X-OVN-Network-ID"
        process = start(haproxy, times=times, maxconn=77, limits=Limits(base=(60, 120), burst=(5, 20), version=6))
        connected, data, descriptors = agent.take()
        assert process.wait(15) == 0
        assert data.decode().splitlines() == [
            "bellhop-listeners 1",
            f"network {lab.RED}",
            "headers ovn",
            f"tag haproxy-metadata-proxy-{lab.RED}",
            "http-request 20000",
            "client 62000",
            "http-keep-alive 10000",
            "server 61000",
            "maxconn 77",
            "rate-families 46",
            "rate 60000 120",
            "rate 5000 20",
            "rate-entries 10240",
            "rate-expiry 60000",
        ]
        assert len(descriptors) == 1 and handing.peer_pid(connected) == haproxy.pid
        with socket.socket(fileno=descriptors[0]) as passed:
            assert passed.getsockname() == haproxy.where
        connected.close()


def start(haproxy, **settings):
    return subprocess.Popen([haproxy.program, "-f", haproxy.write(**settings)], stdin=subprocess.DEVNULL)


def test_an_ended_lease_is_asked_for_again_with_the_same_offer(haproxy):
    with FakeAgent(haproxy.socket) as agent:
        process = start(haproxy)
        connected, first, descriptors = agent.take()
        assert process.wait(15) == 0
        pid = haproxy.pid
        eventually(lambda: personality.stands_by(pid), 10, "the small program")
        for _ in range(3):
            for descriptor in descriptors:
                os.close(descriptor)
            connected.close()
            connected, again, descriptors = agent.take()
            assert again == first and handing.peer_pid(connected) == pid
        assert personality.stands_by(pid), "an agent that is back at once costs no change of program"
        connected.close()


@pytest.mark.parametrize("answer", [b"refused we are full\n", b"refused\n", b"hello\n", b"\n", b"accepted\n"])
def test_who_is_not_wanted_serves_alone(haproxy, answer):
    haproxy.serve()
    with FakeAgent(haproxy.socket) as agent:
        process = start(haproxy)
        with agent.next() as connected:
            connected.sendall(answer)
            assert handing.receive(connected) == (b"", []), "no socket for somebody who has not said he is ready"
        assert process.wait(15) == 0
        assert haproxy.get().body == b"hello"
    said = [line for line in haproxy.log.read() if "The metadata agent does not take the listener" in line]
    assert len(said) == 1


def test_an_agent_that_does_not_greet_gets_no_socket(haproxy):
    """One that hangs could not give it back."""
    haproxy.serve()
    with FakeAgent(haproxy.socket) as agent:
        process = start(haproxy)
        with agent.next() as connected:
            assert handing.receive(connected) == (b"", [])
        assert process.wait(15) == 0
        assert haproxy.get().body == b"hello"


def test_a_signal_does_not_wait_for_an_agent_that_hangs(haproxy):
    """Neither at the first offer nor at a later one."""
    with FakeAgent(haproxy.socket) as agent:
        process = start(haproxy)
        connected, _, descriptors = agent.take()
        assert process.wait(15) == 0
        pid = haproxy.pid
        eventually(lambda: personality.stands_by(pid), 10, "the small program")
        for descriptor in descriptors:
            os.close(descriptor)
        connected.close()
        with agent.next():
            began = time.monotonic()
            os.kill(pid, signal.SIGTERM)
            personality.bind_alone(haproxy.port, 1).close()
            eventually(lambda: not programs.is_alive(pid), 5, "the end of the proxy")
            assert time.monotonic() - began < 1.5, "an answer is waited for two seconds"


def test_listeners_of_a_killed_proxy_are_in_nobodys_hands(haproxy):
    """The agent hangs before it has greeted: what was never sent cannot be stuck on its way."""
    with FakeAgent(haproxy.socket) as agent:
        haproxy.write()
        process = start(haproxy)
        connected = agent.next()
        eventually(lambda: personality.listeners(haproxy.port) == 1, 5, "the listener")
        for pid in haproxy.processes:
            os.kill(pid, signal.SIGKILL)
        process.wait(15)
        personality.bind_alone(haproxy.port, 1).close()
        connected.close()


def test_what_the_small_program_is_told_by_others_is_nothing(haproxy):
    """It is no program for people."""
    program = pathlib.Path(haproxy.program).parent / "standby/haproxy"
    for environment in ({}, {"BELLHOP_STANDBY": "x", "BELLHOP_OFFER": "y"}):
        status, out, err = programs.run([program], "/", environment=environment)
        assert (status, out) == (1, "") and "started by Bellhop's haproxy only" in err
