"""Who is there to be mistaken for: the guest that forges, and those it would like to be."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Person:
    instance: str
    project: str
    address: str


HOME = "6b1f0c9a-0000-4000-8000-0000000f0001"
AWAY = "6b1f0c9a-0000-4000-8000-0000000f0002"
HOME_ROUTER = "6b1f0c9a-0000-4000-8000-0000000f0011"
AWAY_ROUTER = "6b1f0c9a-0000-4000-8000-0000000f0012"
SECRET = "correct horse battery"

# Loopback has as many guests as are needed: each has an address of 127.0.0.0/8 of its own.
PEOPLE = {
    "own": Person("f2b1c0de-0000-4000-8000-0000000f0002", "9d6c5f0e4b3a4c2d8e1f0000000f0001", "127.0.0.2"),
    "neighbour": Person("f2b1c0de-0000-4000-8000-0000000f0003", "9d6c5f0e4b3a4c2d8e1f0000000f0001", "127.0.0.3"),
    # What a proxy's own end of the connection would be taken for.
    "host": Person("f2b1c0de-0000-4000-8000-0000000f0001", "9d6c5f0e4b3a4c2d8e1f0000000f0001", "127.0.0.1"),
    # The same address on another network, of somebody else.
    "twin": Person("f2b1c0de-0000-4000-8000-0000000f0012", "9d6c5f0e4b3a4c2d8e1f0000000f0002", "127.0.0.2"),
}


def inventory():
    lines = [
        "networks:",
        f"  home: {{id: {HOME}, cidr: 127.0.0.0/8}}",
        f"  away: {{id: {AWAY}, cidr: 127.0.0.0/8}}",
        "routers:",
        f"  home: {{id: {HOME_ROUTER}, networks: [home]}}",
        f"  away: {{id: {AWAY_ROUTER}, networks: [away]}}",
        "instances:",
    ]
    for number, (name, person) in enumerate(PEOPLE.items()):
        network = "away" if name == "twin" else "home"
        lines += [
            f"  {name}:",
            f"    uuid: {person.instance}",
            f"    project: {person.project}",
            f"    network: {network}",
            f'    mac: "fa:16:3e:0f:00:{number:02x}"',
            f"    fixed_ip: {person.address}",
        ]
    return "\n".join(lines) + "\n"


def values(people, path, network, other_network, other_router, link_local):
    """What the corpus fills in."""
    return {
        "path": path,
        "host": "169.254.169.254",
        "address": people["own"].address,
        "neighbour": people["neighbour"].address,
        "neighbour_link_local": link_local,
        "victim": people["twin"].instance,
        "victim_project": people["twin"].project,
        "network": network,
        "other_network": other_network,
        "other_router": other_router,
    }
