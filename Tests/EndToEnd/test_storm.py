"""`bellhop storm` in the guests' namespaces, beside Debian's cloud-init: both must ask for the same."""

import json
import subprocess

import pytest

from Harness import programs


def targets(lines):
    return [line.split('"')[1].split()[1] for line in lines]


def storm(chain, *words):
    command = [programs.BELLHOP, "storm", "--quiet", "--report=json", "--seconds=60", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("who", ["web", "isolated"])
def test_a_simulated_guest_asks_exactly_what_cloud_init_asks(chain, who):
    guest = {"web": chain.lab.routed[0], "isolated": chain.lab.isolated[0]}[who]
    _, lines = chain.boot(guest, "openstack")
    before = len(chain.access_lines())
    status, report = storm(chain, f"--namespace={guest.name}")
    assert status == 0, report
    programs.eventually(lambda: len(chain.access_lines()) >= before + len(lines))
    assert targets(chain.access_lines()[before:]) == targets(lines)
    assert report["boots"]["complete"] == report["boots"]["instances"] == 1
    assert report["boots"]["requests_most"] == len(lines)


def test_one_storm_is_in_many_namespaces(chain):
    guests = [*chain.lab.routed[:2], chain.lab.isolated[0]]
    words = [f"--namespace={guest.name}" for guest in guests]
    status, report = storm(chain, *words, "--guests=9", "--profile=cloud-init-26")
    assert status == 0, report
    assert report["targets"] == 3
    assert report["boots"]["complete"] == 9
    # Three guests in each namespace are one instance; nobody is told to be another.
    assert report["boots"]["instances"] == 3
    assert report["boots"]["instances_at_several_addresses"] == 0


def test_an_ipv6_guest_names_its_interface(chain):
    if chain.front != "haproxy":
        pytest.skip("the old proxy's command line has no address to bind: it listens on 0.0.0.0 only")
    guest = chain.lab.isolated[0]
    words = [f"--namespace={guest.name}", "--at=[fe80::a9fe:a9fe%eth0]:80"]
    status, report = storm(chain, *words)
    assert report["boots"]["no_data_source"] == 0, report
    assert report["boots"]["instances"] == 1


def test_a_namespace_that_is_the_host_s_own_is_no_way_around_the_guard(chain):
    command = [programs.BELLHOP, "storm", "--namespace=/proc/self/ns/net", "--at=169.254.169.254:80"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "refused, because" in done.stderr
