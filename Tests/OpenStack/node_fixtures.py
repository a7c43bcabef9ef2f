"""Fixtures of the tests with Debian's L3 and DHCP agents; modules import those that they need."""

import pytest

import node_networks
from Harness import personality
from agents import PROXY_GROUP, PROXY_USER, OurAgent
from node_networks import NodeNetwork
from stack.node_configuration import Metadata


@pytest.fixture(scope="module")
def haproxy(folder):
    """Our `haproxy`, alone in its folder but for its standby program."""
    return personality.install(folder / "haproxy")


@pytest.fixture(scope="module")
def ours(haproxy, socket):
    """A node's settings with our program."""
    return Metadata(socket, haproxy.parent, PROXY_USER, PROXY_GROUP)


@pytest.fixture(scope="module")
def debians(socket):
    """A node's settings with Debian's own program."""
    return Metadata(socket, None, PROXY_USER, PROXY_GROUP)


@pytest.fixture(scope="module")
def node(openstack, ours):
    """A network node whose agents start our program."""
    made = openstack.stack.node
    if "linuxbridge" not in openstack.release.mechanism_drivers:
        pytest.skip("this release of Neutron has no linuxbridge agent, which the node's taps and bridges are left to")
    if obstacle := made.obstacle():
        pytest.skip(f"this machine cannot have a network node: {obstacle}")
    node_networks.remove_all(openstack.cloud)
    try:
        made.up(ours)
        yield made
    finally:
        node_networks.remove_all(openstack.cloud)
        made.down()


@pytest.fixture(scope="module")
def agent(openstack, folder, socket):
    """Our metadata agent."""
    made = OurAgent(openstack, folder, socket, directory="rpc")
    try:
        yield made.start()
    finally:
        made.kill()


@pytest.fixture(scope="module")
def networks(openstack, node, agent):
    """One behind a router, and one isolated."""
    made = {
        "routed": NodeNetwork(openstack, "routed", 1, "red", is_routed=True),
        "isolated": NodeNetwork(openstack, "isolated", 2, "blue", is_routed=False),
    }
    node_networks.build(*made.values())
    return made
