"""`bellhop storm`: simulated guests against servers that are scripted, and against our own service."""

import contextlib
import json
import signal
import subprocess
import time

import pytest

from Harness import programs, servers, wire
from Harness.servers import CLOSE, ScriptedServer, Steps, reply

OLD, NEW = "cloud-init-22.4", "cloud-init-26"
VERSION = "/openstack/2018-08-27"
METADATA, USER_DATA = f"{VERSION}/meta_data.json", f"{VERSION}/user_data"
TREE = "/latest/meta-data/"
INSTANCE = "f2b1c0de-0000-4000-8000-000000000010"
# What Nova says of an instance with one key.
DOCUMENTS = {
    "/openstack": "2012-08-10\n2018-08-27\n2020-10-14\nlatest",
    METADATA: json.dumps({"uuid": INSTANCE, "files": [], "meta": {}}),
    USER_DATA: "#cloud-config\n",
    f"{VERSION}/vendor_data.json": "{}",
    f"{VERSION}/vendor_data2.json": "{}",
    f"{VERSION}/network_data.json": '{"links": []}',
    TREE: "ami-id\nplacement/\npublic-keys/\nhostname",
    f"{TREE}placement/": "availability-zone",
    f"{TREE}placement/availability-zone": "nova",
    f"{TREE}public-keys/": "0=alice",
    f"{TREE}public-keys/0/openssh-key": "ssh-ed25519 AAAA alice",
    f"{TREE}ami-id": "ami-1",
    f"{TREE}hostname": "web",
}
BOOT = ["/openstack", *DOCUMENTS]


class Metadata(ScriptedServer):
    """A service that answers from DOCUMENTS, but for the targets in `changed`: bytes, Steps, or a list of them in turn."""

    def __init__(self, changed=None):
        self.changed = changed or {}
        super().__init__(self._respond)

    def _respond(self, message):
        target = message.target.decode()
        answer = self.changed.get(target)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is not None:
            return answer
        return reply(body=DOCUMENTS[target].encode()) if target in DOCUMENTS else reply(404)

    @property
    def at(self):
        return f"--at={self.host}:{self.port}"

    @property
    def targets(self):
        return [message.target.decode() for message in self.requests]


@pytest.fixture
def service():
    """Makes services, and stops them."""
    with contextlib.ExitStack() as stack:
        yield lambda **keywords: stack.enter_context(Metadata(**keywords))


def storm(folder, *words, seconds=60.0):
    """Exit status, report and what went to standard error."""
    command = [programs.BELLHOP, "storm", "--report", "json", *words]
    status, out, err = programs.run(command, folder, seconds=seconds)
    return status, json.loads(out) if out else None, err


def outcomes(path):
    """The boots of a details file by port of their target."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {int(line["target"].rpartition(":")[2]): line for line in lines}


# MARK: A boot


@pytest.mark.parametrize("profile", [OLD, NEW])
def test_a_guest_asks_as_cloud_init_does_each_time_on_a_new_connection(folder, service, profile):
    metadata = service()
    status, report, _ = storm(folder, metadata.at, "--profile", profile)
    assert status == 0
    boots = report["boots"]
    assert (boots["begun"], boots["complete"], boots["unfinished"]) == (1, 1, 0)
    assert boots["requests_least"] == boots["requests_most"] == len(BOOT)
    assert metadata.targets[:7] == BOOT[:7]
    branches = [TREE, f"{TREE}placement/", f"{TREE}placement/availability-zone", f"{TREE}public-keys/"]
    assert metadata.targets[7:] == [*branches, f"{TREE}public-keys/0/openssh-key", f"{TREE}ami-id", f"{TREE}hostname"]
    assert [message.connection for message in metadata.requests] == list(range(1, len(BOOT) + 1))
    agent = {OLD: "22.4.2", NEW: "26.2"}[profile]
    assert metadata.requests[0].head == (
        b"GET /openstack HTTP/1.1\r\nHost: 169.254.169.254\r\nUser-Agent: Cloud-Init/" + agent.encode() + b"\r\n"
        b"Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"
    )
    assert report["requests"]["statuses"] == {"200": len(BOOT)} and report["requests"]["errors"] == {}


def test_each_guest_speaks_from_its_own_address_and_learns_who_it_is(folder, start):
    port, count = wire.free_port(), 40
    guests = "\n".join(f"  g{n}: {{network: lo, fixed_ip: 127.44.0.{n + 1}}}" for n in range(count))
    inventory = folder / "lab.yaml"
    inventory.write_text(
        f"networks:\n  lo: {{cidr: 127.0.0.0/8}}\nlisteners:\n  - {{listen: '127.0.0.1:{port}', network: lo}}\n"
        f"defaults: {{user_data: hello}}\ninstances:\n{guests}\n"
    )
    program = start([programs.BELLHOP, "serve", "--inventory", inventory], "serve")
    program.wait_until(lambda: wire.accepts(("127.0.0.1", port)))
    words = [f"--at=127.0.0.1:{port}", "--source=127.44.0.0/24", f"--guests={count}", "--expect-user-data"]
    status, report, _ = storm(folder, *words, "--details", "boots.jsonl")
    assert status == 0, report
    boots = report["boots"]
    assert boots["complete"] == boots["instances"] == count
    assert boots["instances_at_several_addresses"] == 0
    lines = [json.loads(line) for line in (folder / "boots.jsonl").read_text().splitlines()]
    assert {line["address"] for line in lines} == {f"127.44.0.{n + 1}" for n in range(count)}
    assert len({line["instance"] for line in lines}) == count
    assert {line["outcome"] for line in lines} == {"complete"}


def test_guests_with_one_identity_at_several_addresses_are_reported(folder, service):
    metadata = service()
    _, report, _ = storm(folder, metadata.at, "--source=127.44.0.1-127.44.0.3", "--guests=3")
    assert report["boots"]["instances"] == report["boots"]["instances_at_several_addresses"] == 1


def test_guests_go_round_the_targets(folder, service):
    made = [service() for _ in range(3)]
    status, report, _ = storm(folder, *[each.at for each in made], "--guests=7", "--arrival=0.3")
    assert status == 0 and report["targets"] == 3
    assert [len(each.requests) for each in made] == [3 * len(BOOT), 2 * len(BOOT), 2 * len(BOOT)]


# MARK: Patience


def test_a_503_ends_the_boot_of_an_old_guest_and_makes_a_new_one_wait(folder, service):
    away = reply(503, headers={"Retry-After": "1"})
    old = service(changed={"/openstack": [away, away, reply(body=b"2018-08-27")]})
    status, report, _ = storm(folder, old.at, "--profile", OLD)
    assert status == 2
    assert report["boots"]["no_data_source"] == 1 and report["boots"]["reasons"] == {"/openstack: 503": 1}
    assert len(old.requests) == 1

    new = service(changed={"/openstack": [away, away, reply(body=b"2018-08-27")]})
    began = time.monotonic()
    status, report, _ = storm(folder, new.at, "--profile", NEW)
    assert status == 0 and report["boots"]["complete"] == 1
    assert report["requests"]["statuses"]["503"] == 2
    assert time.monotonic() - began >= 2, "it waits as long as Retry-After says"


def test_an_answer_within_ten_seconds_is_taken_and_a_later_one_is_not(folder, service):
    listing = reply(body=b"2018-08-27")
    soon, late = (service(changed={"/openstack": [Steps(seconds, listing), listing]}) for seconds in (9, 10.8))
    details = folder / "boots.jsonl"
    status, _, _ = storm(folder, soon.at, late.at, "--guests=2", "--details", details)
    assert status == 2
    told = outcomes(details)
    assert told[soon.port]["outcome"] == "complete" and told[soon.port]["seconds"] >= 9
    assert told[late.port]["lost"] == ["/openstack: timed out"]


def test_what_a_guest_loses_is_told_boot_by_boot(folder, service):
    faults = {
        "user data": service(changed={USER_DATA: reply(500)}),
        "vendor data": service(changed={f"{VERSION}/vendor_data2.json": reply(503)}),
        "network data": service(changed={f"{VERSION}/network_data.json": reply(403)}),
        # Six attempts, a second apart.
        "EC2 tree": service(changed={f"{TREE}hostname": reply(500)}),
        f"{METADATA}: 500": service(changed={METADATA: reply(500)}),
        f"{VERSION}/vendor_data.json: unreadable": service(changed={f"{VERSION}/vendor_data.json": reply(body=b"{")}),
        "/openstack: closed without a whole answer": service(changed={"/openstack": Steps(CLOSE)}),
        "/openstack: not HTTP": service(changed={"/openstack": b"SSH-2.0\r\n\r\n"}),
        "/openstack: unreadable": service(changed={"/openstack": reply(body=b"")}),
    }
    details = folder / "boots.jsonl"
    words = [each.at for each in faults.values()]
    status, report, _ = storm(folder, *words, f"--guests={len(faults)}", "--details", details)
    assert status == 2
    told = outcomes(details)
    assert {lost: told[each.port]["lost"] for lost, each in faults.items()} == {lost: [lost] for lost in faults}
    boots = report["boots"]
    assert boots["complete"] == 0 and boots["no_data_source"] == 5
    parts = ("without_user_data", "without_vendor_data", "without_network_data", "without_ec2_tree")
    assert [boots[part] for part in parts] == [1, 1, 1, 1]
    assert faults["EC2 tree"].targets.count(f"{TREE}hostname") == 6


def test_user_data_that_is_not_there_is_a_loss_only_if_it_is_expected(folder, service):
    metadata = service(changed={USER_DATA: reply(404)})
    status, report, _ = storm(folder, metadata.at)
    assert status == 0 and report["boots"]["complete"] == 1
    status, report, _ = storm(folder, metadata.at, "--expect-user-data")
    assert status == 2 and report["boots"]["without_user_data"] == 1


def test_a_body_that_is_cut_fools_the_old_guest_only(folder, service):
    cut = Steps(reply(body=b"#cloud-config")[:-5], CLOSE)
    for profile, attempts in ((OLD, 1), (NEW, 2)):
        metadata = service(changed={USER_DATA: [cut, reply(body=b"#cloud-config")]})
        status, report, _ = storm(folder, metadata.at, "--profile", profile)
        assert status == 0, report
        assert metadata.targets.count(USER_DATA) == attempts
        assert report["requests"]["short_bodies"] == 1


def test_documents_larger_than_every_buffer_arrive(folder, service):
    large = json.dumps({"uuid": INSTANCE, "padding": "x" * 1_000_000}).encode()
    chunked = reply(body=b"", headers={"Transfer-Encoding": "chunked"}) + servers.chunked(b"y" * 300_000, 7_000)
    metadata = service(changed={METADATA: reply(body=large), USER_DATA: chunked})
    status, report, _ = storm(folder, metadata.at)
    assert status == 0, report


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


# MARK: Its words


def test_progress_goes_to_standard_error_and_the_report_to_standard_output(folder, service):
    metadata = service(changed={USER_DATA: Steps(5.5, reply(body=b"late"))})
    words = [programs.BELLHOP, "storm", metadata.at]
    status, out, err = programs.run(words, folder, seconds=30)
    assert status == 0
    assert err.startswith("5 s: 1 of 1 guests begun, 0 ended, 0 complete, 3 answers")
    assert out.startswith("Boot storm: 1 guests at 1 target, cloud-init-22.4, 5")
    assert "1 begun, 1 complete" in out and f"200: {len(BOOT)}\n" in out
    status, _, err = programs.run([programs.BELLHOP, "storm", service().at, "--quiet"], folder)
    assert (status, err) == (0, "")


def test_on_a_terminal_one_line_is_written_over(folder, service):
    metadata = service(changed={USER_DATA: Steps(0.8, reply(body=b"late"))})
    command = f"{programs.BELLHOP} storm {metadata.at}"
    done = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, timeout=30, cwd=folder)
    assert done.returncode == 0
    text = done.stdout.decode()
    assert text.count("\r\x1b[K0 s: 1 of 1 guests begun") >= 2
    # The report begins on a clean line.
    assert "\r\x1b[KBoot storm: " in text
