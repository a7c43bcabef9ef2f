"""The networks and guests of the benchmark, as Neutron's files, an inventory, and ports."""

import grp
import json
import os
import pwd
import subprocess

from .workshop import FIRST_SOURCE, ROOT, SOURCES_PER_NETWORK, BenchError

PROJECT = "9d6c5f0e4b3a4c2d8e1f000000000001"
SECRET = "correct horse battery"


def network_id(index):
    return f"6b1f0c9a-0000-4000-8000-{index:012x}"


def instance_id(index, guest):
    return f"f2b1c0de-0000-4000-{0x8000 + guest:04x}-{index:012x}"


def guest_addresses(guests):
    return [f"127.0.0.{FIRST_SOURCE + guest}" for guest in range(guests)]


def mac(index, guest):
    number = index * 256 + guest
    return "fa:16:3e:" + ":".join(f"{number >> shift & 255:02x}" for shift in (16, 8, 0))


def listen_address(index):
    """Each network has an address of its own in loopback's range, where a namespace would be."""
    return f"127.1.{index // 250}.{index % 250 + 1}"


def inventory(networks, guests=SOURCES_PER_NETWORK):
    """The inventory file's text."""
    lines = ["networks:"]
    lines += [f"  net-{index}: {{id: {network_id(index)}, cidr: 127.0.0.0/8}}" for index in range(networks)]
    lines += ["defaults:", f"  project: {PROJECT}", "instances:"]
    for index in range(networks):
        for guest, address in enumerate(guest_addresses(guests)):
            lines += [
                f"  guest-{index}-{guest}: {{uuid: {instance_id(index, guest)}, network: net-{index}, "
                f'mac: "{mac(index, guest)}", fixed_ip: {address}}}'
            ]
    return "\n".join(lines) + "\n"


def ports(guests=SOURCES_PER_NETWORK):
    """The ports of the first network, as neutron-server sends them."""
    return [
        {
            "id": instance_id(0, guest).replace("f2b1c0de", "0a0b0c0d"),
            "name": "",
            "device_id": instance_id(0, guest),
            "device_owner": "compute:nova",
            "network_id": network_id(0),
            "tenant_id": PROJECT,
            "project_id": PROJECT,
            "mac_address": mac(0, guest),
            "fixed_ips": [{"ip_address": address, "subnet_id": "6b1f0c9a-0000-4000-9000-00000000ffff"}],
            "status": "ACTIVE",
            "binding:vif_details": {"port_filter": True, "connectivity": "l2"},
            "security_groups": [],
            "allowed_address_pairs": [],
        }
        for guest, address in enumerate(guest_addresses(guests))
    ]


def neutron_files(workshop, folder, networks, port, socket):
    """The haproxy configurations that Neutron's own code writes, one per network; their paths.

    One word is changed: the log goes to our socket instead of /dev/log, so that no real log is filled and the sender
    pays the same on every machine.
    """
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    order = {
        "socket": str(socket),
        "user": user,
        "group": group,
        "state_path": str(folder),
        "files": [
            {
                "network_id": network_id(index),
                "router_id": None,
                "host": listen_address(index),
                "port": port,
                "pid_file": str(folder / f"{network_id(index)}.pid"),
                "host_v6": None,
                "interface": None,
            }
            for index in range(networks)
        ],
    }
    path = folder / "order.json"
    path.write_text(json.dumps(order))
    words = ["/usr/bin/python3", "-B", ROOT / "Tests/OpenStack/neutron_haproxy.py", path]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise BenchError(f"Neutron's haproxy files could not be written:\n{done.stderr}")
    written = [folder / "ns-metadata-proxy" / f"{network_id(index)}.conf" for index in range(networks)]
    for file in written:
        file.write_text(file.read_text().replace("/dev/log", str(workshop.log_socket)))
    return written
