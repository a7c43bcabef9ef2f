"""The agent's end of the socket for listeners, offered anything: what makes no sense is refused and not kept."""

import os
import socket
import subprocess

import pytest

from Harness import handing, lab, programs, wire
from Harness.handover import GUEST
from Harness.handing import ACCEPTED, READY, FakeProxy, offer
from Harness.marks import as_root
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
    # One of each, so that what is opened once is open when descriptors are counted.
    assert handover.agent.ask("/first", address="127.0.0.1").status == 200
    with FakeProxy(handover.haproxy.socket) as proxy:
        assert proxy.answer() == READY
    handover.descriptors = lambda: len(os.listdir(f"/proc/{handover.agent.program.pid}/fd"))
    return handover


def ask(listener):
    return wire.get(listener.getsockname()).status


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
        assert desk.agent.nova.last["X-Instance-ID"] == GUEST


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
