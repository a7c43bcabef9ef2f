"""Guests in namespaces, through our proxy and through haproxy, to the agent and to Nova."""

import concurrent.futures
import json
import os
import signal
import time

import pytest

from chain import ALICE_KEY, DATABASE_USER_DATA, PROJECT, SECRET, WEB_USER_DATA
from Harness import programs


def guests(chain):
    return [*chain.lab.routed[:2], chain.lab.isolated[0]]


def test_each_guest_reads_its_own_documents(chain):
    for guest in guests(chain):
        data = json.loads(chain.document(guest, "/openstack/latest/meta_data.json"))
        assert data["uuid"] == chain.ids[guest.address]
        assert data["project_id"] == PROJECT
        assert data["public_keys"]["alice"] == ALICE_KEY
        network = json.loads(chain.document(guest, "/openstack/latest/network_data.json"))
        assert network["links"][0]["ethernet_mac_address"] == guest.mac
        assert chain.document(guest, "/latest/meta-data/local-ipv4").decode() == guest.address
        assert chain.document(guest, "/latest/meta-data/public-keys/0/openssh-key").decode() == ALICE_KEY


def test_user_data_arrives_bit_for_bit(chain):
    web, database, isolated = guests(chain)
    for path in ("/openstack/latest/user_data", "/latest/user-data"):
        assert chain.document(web, path) == WEB_USER_DATA
        assert chain.document(database, path) == DATABASE_USER_DATA
        assert chain.curl(isolated, path)[1] == 404


def test_a_guest_stores_its_password_once(chain):
    for guest in guests(chain):
        path = "/openstack/latest/password"
        assert chain.curl(guest, path, "--data-binary", f"cipher of {guest.address}")[1] == 200
        assert chain.document(guest, path).decode() == f"cipher of {guest.address}"
        assert chain.curl(guest, path, "--data-binary", "again")[1] == 409


# LP 1865036, and what Nova would believe.
@pytest.mark.parametrize(
    "forged",
    [
        ["X-Forwarded-For: 10.77.0.11"],
        ["X-Neutron-Network-ID: ISOLATED", "X-Forwarded-For: 10.78.0.10"],
        ["X-Neutron-Router-ID: 00000000-0000-4000-8000-000000000000"],
        ["X_Neutron_Network_ID: ISOLATED", "X_Forwarded_For: 10.78.0.10"],
        ["X-Instance-ID: OTHER", "X-Tenant-ID: t", "X-Instance-ID-Signature: s"],
        ["X-Metadata-Provider: lb", "X-Metadata-Provider-Signature: s"],
    ],
    ids=["address", "network", "router", "underscores", "instance", "provider"],
)
def test_a_guest_cannot_be_another(chain, forged):
    web = chain.lab.routed[0]
    other = chain.ids[chain.lab.routed[1].address]
    words = []
    for header in forged:
        words += ["-H", header.replace("ISOLATED", chain.lab.isolated_network_id).replace("OTHER", other)]
    body, status = chain.curl(web, "/openstack/latest/meta_data.json", *words)
    assert status == 200, "a forged header is dropped, not punished"
    assert json.loads(body)["uuid"] == chain.ids[web.address]


def test_an_address_of_no_instance_gets_404(chain):
    stranger = chain.lab.routed[2]
    assert chain.curl(stranger, "/openstack/latest/meta_data.json")[1] == 404


def test_the_proxy_port_of_the_router_is_reached_by_the_redirect_only(chain):
    """Direct access and access from outside were open until Liberty (LP 1187102, LP 1399462, LP 1477553)."""
    web = chain.lab.routed[0]
    assert chain.document(web, "/openstack")
    done = web.run("curl", "-sS", "--max-time", "1", "http://10.77.0.1:9697/openstack", check=False)
    assert done.returncode == 28, "dropped by the router's rule"


def test_a_storm_of_requests_is_answered_whole(chain):
    paths = ["/openstack/latest/meta_data.json", "/latest/meta-data/", "/openstack/latest/network_data.json"] * 20
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        jobs = [pool.submit(chain.curl, guests(chain)[i % 3], path) for i, path in enumerate(paths)]
        assert [job.result()[1] for job in jobs] == [200] * len(paths)


def test_one_connection_of_a_guest_serves_several_requests(chain):
    web = chain.lab.routed[0]
    done = web.run(
        *["curl", "-sS", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n"],
        *["http://169.254.169.254/openstack", "http://169.254.169.254/latest"],
    )
    assert done.stdout.split("\n")[:2] == ["200 1", "200 0"]


# The old proxy's command line has no address to bind: it listens on 0.0.0.0 only.
@pytest.mark.parametrize("chain", ["haproxy"], indirect=True)
def test_ipv6_link_local_guests_are_known_by_their_mac(chain):
    isolated = chain.lab.isolated[0]
    data = chain.document(isolated, "/openstack/latest/meta_data.json", base="http://[fe80::a9fe:a9fe%25eth0]")
    assert json.loads(data)["uuid"] == chain.ids[isolated.address]


def test_an_inventory_that_changes_is_taken_over_by_sighup(chain):
    """The stranger becomes an instance while everything runs."""
    stranger = chain.lab.routed[2]
    before = chain.inventory.read_text()
    chain.inventory.write_text(
        before + f"  late:\n    network: routed\n    mac: '{stranger.mac}'\n    fixed_ip: {stranger.address}\n"
    )
    try:
        for program in (chain.agent, chain.nova):
            program.send_signal(signal.SIGHUP)
        programs.eventually(
            lambda: chain.curl(stranger, "/latest/meta-data/local-ipv4") == (stranger.address.encode(), 200), 30
        )
    finally:
        chain.inventory.write_text(before)
        for program in (chain.agent, chain.nova):
            program.send_signal(signal.SIGHUP)


def test_a_restart_of_nova_costs_no_guest_its_answer(chain):
    web = chain.lab.routed[0]
    chain.document(web, "/openstack")
    chain.nova.stop()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(chain.curl, guest, "/openstack/latest/meta_data.json") for guest in guests(chain)]
        time.sleep(0.7)
        chain.start_nova()
        assert [job.result()[1] for job in jobs] == [200] * 3


# haproxy answers 503 at once while the agent is away.
@pytest.mark.parametrize("chain", ["our proxy"], indirect=True)
def test_a_restart_of_the_agent_costs_no_guest_its_answer(chain):
    chain.agent.stop()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(chain.curl, guest, "/openstack/latest/meta_data.json") for guest in guests(chain)]
        time.sleep(0.7)
        chain.start_agent()
        assert [job.result()[1] for job in jobs] == [200] * 3


def test_a_killed_proxy_is_replaced(chain):
    web = chain.lab.routed[0]
    os.kill(chain.daemons["router"], signal.SIGKILL)
    programs.eventually(lambda: not programs.is_alive(chain.daemons["router"]))
    chain.start_front("router")
    assert chain.document(web, "/openstack")


def test_a_stopped_proxy_leaves_nothing_behind(chain):
    chain.stop_front("dhcp")
    listeners = chain.lab.dhcp.run("ss", "-Hltn").stdout
    assert ":80 " not in listeners
    chain.start_front("dhcp")
    assert chain.document(chain.lab.isolated[0], "/openstack")


def test_the_agent_logs_every_guest_and_no_secret(chain):
    before = len(chain.access_lines())
    for guest in guests(chain):
        chain.document(guest, "/openstack/latest/meta_data.json")
        chain.curl(guest, "/openstack/latest/user_data")
        chain.curl(guest, "/openstack/latest/password", "--data-binary", "cipher-text")
    programs.eventually(lambda: len(chain.access_lines()) >= before + 9)
    lines = chain.access_lines()[before:]
    for guest in guests(chain):
        assert len([line for line in lines if f" {chain.client(guest)} " in line]) == 3
    text = chain.log.read_text()
    for secret in (SECRET, "cipher-text", "nginx", "ssh-ed25519"):
        assert secret not in text
