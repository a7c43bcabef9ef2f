"""The agent as a service: readiness, signals, reload, logs."""

import os
import re
import signal
import socket
import threading
import time

import pytest

from Harness import lab, programs, servers
from Harness.servers import Steps, reply
from Harness.wire import Client, request

ACCESS = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ INFO eventlet\.wsgi\.server \[-\] "
    r'(\S+),<local> "((?:[^"\\]|\\.)*)" status: (\d+)  len: (\d+) time: (\d+\.\d{7})$'
)


def access_lines(agent):
    return [match.groups() for match in map(ACCESS.match, agent.log_text.splitlines()) if match]


def reload_until(agent, condition):
    """SIGHUP, and after a second without effect once more."""

    def signalled():
        agent.program.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 1
        while not (result := condition()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return result

    programs.eventually(signalled, 15, "the effect of SIGHUP")


def test_readiness_is_told_to_systemd_once_it_serves(agent):
    agent.serve()
    path = agent.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(os.fspath(path))
        notify.settimeout(10)
        agent.write()
        agent.program = agent._start(agent.words, "agent", environment={"NOTIFY_SOCKET": str(path)})
        assert b"READY=1" in notify.recv(4096).splitlines()
        assert agent.ask().status == 200, "ready means that a request is answered"
        agent.program.send_signal(signal.SIGTERM)
        assert b"STOPPING=1" in notify.recv(4096).splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_end_and_takes_no_new_ones(agent, number):
    agent.serve(Steps(1.0, reply(200, b"finished")))
    program = agent.start()
    with Client(agent.socket) as busy, Client(agent.socket) as idle:
        busy.send(request("/", headers=agent.headers()))
        time.sleep(0.3)
        program.send_signal(number)
        assert idle.is_closed(), "a connection on which nothing comes is closed without an answer"
        programs.eventually(lambda: not agent.socket.exists(), 5, "the removal of the socket")
        assert busy.response().body == b"finished"
        assert busy.is_closed()
    assert program.wait() == 0


def test_an_idle_agent_ends_at_once(agent):
    agent.serve()
    program = agent.start()
    assert agent.ask().status == 200
    before = time.monotonic()
    assert program.stop() == 0
    assert time.monotonic() - before < 3


def test_a_signal_right_after_the_start_is_a_clean_stop_too(agent):
    """Who sees the socket may think that it is up: no signal may come too early from then on."""
    for _ in range(5):
        assert agent.start().stop() == 0
        assert not agent.socket.exists()


def test_a_request_that_never_ends_does_not_keep_it_for_ever(agent):
    agent.serve(Steps(120, reply(200)))
    program = agent.start(bellhop={"nova_timeout_seconds": 2})
    with Client(agent.socket) as guest:
        guest.send(request("/", headers=agent.headers()))
        time.sleep(0.2)
        program.send_signal(signal.SIGTERM)
        program.wait(seconds=60)


def test_a_restarted_agent_takes_over_the_socket(agent):
    agent.serve()
    for _ in range(3):
        agent.start()
        assert agent.ask().status == 200
        agent.program.stop()


def test_each_request_has_its_line_in_the_access_log(agent):
    agent.serve(reply(404, b"nothing"))
    agent.start()
    answer = agent.ask("/latest/user-data?x=1")
    programs.eventually(lambda: access_lines(agent))
    client, line, status, length, seconds = access_lines(agent)[0]
    assert (client, line, status) == (lab.WEB_IP, "GET /latest/user-data?x=1 HTTP/1.1", "404")
    assert int(length) == len(answer.head) + len(answer.body)
    assert 0 < float(seconds) < 5


def test_a_guest_cannot_forge_lines_of_the_log(agent):
    agent.serve()
    agent.start()
    assert agent.ask('/"%20status:%20200%0a\x27', timeout=5).status == 200
    programs.eventually(lambda: access_lines(agent))
    assert len(access_lines(agent)) == 1
    assert all(ord(letter) >= 32 for letter in agent.log_text.replace("\n", ""))


def test_sighup_opens_a_renamed_log_again(agent):
    agent.serve()
    agent.start()
    assert agent.ask("/before").status == 200
    programs.eventually(lambda: "/before" in agent.log.read_text())
    agent.log.rename(agent.folder / "agent.log.1")
    reload_until(agent, agent.log.exists)
    assert agent.ask("/after").status == 200
    programs.eventually(lambda: "/after" in agent.log.read_text())
    assert "/after" not in (agent.folder / "agent.log.1").read_text()


def test_sighup_takes_a_changed_inventory_into_use(agent):
    agent.serve()
    agent.start()
    assert agent.ask(address="10.77.0.50").status == 404
    agent.inventory.write_text(lab.INVENTORY.replace(f"fixed_ip: {lab.DATABASE_IP}", "fixed_ip: 10.77.0.50"))
    reload_until(agent, lambda: agent.ask(address="10.77.0.50").status == 200)
    assert agent.nova.last["X-Instance-ID"] == lab.DATABASE


def test_a_broken_inventory_at_sighup_changes_nothing(agent):
    agent.serve()
    agent.start()
    agent.inventory.write_text("instances: [\n")
    reload_until(agent, lambda: f"{agent.inventory}:2: " in agent.log_text)
    assert agent.ask().status == 200


def test_sighup_takes_a_changed_secret_and_port_into_use(agent):
    agent.serve()
    agent.start()
    assert agent.ask().status == 200
    with servers.ScriptedServer(reply(200, b"second")) as second:
        agent.write(metadata_proxy_shared_secret="new secret", nova_metadata_port=second.port)
        reload_until(agent, lambda: agent.ask().body == b"second")
        agent.ask()
        assert second.last["X-Instance-ID-Signature"] == lab.signature(lab.WEB, "new secret")


def test_a_broken_configuration_at_sighup_changes_nothing(agent):
    agent.serve()
    agent.start()
    agent.configuration.write_text("[DEFAULT]\nmetadata_workers = many\n")
    reload_until(agent, lambda: "many" in agent.log_text)
    assert agent.ask().status == 200


def test_sighup_loses_no_request(agent):
    agent.serve(Steps(0.02, reply(200)))
    agent.start()
    statuses, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            statuses.append(agent.ask().status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        agent.program.send_signal(signal.SIGHUP)
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200} and len(statuses) > 20


def test_the_command_line_keeps_the_name_of_the_program(agent):
    """Monitoring finds the agent by its name (Victoria, LP 1881297)."""
    agent.start()
    with open(f"/proc/{agent.program.pid}/cmdline", "rb") as file:
        assert os.path.basename(file.read().split(b"\0")[0]) == b"neutron-metadata-agent"


def test_bodies_and_secrets_are_not_logged_even_at_debug(agent):
    agent.serve(reply(200, b"user-data-with-a-password"))
    agent.start("--debug")
    assert agent.ask("/p", method="POST", body=b"guest-password-cipher", more=[("Cookie", "c00")]).status == 200
    text = agent.log_text
    for secret in ("user-data-with", "guest-password", "c00", lab.SECRET, lab.signature(lab.WEB)):
        assert secret not in text


def test_noise_on_the_socket_never_stops_the_agent(agent):
    agent.serve()
    agent.start()
    for noise in (os.urandom(5000), b"\0" * 100_000, b"\r\n" * 1000, b"GET " + b"/" * 100_000, b"\xff" * 10):
        with Client(agent.socket) as client:
            try:
                client.send(noise)
                client.socket.shutdown(socket.SHUT_WR)
                while client.socket.recv(65_536):
                    pass
            except OSError:
                pass
    assert agent.ask().status == 200
