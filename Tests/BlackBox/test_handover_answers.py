"""The proxy's end of the socket for listeners, answered anything: by an agent that greets, takes, refuses, or hangs."""

import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

from Harness import handing, lab, personality, programs
from Harness.handing import FakeAgent
from Harness.haproxy_file import Limits
from Harness.programs import eventually


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
