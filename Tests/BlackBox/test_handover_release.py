"""A proxy that ends frees its address and its namespace at once, although the agent has the sockets as well."""

import os
import secrets
import signal
import socket
import subprocess
import threading
import time

import pytest

from Harness import lab, personality, wire
from Harness.handover import INVENTORY
from Harness.inside import METADATA, DHCPNamespace
from Harness.marks import as_root
from Harness.programs import eventually, is_alive
from Harness.servers import Steps, reply
from Harness.wire import Client, request

SIGNALS = [signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1]
by_signal = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)


def ends(pid, number):
    os.kill(pid, number)
    eventually(lambda: not is_alive(pid), 5, "the end of the proxy")


@by_signal
def test_the_address_is_free(handover, number):
    handover.serve()
    pid = handover.start()
    assert handover.get().status == 200
    ends(pid, number)
    personality.bind_alone(handover.haproxy.port, 1).close()


@by_signal
def test_the_address_is_free_while_a_guest_is_idle_at_the_agent(handover, number):
    handover.serve()
    pid = handover.start()
    with Client(handover.where) as guest:
        guest.send(request("/"))
        assert guest.response().status == 200
        ends(pid, number)
        personality.bind_alone(handover.haproxy.port, 1).close()
        assert guest.is_closed(), "an idle connection would keep the namespace alive"


@by_signal
def test_the_address_is_free_while_the_agent_answers(handover, number):
    entered, leave = threading.Event(), threading.Event()

    def wait():
        entered.set()
        leave.wait(20)

    handover.serve(Steps(wait, reply(body=b"late")))
    pid = handover.start()
    try:
        with Client(handover.where) as guest:
            guest.send(request("/"))
            assert entered.wait(10)
            ends(pid, number)
            successor = personality.bind_alone(handover.haproxy.port, 1)
            leave.set()
            assert guest.response().body == b"late", "what the agent has begun it finishes"
            assert guest.is_closed()
            successor.close()
    finally:
        leave.set()


@by_signal
def test_no_guest_gets_lost_in_a_listener_that_nobody_serves(handover, number):
    """The kernel shares connections out between all sockets that listen, so a forgotten one would swallow some."""
    handover.serve()
    pid = handover.start()
    with Client(handover.where) as idle:
        idle.send(request("/"))
        assert idle.response().status == 200
        assert handover.haproxy.run("-f", handover.haproxy.path)[0] == 0
        ends(pid, number)
        eventually(lambda: personality.listeners(handover.haproxy.port) == 1, 5, "one listener")
        for _ in range(50):
            assert handover.get(timeout=10).status == 200


def test_the_agent_counts_its_descriptors_down(handover):
    """Guests that come and go, proxies that come and go: nothing piles up."""
    handover.serve()
    program = handover.start_agent()
    count = lambda: len(os.listdir(f"/proc/{program.pid}/fd"))  # noqa: E731
    counts = []
    for _ in range(6):
        pid = handover.start_proxy()
        for _ in range(20):
            assert handover.get().status == 200
        ends(pid, signal.SIGKILL)
        eventually(lambda: personality.listeners(handover.haproxy.port) == 0, 5, "the end of the listener")
        counts.append(count())
    # The first round leaves connections to Nova that are kept.
    eventually(lambda: count() <= counts[0], 20, f"no more than {counts}")


@as_root
@by_signal
def test_a_deleted_namespace_is_really_gone(handover, number):
    """`ip netns del` removes a name; the namespace lives on while anybody has a socket of it."""
    namespace = DHCPNamespace(has_ipv6=False)
    other = f"bh-{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", other], check=True)
    try:
        # The end of a pair vanishes with the namespace of the other end.
        namespace.ip("link", "add", "witness", "type", "veth", "peer", "name", "witness-2", "netns", other)
        witness = lambda: subprocess.run(  # noqa: E731
            ["ip", "-n", other, "link", "show", "witness-2"], capture_output=True
        ).returncode
        handover.agent.inventory.write_text(
            INVENTORY.replace("fixed_ips: [", f"fixed_ips: [{METADATA}, ").replace(
                "subnets: [", "subnets: [169.254.0.0/16, "
            )
        )
        handover.serve()
        handover.start_agent()
        handover.haproxy.prefix = namespace.prefix
        pid = handover.start_proxy(binds=[f"{METADATA}:80"])
        guest = namespace.call(Client, (METADATA, 80))
        guest.send(request("/"))
        assert guest.response().status == 200
        ends(pid, number)
        # The guest's own socket is in there as well; a real guest is a machine of its own. And the kernel keeps the
        # socket of who sent a line of the log until it is read.
        guest.close()
        handover.haproxy.log.read()
        namespace.close()
        eventually(lambda: witness() != 0, 10, "the end of the namespace")
    finally:
        namespace.close()
        subprocess.run(["ip", "netns", "del", other])


def test_many_listeners_come_and_go_while_requests_run(handover, folder):
    """Thirty networks, three rounds; the one that stays never notices."""
    handover.serve()
    handover.start_agent(metadata_workers=2)
    handover.start_proxy()
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

    threads = [threading.Thread(target=guest) for _ in range(3)]
    for thread in threads:
        thread.start()
    others = []
    try:
        for number in range(30):
            other = personality.HaproxySetup(folder, handover.haproxy.program, f"n{number}")
            other.socket = handover.haproxy.socket
            others.append(other)
        for round in range(3):
            pids = [other.start() for other in others]
            eventually(lambda: all(personality.stands_by(pid) for pid in pids), 30, "the small programs")  # noqa: B023
            assert [other.get().status for other in others] == [200] * 30
            for number, pid in enumerate(pids):
                os.kill(pid, signal.SIGKILL if number % 2 else signal.SIGTERM)
            for other in others:
                personality.bind_alone(other.port, 2).close()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for other in others:
            other.close()
    assert not failures and count[0] > 100, (failures[:5], count)
    assert handover.agent.log_text.count("Listeners taken over") == 1 + 3 * 30
    assert handover.agent.log_text.count("Listeners given back") == 3 * 30


def test_guests_of_a_network_are_spread_over_the_workers(handover):
    """A worker takes connections until it has something to do; the next ones are others'."""
    handover.serve()
    program = handover.start_agent(metadata_workers=4)
    handover.start_proxy()
    assert handover.get().status == 200
    before = times(program.pid)
    guests = []
    try:
        for _ in range(300):
            guest = socket.socket()
            guest.setblocking(False)
            guest.connect_ex(handover.where)
            guests.append(guest)
        for guest in guests:
            guest.settimeout(15)
            guest.sendall(request("/"))
        assert all(wire.Incoming(guest).head().startswith(b"HTTP/1.1 200 ") for guest in guests)
    finally:
        for guest in guests:
            guest.close()
    busy = [name for name, switches in times(program.pid).items() if switches > before.get(name, 0)]
    assert len([name for name in busy if name.startswith("relay-")]) >= 2, busy


def times(pid):
    """How often each thread has slept, by its name."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        status = personality.status(f"{pid}/task/{task}")
        found[status["Name"]] = int(status["voluntary_ctxt_switches"])
    return found


def test_the_lease_is_not_the_guests(handover):
    """A guest that is served when its proxy ends may finish; one that comes afterwards finds nobody."""
    handover.serve()
    pid = handover.start()
    ends(pid, signal.SIGTERM)
    time.sleep(0.1)
    assert not wire.accepts(handover.where)
    assert lab.RED in handover.agent.log_text
