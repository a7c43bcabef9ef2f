"""Other agents than ours in its best health: one that hangs, a plain HTTP server, Neutron's own."""

import os
import signal
import time

import pytest

from Harness import personality, wire
from Harness.programs import eventually, is_alive

NEUTRONS = "/usr/bin/neutron-metadata-agent"


def test_an_agent_that_hangs_is_not_waited_for_at_the_start(handover):
    """Its socket is there and takes connections, and nobody answers."""
    handover.serve()
    program = handover.start_agent()
    program.send_signal(signal.SIGSTOP)
    try:
        status, out, err = handover.haproxy.run("-f", handover.haproxy.write(), seconds=20)
        assert status == 0, out + err
    finally:
        program.send_signal(signal.SIGCONT)
    assert handover.get(timeout=20).status == 200
    eventually(lambda: personality.stands_by(handover.haproxy.pid), 15, "the small program")


def test_a_hung_agent_keeps_no_address(handover):
    """It cannot let go of its copy, so the proxy ends the socket itself."""
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy()
    program.send_signal(signal.SIGSTOP)
    try:
        os.kill(pid, signal.SIGTERM)
        personality.bind_alone(handover.haproxy.port, 1).close()
        eventually(lambda: not is_alive(pid), 5, "the end of the proxy")
    finally:
        program.send_signal(signal.SIGCONT)


def test_offers_that_were_given_up_open_no_door(handover):
    """An agent that hung finds stale offers in its backlog; the proxy may be serving by now, or gone."""
    handover.serve()
    program = handover.start_agent()
    program.send_signal(signal.SIGSTOP)
    try:
        for _ in range(3):
            handover.haproxy.run("-f", handover.haproxy.write(), seconds=20)
            handover.haproxy.stop(signal.SIGKILL)
        personality.bind_alone(handover.haproxy.port, 1).close()
    finally:
        program.send_signal(signal.SIGCONT)
    pid = handover.start_proxy()
    assert handover.agent.log_text.count("Listeners taken over") == 1
    assert handover.get().status == 200 and handover.haproxy.pid == pid


def test_a_plain_http_server_is_relayed_to(haproxy):
    """An agent that knows nothing of listeners; asked again now and then, at no cost to guests."""
    haproxy.serve()
    pid = haproxy.start()
    for _ in range(20):
        assert haproxy.get().body == b"hello"
        time.sleep(0.1)
    assert not personality.stands_by(pid)


def test_an_agent_with_the_feature_may_come_later(handover):
    """The node's upgrade: Neutron's agent first, ours on the same socket afterwards."""
    handover.haproxy.serve()
    pid = handover.haproxy.start()
    assert handover.get().body == b"hello"
    handover.haproxy.agent.stop()
    handover.haproxy.agent = None
    handover.serve()
    handover.start_agent()
    eventually(lambda: personality.stands_by(pid), 20, "the small program")
    assert handover.get("/direct").status == 200
    eventually(lambda: handover.served_by_agent("/direct"), 5, "the access line")


@pytest.mark.skipif(not os.access(NEUTRONS, os.X_OK), reason="Neutron's agent is not installed")
def test_neutrons_own_agent_is_relayed_to(haproxy, start):
    """Debian's. Without a message bus it has no answer but an error, and the error is what guests get."""
    configuration = haproxy.folder / "metadata_agent.ini"
    configuration.write_text(
        f"[DEFAULT]\nmetadata_proxy_socket = {haproxy.socket}\nmetadata_proxy_socket_mode = all\n"
        f"transport_url = fake:/\nstate_path = {haproxy.folder}\nmetadata_workers = 0\nrpc_response_timeout = 1\n"
    )
    agent = start([NEUTRONS, "--config-file", configuration], "neutron")
    agent.wait_until(lambda: wire.accepts(haproxy.socket), 60, "Neutron's agent")
    pid = haproxy.start()
    answer = haproxy.get("/latest/meta-data", timeout=60)
    assert answer.status in (404, 500)
    assert not personality.stands_by(pid)
