"""The cloud that a stack starts with, made through the real APIs.

    network    subnet         way to metadata   guests         project
    routed     10.77.0.0/24   router            .10, .11       red
    isolated   10.78.0.0/24   DHCP port         .10, .11       blue
    left       10.77.0.0/24   DHCP port         .10, .11       red
    right      10.77.0.0/24   DHCP port         .10, .11       green

`left` and `right` have the addresses of `routed`: only the network tells the guests apart. Each guest has a port and an
instance with the same id, which Nova knows with key, user data and the network that it read from Neutron. Two instances
per project have no port, for tests that give them one.
"""

import json
import uuid

from . import processes
from .api import Cloud

NETWORKS = {
    # Name: first three numbers of the subnet, behind a router, project.
    "routed": ("10.77.0", True, "red"),
    "isolated": ("10.78.0", False, "blue"),
    "left": ("10.77.0", False, "red"),
    "right": ("10.77.0", False, "green"),
}
HOSTS = (10, 11)
SPARES = 2
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJustATestKeyThatOpensNothingAtAllxxxxxxx guest@stack"


def path(settings):
    return settings.folder / "seed.json"


def plant(settings):
    """Makes everything, once, and returns it."""
    if not path(settings).exists():
        seed = _networks(settings)
        change_instances(settings, create=[*seed["guests"].values(), *seed["spares"].values()])
        temporary = path(settings).with_suffix(".new")
        temporary.write_text(json.dumps(seed, indent=1) + "\n")
        temporary.rename(path(settings))
    return load(settings)


def load(settings):
    return json.loads(path(settings).read_text())


def change_instances(settings, create=(), delete=(), refresh=()):
    """Makes instances in Nova's databases, deletes them, or lets Nova read their ports again.

    The first are guests as in the seed, the others such guests or dictionaries with `instance_id` and `project_id`.
    There is no compute host and no scheduler here, so Nova's own object layer takes the place of its API.
    """
    order = {"create": list(create), "delete": list(delete), "refresh": list(refresh), "key": KEY}
    script = settings.source / "nova_instances.py"
    words = [settings.release.python, script, settings.etc / "nova/nova.conf"]
    processes.run(settings, words, log="nova-instances", input=json.dumps(order), timeout=120)


def instance(project_id, hostname):
    return {"instance_id": str(uuid.uuid4()), "project_id": project_id, "hostname": hostname, "has_port": False}


def create_port(cloud, network, address, guest):
    """A port as Nova asks for when it boots `guest`, and the guest with it."""
    port = cloud.create(
        "port",
        network_id=network["network_id"],
        name=guest["hostname"],
        project_id=guest["project_id"],
        device_id=guest["instance_id"],
        device_owner="compute:nova",
        fixed_ips=[{"subnet_id": network["subnet_id"], "ip_address": address}],
    )
    found = {"port_id": port["id"], "ip": address, "mac": port["mac_address"], "has_port": True}
    return {**guest, **found, "network": network["name"]}


def _networks(settings):
    cloud = Cloud(settings)
    projects = {project: cloud.project(project) for _, _, project in NETWORKS.values()}
    networks, guests = {}, {}
    for name, (prefix, has_router, project) in NETWORKS.items():
        networks[name] = _network(cloud, name, prefix, has_router, projects[project])
        for number, host in enumerate(HOSTS):
            guest = instance(projects[project], f"{name}-{number}")
            guests[guest["hostname"]] = create_port(cloud, networks[name], f"{prefix}.{host}", guest)
    spares = {
        f"{project}-spare-{number}": instance(identity, f"{project}-spare-{number}")
        for project, identity in projects.items()
        for number in range(SPARES)
    }
    return {"networks": networks, "guests": guests, "spares": spares, "projects": projects}


def _network(cloud, name, prefix, has_router, project_id):
    owned = {"project_id": project_id}
    network = cloud.create("network", name=name, **owned)
    gateway = f"{prefix}.1" if has_router else None
    subnet = cloud.create(
        "subnet",
        name=name,
        network_id=network["id"],
        ip_version=4,
        cidr=f"{prefix}.0/24",
        gateway_ip=gateway,
        dns_nameservers=[f"{prefix}.3"],
        **owned,
    )
    dhcp = cloud.create(
        "port",
        name="dhcp",
        network_id=network["id"],
        device_owner="network:dhcp",
        device_id=f"dhcp-{uuid.uuid4()}",
        fixed_ips=[{"subnet_id": subnet["id"], "ip_address": f"{prefix}.2"}],
        **owned,
    )
    made = {
        "name": name,
        "network_id": network["id"],
        "subnet_id": subnet["id"],
        "prefix": prefix,
        "gateway": gateway,
        "dhcp_port_id": dhcp["id"],
        "dhcp_ip": f"{prefix}.2",
        "dhcp_mac": dhcp["mac_address"],
        "router_id": None,
    }
    if has_router:
        router = cloud.create("router", name=name, **owned)
        interface = cloud.neutron("PUT", f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
        port = cloud.neutron("GET", f"ports/{interface['port_id']}")["port"]
        made.update(router_id=router["id"], router_port_id=port["id"], router_mac=port["mac_address"])
    return made
