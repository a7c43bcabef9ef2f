"""`bellhop storm`: its bounds, what it refuses, and guests that poll, abuse and attack."""

import contextlib
import json
import signal

import pytest

from Harness import programs, wire
from Harness.metadata import USER_DATA, Metadata, storm
from Harness.servers import Steps, reply


@pytest.fixture
def service():
    """Makes services, and stops them."""
    with contextlib.ExitStack() as stack:
        yield lambda **keywords: stack.enter_context(Metadata(**keywords))


# MARK: Its bounds


def test_the_storm_ends_in_its_time_with_what_it_has(folder, service):
    metadata = service(changed={USER_DATA: Steps(30)})
    status, report, _ = storm(folder, metadata.at, "--seconds=1.5", "--guests=3", "--source=127.44.0.1-127.44.0.3")
    assert status == 2
    assert report["boots"]["unfinished"] == 3 and report["boots"]["complete"] == 0
    assert report["requests"]["statuses"] == {"200": 9}
    assert 1.5 <= report["seconds"] < 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_early_with_a_report(folder, service, start, number):
    metadata = service(changed={USER_DATA: Steps(30)})
    program = start([programs.BELLHOP, "storm", metadata.at, "--report=json"], "storm")
    program.wait_until(lambda: USER_DATA in metadata.targets)
    program.send_signal(number)
    assert program.wait() == 2
    report = json.loads(program.stdout_path.read_text())
    assert report["interrupted"] is True and report["boots"]["unfinished"] == 1


def test_more_guests_than_open_files_are_refused_beforehand(folder, service):
    command = ["prlimit", "--nofile=200:200", programs.BELLHOP, "storm", service().at, "--guests=200"]
    status, _, err = programs.run(command, folder)
    assert status == 1 and "ulimit -n" in err


@pytest.mark.parametrize("address", ["169.254.169.254:80", "[::ffff:169.254.169.254]:80", "[fd00:ec2::254]:80"])
def test_a_cloud_s_own_metadata_service_is_never_asked_from_the_host(folder, address):
    status, _, err = storm(folder, "--at", address)
    assert status == 1
    assert "refused, because" in err and "--namespace" in err


@pytest.mark.parametrize(
    "words, complaint",
    [
        ([], "--at or --namespace is needed"),
        (["--at=localhost:80"], "expected ADDRESS:PORT"),
        (["--at=127.0.0.1:80", "--source=10.0.0.0/33"], "expected ADDRESS/LENGTH"),
        (["--at=127.0.0.1:80", "--profile=cloud-init-1"], "must be cloud-init-22.4 or cloud-init-26"),
        (["--at=127.0.0.1:80", "--poll=0"], "--poll must be"),
        (["--at=127.0.0.1:80", "--poll=1", "--arrival=1"], "are for boots"),
        (["--at=127.0.0.1:80", "--report=xml"], "report"),
    ],
)
def test_a_command_line_that_means_nothing_is_refused(folder, words, complaint):
    status, _, err = storm(folder, *words)
    assert status == 64 and complaint in err


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["--guests=20001"], "must be 1 to 20000"),
        (["--hostile=-1"], "hostile clients"),
        (["--abusive=101"], "0 to 100 percent"),
        (["--seconds=0"], "more than 0"),
        (["--namespace=no-such-namespace"], "/run/netns/no-such-namespace cannot be opened"),
        (["--source=192.0.2.1"], "cannot speak from 192.0.2.1"),
        (["--details=/no/such/folder/x"], "/no/such/folder/x cannot be written"),
    ],
)
def test_a_storm_that_cannot_be_run_says_why(folder, words, complaint):
    status, _, err = storm(folder, "--at=127.0.0.1:9", *words)
    assert status == 1 and complaint in err


# MARK: Polls, abuse, hostility


def test_polling_guests_ask_again_and_again_and_abusive_ones_are_told_apart(folder, service):
    document = "/openstack/latest/meta_data.json"
    metadata = service(changed={document: reply(body=b"{}")})
    words = ["--poll=0.4", "--seconds=2", "--guests=20", "--abusive=10", "--source=127.44.0.0/24"]
    status, report, _ = storm(folder, metadata.at, *words)
    assert status == 0, report
    assert "boots" not in report
    assert set(metadata.targets) == {document}
    polls, abusive = report["requests"], report["abusive"]
    # 18 guests ask every 0.4 s for two seconds.
    assert 18 <= polls["answered"] <= 18 * 5
    assert abusive["answered"] > 10
    assert polls["begun"] + abusive["begun"] >= len(metadata.requests)
    assert polls["errors"] == abusive["errors"] == {}


def test_a_poll_without_an_answer_is_not_repeated_meanwhile(folder, service):
    metadata = service(changed={"/openstack/latest/meta_data.json": Steps(20)})
    status, report, _ = storm(folder, metadata.at, "--poll=0.1", "--seconds=1")
    assert status == 2
    assert report["requests"]["begun"] == 1 and report["polls_skipped"] >= 5


def test_hostile_clients_are_thrown_out_and_guests_beside_them_boot(folder, start):
    port = wire.free_port()
    inventory = folder / "lab.yaml"
    inventory.write_text(
        f"networks:\n  lo: {{cidr: 127.0.0.0/8}}\nlisteners:\n  - {{listen: '127.0.0.1:{port}', network: lo}}\n"
        "instances:\n" + "".join(f"  g{n}: {{network: lo, fixed_ip: 127.44.0.{n + 1}}}\n" for n in range(20))
    )
    program = start([programs.BELLHOP, "serve", "--inventory", inventory], "serve")
    program.wait_until(lambda: wire.accepts(("127.0.0.1", port)))
    words = [f"--at=127.0.0.1:{port}", "--source=127.44.0.0/16", "--guests=20", "--hostile=12", "--arrival=1.5"]
    status, report, _ = storm(folder, *words)
    assert status == 0, report
    assert report["boots"]["complete"] == 20
    hostile = {each["kind"]: each for each in report["hostile"]}
    assert set(hostile) == {"slow head", "silent", "garbage", "huge head", "deaf", "vanishing"}
    assert all(each["connections"] >= 2 and each["not_connected"] == 0 for each in hostile.values())
    for kind, refusal in (("garbage", "400"), ("huge head", "431")):
        assert set(hostile[kind]["statuses"]) == {refusal}
        assert hostile[kind]["thrown_out"] >= 2
    assert hostile["vanishing"]["left"] >= 2
    assert hostile["silent"]["thrown_out"] == 0
