"""Listeners handed to the agent: guests reach it directly, and what waits in their namespace is very small."""

import contextlib
import os
import pathlib
import re
import signal
import time

import pytest

from Harness import lab, personality, programs, wire
from Harness.handover import GUEST, INVENTORY
from Harness.marks import as_root
from Harness.programs import eventually, is_alive


def is_relayed(handover, target):
    """Whether this request came to the agent over its UNIX socket."""
    lines = lambda: [line for line in handover.access_lines if f" {target} " in line]  # noqa: E731
    return ",<local> " in eventually(lines, 5, "the access line")[0]


def test_guests_reach_the_agent_itself(handover):
    nova = handover.serve()
    pid = handover.start()
    assert handover.get("/direct").body == b"hello"
    assert nova.last["X-Instance-ID"] == GUEST
    assert nova.last["X-Forwarded-For"] == "127.0.0.1"
    line = eventually(lambda: [line for line in handover.access_lines if " /direct " in line], 5, "the access line")[0]
    assert " 127.0.0.1 \"GET /direct HTTP/1.1\" status: 200 " in line and "<local>" not in line
    taken = [line for line in handover.agent.log_text.splitlines() if "Listeners taken over" in line]
    assert len(taken) == 1 and f"network {lab.RED}" in taken[0] and f"pid={pid}" in taken[0]


def test_nothing_that_a_guest_sends_says_who_it_is(handover):
    nova = handover.serve()
    handover.start()
    forged = {"X-Forwarded-For": lab.WEB_IP, "X-Neutron-Network-ID": lab.BLUE, "X-Neutron-Router-ID": lab.EDGE}
    assert handover.get("/", headers=forged).status == 200
    assert nova.last["X-Instance-ID"] == GUEST and nova.last["X-Forwarded-For"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("header", "identity", "address"),
    [
        ("X-Neutron-Network-ID", lab.RED, "network"),
        ("X-OVN-Network-ID", lab.RED, "network"),
        ("X-Neutron-Router-ID", lab.EDGE, "router"),
    ],
)
def test_network_and_router_are_handed_over_with_the_listener(handover, header, identity, address):
    nova = handover.serve()
    handover.agent.inventory.write_text(INVENTORY + f"routers:\n  edge: {{id: {lab.EDGE}, networks: [red]}}\n")
    handover.haproxy.header, handover.haproxy.identity = header, identity
    handover.start()
    assert handover.get().status == 200
    assert nova.last["X-Instance-ID"] == GUEST
    assert f'scope="{address} {identity}"' in handover.agent.log_text


def test_both_families_are_handed_over(handover):
    nova = handover.serve()
    handover.start(binds=[f"127.0.0.1:{handover.haproxy.port}", f"[::1]:{handover.haproxy.port}"])
    assert wire.get(handover.where).status == wire.get(handover.where_v6).status == 200
    assert [message["X-Forwarded-For"] for message in nova.requests] == ["127.0.0.1", "::1"]
    assert "sockets=2" in handover.agent.log_text


def test_an_ipv4_guest_of_a_listener_for_both_families_is_one(handover):
    nova = handover.serve()
    handover.start(binds=[f":::{handover.haproxy.port}"])
    assert wire.get(handover.where).status == wire.get(handover.where_v6).status == 200
    assert [message["X-Forwarded-For"] for message in nova.requests] == ["127.0.0.1", "::1"]


def test_what_waits_is_the_same_process_under_the_same_name(handover):
    """The agents know it by its pid, by the id in its command line, and up to Victoria by its program's name."""
    handover.serve()
    handover.start_agent()
    haproxy = handover.haproxy
    haproxy.write()
    words = ["env", f"PROCESS_TAG=haproxy-{lab.RED}", haproxy.program, "-f", str(haproxy.path)]
    assert programs.run(words, haproxy.folder)[0] == 0
    pid = haproxy.pid
    eventually(lambda: personality.stands_by(pid), 10, "the small program")
    folder = pathlib.Path(haproxy.program).parent
    assert personality.executable(pid) == folder / "standby/haproxy"
    command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    assert command == [haproxy.program, "-f", str(haproxy.path)]
    environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode()
    assert f"PROCESS_TAG=haproxy-{lab.RED}\0" in environment
    assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)} == {"/dev/null"}
    status = personality.status(pid)
    if os.geteuid() == 0:
        assert status["Uid"].split() == ["65534"] * 4 and int(status["CapEff"], 16) == 0
    assert status["Threads"] == "1"
    assert pathlib.Path(f"/proc/{pid}/comm").read_text() == "haproxy\n"
    private = personality.private_kib(pid)
    print(f"private memory of the waiting process: {private} KiB")
    assert private <= 110, "there is one for every network"


def test_the_waiting_process_holds_only_what_it_needs(handover):
    handover.serve()
    pid = handover.start()

    def kinds():
        links = []
        for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it may be on its way to become what it is
                links.append(os.readlink(path))
        # What the test's own parents left open is not ours.
        return sorted(re.sub(r"\d+", "N", link) for link in links if link.startswith(("socket:", "anon_inode:")))

    # The listener and the lease; nothing of a log, of an event loop or of the parent.
    eventually(lambda: kinds() == ["anon_inode:[signalfd]", "socket:[N]", "socket:[N]"], 5, f"{kinds()}")


def test_the_waiting_process_does_not_wake_up(handover):
    """A thousand of them must cost nothing: it sleeps through everything that its guests do."""
    handover.serve()
    pid = handover.start()
    sleeps = lambda: int(personality.status(pid)["voluntary_ctxt_switches"])  # noqa: E731

    def is_asleep():
        before = sleeps()
        time.sleep(0.2)
        return sleeps() == before

    eventually(is_asleep, 10, "its sleep")
    before = sleeps()
    assert [handover.get().status for _ in range(20)] == [200] * 20
    time.sleep(1)
    assert sleeps() == before


@as_root
def test_another_users_listeners_are_refused(handover):
    """Whoever hands over a listener says whose guests come through it."""
    handover.serve()
    handover.start_agent(metadata_proxy_socket_mode="all")
    pid = handover.haproxy.start(user="daemon", group="daemon")
    daemon = personality.status(pid)["Uid"].split()[0]
    def warnings():
        return [line for line in handover.agent.log_text.splitlines() if "may not hand any over" in line]

    text = eventually(warnings, 5, "a warning")
    assert f"uid={daemon}" in text[0] and " WARNING " in text[0]
    # It says so itself, and serves as well as it can.
    said = [line for line in handover.haproxy.log.read() if "does not take the listener" in line]
    assert len(said) == 1 and "this user may not hand over listeners" in said[0]
    assert handover.get("/relayed").status == 200
    assert is_relayed(handover, "/relayed")
    assert personality.executable(pid).parent.name == "bin"


@as_root
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_root_and_the_proxys_user_may(handover, user):
    handover.serve()
    handover.start(user=user, group="nogroup")
    assert handover.get("/direct").status == 200
    eventually(lambda: handover.served_by_agent("/direct"), 5, "the access line")


def test_switched_off_it_is_relayed(handover):
    handover.serve()
    handover.start_agent(takes_listeners=False)
    handover.haproxy.start()
    assert not handover.desk.exists()
    assert handover.get("/relayed").status == 200
    assert is_relayed(handover, "/relayed")


def test_without_the_small_program_the_whole_one_waits(handover):
    """Installed by hand, as a single file."""
    handover.serve()
    handover.start_agent()
    (pathlib.Path(handover.haproxy.program).parent / "standby/haproxy").unlink()
    pid = handover.haproxy.start()
    eventually(lambda: "Listeners taken over" in handover.agent.log_text, 5, "the hand-over")
    assert handover.get("/direct").status == 200
    eventually(lambda: handover.served_by_agent("/direct"), 5, "the access line")
    assert personality.executable(pid).parent.name == "bin"
    os.kill(pid, signal.SIGTERM)
    personality.bind_alone(handover.haproxy.port, 1).close()
    eventually(lambda: not is_alive(pid), 5, "the end of the proxy")


def test_the_socket_for_listeners_goes_with_the_agent(handover):
    handover.serve()
    program = handover.start_agent()
    modes = [oct(path.stat().st_mode & 0o777) for path in (handover.desk, handover.haproxy.socket)]
    assert handover.desk.is_socket() and modes[0] == modes[1]
    assert program.stop() == 0
    assert not handover.desk.exists()
