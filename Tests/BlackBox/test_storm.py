"""`bellhop storm`: what a simulated guest asks, when it gives up, and what it says of it."""

import contextlib
import json
import subprocess
import time

import pytest

from Harness import programs, servers, wire
from Harness.metadata import BOOT, INSTANCE, METADATA, NEW, OLD, TREE, USER_DATA, VERSION, Metadata, outcomes, storm
from Harness.servers import CLOSE, Steps, reply


@pytest.fixture
def service():
    """Makes services, and stops them."""
    with contextlib.ExitStack() as stack:
        yield lambda **keywords: stack.enter_context(Metadata(**keywords))


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
