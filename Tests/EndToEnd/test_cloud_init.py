"""Debian's cloud-init boots in the guests' namespaces: its own data source classes read our answers."""

import base64
import concurrent.futures

import pytest

from chain import ALICE_KEY, BOB_KEY, DATABASE_USER_DATA, VENDOR_DATA, WEB_USER_DATA


def raw(value):
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else (value or "").encode()


def targets(lines):
    return [line.split('"')[1].split()[1] for line in lines]


@pytest.mark.parametrize("who", ["web", "database", "isolated"])
def test_the_openstack_data_source_learns_everything(chain, who):
    guest = {"web": chain.lab.routed[0], "database": chain.lab.routed[1], "isolated": chain.lab.isolated[0]}[who]
    learnt, lines = chain.boot(guest, "openstack")
    assert learnt["instance_id"] == chain.ids[guest.address]
    assert learnt["public_keys"] == ([ALICE_KEY] if who == "isolated" else [ALICE_KEY, BOB_KEY])
    assert learnt["metadata"]["name"] == who
    assert f"hostname='{who}'" in learnt["hostname"]
    assert learnt["availability_zone"] == "nova"
    expected = {"web": WEB_USER_DATA, "database": DATABASE_USER_DATA, "isolated": b""}[who]
    assert raw(learnt["user_data"]) == expected
    assert learnt["vendor_data"] == VENDOR_DATA
    assert learnt["network_json"]["links"][0]["ethernet_mac_address"] == guest.mac
    subnets = learnt["network_config"]["config"][0]["subnets"]
    if who == "isolated":
        assert subnets[0]["type"] == "dhcp4"
    else:
        assert subnets[0]["address"] == guest.address and subnets[0]["netmask"] == "255.255.255.0"
    assert learnt["ec2_metadata"]["local-ipv4"] == guest.address
    assert learnt["ec2_metadata"]["public-keys"]

    # A boot is complete when each document was asked for and no answer but an honest 404 was an error.
    print(f"cloud-init's OpenStack data source made {len(lines)} requests")
    asked = targets(lines)
    for document in ("meta_data.json", "user_data", "vendor_data.json", "vendor_data2.json", "network_data.json"):
        found = [target for target in asked if target.startswith("/openstack/") and target.endswith("/" + document)]
        assert len(found) == 1 or (document == "user_data" and who == "isolated"), (document, found)
    # 28 for an instance without keys, user data or a vendor's second document; each key and each document adds one.
    assert len(lines) == (30 if who == "isolated" else 31), asked
    failed = [line for line in lines if "status: 200" not in line]
    assert all("status: 404" in line and "user_data" in line for line in failed), failed
    assert all(f" {chain.client(guest)} " in line for line in lines)


@pytest.mark.parametrize("who", ["web", "database", "isolated"])
def test_the_ec2_data_source_learns_everything(chain, who):
    guest = {"web": chain.lab.routed[0], "database": chain.lab.routed[1], "isolated": chain.lab.isolated[0]}[who]
    learnt, lines = chain.boot(guest, "ec2")
    assert learnt["instance_id"].startswith("i-")
    assert learnt["public_keys"] == ([ALICE_KEY] if who == "isolated" else [ALICE_KEY, BOB_KEY])
    assert learnt["metadata"]["local-ipv4"] == guest.address
    assert learnt["metadata"]["hostname"] == f"{who}.novalocal"
    assert learnt["availability_zone"] == "nova"
    expected = {"web": WEB_USER_DATA, "database": DATABASE_USER_DATA, "isolated": b""}[who]
    assert raw(learnt["user_data"]) == expected
    print(f"cloud-init's EC2 data source made {len(lines)} requests")
    assert len(lines) >= 15, targets(lines)
    assert not [line for line in lines if " status: 5" in line]


def test_three_guests_boot_at_once(chain):
    everybody = [*chain.lab.routed[:2], chain.lab.isolated[0]]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        learnt = [job.result()[0] for job in [pool.submit(chain.boot, guest, "openstack") for guest in everybody]]
    assert [each["instance_id"] for each in learnt] == [chain.ids[guest.address] for guest in everybody]
