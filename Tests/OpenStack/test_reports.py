"""State reports: what the cloud's administrator sees of the agent."""

import time

from Harness.programs import eventually
from agents import OurAgent, ReferenceAgent


def is_alive(agent):
    found = agent.reported()
    return bool(found and found["alive"])


def test_the_agent_is_listed_alive_with_its_configuration(openstack, launch, rpc):
    agent = launch(directory=rpc)
    eventually(lambda: is_alive(agent), 20, "the agent in the list")
    listed = agent.reported()
    assert listed["agent_type"] == "Metadata agent"
    assert listed["binary"] == "neutron-metadata-agent"
    assert listed["host"] == OurAgent.host != ReferenceAgent.host
    assert listed["admin_state_up"] is True
    assert listed["topic"] == "N/A"
    configured = listed["configurations"]
    assert configured["metadata_proxy_socket"] == str(agent.socket)
    assert configured["nova_metadata_host"] == "127.0.0.1"
    assert configured["nova_metadata_port"] == openstack.settings.ports["nova"]


def test_it_goes_down_and_up_with_the_process(openstack, launch, rpc):
    agent = launch(directory=rpc)
    eventually(lambda: is_alive(agent), 20, "the agent in the list")
    first = agent.reported()
    agent.stop()
    eventually(lambda: not is_alive(agent), openstack.settings.agent_down_time + 10, "the agent as down")
    again = launch(directory=rpc)
    eventually(lambda: is_alive(again), 20, "the agent alive again")
    second = again.reported()
    assert second["id"] == first["id"], "the same agent, not another one"
    assert second["started_at"] > first["started_at"]


def test_it_stays_alive_over_many_intervals(openstack, launch, rpc):
    agent = launch(directory=rpc)
    eventually(lambda: is_alive(agent), 20, "the agent in the list")
    first = agent.reported()["heartbeat_timestamp"]
    deadline = time.monotonic() + openstack.settings.agent_down_time + 2
    while time.monotonic() < deadline:
        assert is_alive(agent), agent.tail()
        time.sleep(0.5)
    assert agent.reported()["heartbeat_timestamp"] > first


def test_it_is_alive_again_after_the_broker_restarted(openstack, launch, rpc, healed):
    agent = launch(directory=rpc)
    eventually(lambda: is_alive(agent), 20, "the agent in the list")
    openstack.services.restart("rabbitmq")
    openstack.services.wait("neutron-server")
    before = agent.reported()["heartbeat_timestamp"]
    eventually(lambda: agent.reported()["heartbeat_timestamp"] > before, 40, "a report after the restart")
    assert is_alive(agent), agent.tail()


def test_the_reference_is_listed_beside_it(openstack, launch):
    """The list and its reading here are right for the agent that Debian ships."""
    agent = launch(ReferenceAgent)
    eventually(lambda: is_alive(agent), 30, "the reference agent in the list")
    assert agent.reported()["agent_type"] == "Metadata agent"
