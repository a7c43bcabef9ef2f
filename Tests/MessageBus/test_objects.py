"""The exchange and the reply queue: how they are declared, and what is done with those that are there already."""

import pytest
from cloud import is_reply_queue
from Harness.programs import eventually


@pytest.mark.parametrize("durable_side", ["the server", "the agent"])
def test_an_exchange_of_another_durability_is_used_as_it_is(cloud, durable_side):
    cloud.serve(query="?amqp_durable_queues=true" if durable_side == "the server" else "")
    agent = cloud.start_agent(rabbit={"amqp_durable_queues": durable_side == "the agent"})
    assert agent.ask().status == 200
    exchange = cloud.broker.exchanges(cloud.vhost)["neutron"]
    assert exchange["durable"] is (durable_side == "the server")
    assert not agent.lines("ERROR")
    cloud.broker.rabbitmqctl("close_all_connections", "--vhost", cloud.vhost, "maintenance")
    agent.wait_for_log("Reconnected to AMQP server")
    # Said once, with the options that differ.
    [line] = agent.lines("WARNING", "amqp_durable_queues, rabbit_quorum_queue")
    assert f"durable={'true' if durable_side == 'the server' else 'false'}" in line


def test_an_exchange_is_made_anew_of_the_kind_that_it_was(cloud, broker):
    """A server of old dies if it finds another kind than its own, and a broker that restarts forgets all of one kind."""
    server = cloud.serve()
    agent = cloud.start_agent(rabbit={"rabbit_quorum_queue": True})
    assert agent.ask().status == 200
    server.stop()
    broker.delete_exchange(cloud.vhost, "neutron")
    asking = agent.ask_later()
    agent.wait_for_log("Reconnected to AMQP server")
    assert broker.exchanges(cloud.vhost)["neutron"]["durable"] is False
    cloud.serve()
    assert asking.answer().status == 200


@pytest.mark.parametrize("ours", [{}, {"amqp_durable_queues": True}], ids=["as it is", "of another durability too"])
def test_an_exchange_that_is_deleted_by_itself_is_used_too(cloud, ours):
    with cloud.channel() as channel:
        channel.exchange_declare("neutron", "topic", durable=False, auto_delete=True)
        channel.queue_declare("keeps-it", auto_delete=True)
        channel.queue_bind("keeps-it", "neutron", "keeps-it")
        agent = cloud.start_agent(rabbit=ours)
        exchange = cloud.broker.exchanges(cloud.vhost)["neutron"]
        assert (exchange["durable"], exchange["auto_delete"]) == (False, True)
        assert agent.lines("WARNING", "amqp_auto_delete", "auto_delete=true", "durable=false")


@pytest.mark.parametrize("options", [{"amqp_durable_queues": True}, {"rabbit_quorum_queue": True}], ids=str)
def test_an_agent_that_comes_first_declares_the_exchange_for_the_server(cloud, options):
    agent = cloud.start_agent(rabbit=options)
    exchange = cloud.broker.exchanges(cloud.vhost)["neutron"]
    assert (exchange["type"], exchange["durable"], exchange["auto_delete"]) == ("topic", True, False)
    [name] = options
    cloud.serve(query=f"?{name}=true")
    assert agent.ask().status == 200


def test_the_reply_queue_by_default(cloud):
    cloud.serve()
    agent = cloud.start_agent(bellhop={"hold_seconds": 0})
    [name] = cloud.reply_queues
    queue = cloud.queues[name]
    assert queue["arguments"] == {"x-expires": 1_800_000}
    assert (queue["durable"], queue["exclusive"], queue["auto_delete"]) == (False, False, False)
    for _ in range(10):
        assert agent.ask().status == 200
    assert agent.ask(address="10.77.0.99").status == 404
    eventually(lambda: cloud.messages() == 0, what="empty queues")
    assert agent.program.stop() == 0
    eventually(lambda: not cloud.reply_queues, what="the reply queue gone")
    assert not any(name.startswith("reply_") for name in cloud.broker.exchanges(cloud.vhost))


def test_a_reply_queue_of_quorum_type(cloud):
    cloud.serve()
    limits = {"rabbit_quorum_delivery_limit": 3, "rabbit_quorum_max_memory_length": 100}
    agent = cloud.start_agent(
        rabbit={"rabbit_transient_quorum_queue": True, "rabbit_transient_queues_ttl": 60, **limits}
    )
    [name] = cloud.reply_queues
    queue = cloud.queues[name]
    assert queue["type"] == "quorum"
    assert queue["durable"] is True
    assert queue["arguments"] == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 3,
        "x-max-in-memory-length": 100,
        "x-expires": 60_000,
    }
    assert agent.ask().status == 200


def test_a_reply_queue_of_a_fixed_name_outlives_the_agent(cloud):
    cloud.serve()
    rabbit = {"use_queue_manager": True, "hostname": "compute-1", "processname": "neutron-metadata-agent"}
    agent = cloud.start_agent(rabbit=rabbit)
    name = "reply_compute-1:neutron-metadata-agent:1"
    assert cloud.reply_queues == [name]
    assert agent.ask().status == 200
    assert agent.program.stop() == 0
    assert cloud.reply_queues == [name]
    again = cloud.start_agent(rabbit=rabbit)
    assert again.ask().status == 200
    assert cloud.reply_queues == [name]


FIXED_NAME = "reply_compute-1:neutron-metadata-agent:1"
OTHER_KINDS = {
    "classic": {"durable": True, "arguments": {"x-expires": 60_000}},
    "quorum": {"durable": True, "arguments": {"x-queue-type": "quorum"}},
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_an_unused_queue_of_another_kind_gives_way_to_the_fixed_one(cloud, kind):
    """Options changed, or another release: the name is the same, and the queue is not."""
    cloud.serve()
    with cloud.channel() as channel:
        channel.queue_declare(FIXED_NAME, auto_delete=False, **OTHER_KINDS[kind])
    agent = cloud.start_agent(rabbit={"use_queue_manager": True, "rabbit_qos_prefetch_count": 7})
    assert agent.ask().status == 200
    assert cloud.reply_queues == [FIXED_NAME]
    queue = cloud.queues[FIXED_NAME]
    assert (queue["durable"], queue["arguments"]) == (False, {"x-expires": 1_800_000})
    # The channel was closed and opened again over it, which must not cost the prefetch count.
    [consumer] = eventually(lambda: cloud.consumers(FIXED_NAME), what="the agent's consumer")
    assert consumer["prefetch_count"] == 7
    assert not agent.lines("ERROR")


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_queue_of_another_kind_that_is_in_use_is_left_alone(cloud, kind):
    cloud.serve()
    with cloud.channel() as channel:
        channel.queue_declare(FIXED_NAME, auto_delete=False, **OTHER_KINDS[kind])
        channel.basic_consume(FIXED_NAME)
        agent = cloud.start_agent(rabbit={"use_queue_manager": True})
        assert agent.ask().status == 200
        [line] = agent.lines("WARNING", "The broker has another queue of that name")
        assert FIXED_NAME in line
        [ours] = set(cloud.reply_queues) - {FIXED_NAME}
        assert is_reply_queue(ours)
        assert ours in line
        assert not agent.lines("ERROR")
        # Nobody will ever look for that one again.
        assert agent.program.stop() == 0
        eventually(lambda: cloud.reply_queues == [FIXED_NAME], what="the other queue alone")


def test_an_exclusive_queue_of_the_fixed_name_is_left_alone(cloud):
    cloud.serve()
    with cloud.channel() as channel:
        channel.queue_declare(FIXED_NAME, exclusive=True)
        agent = cloud.start_agent(rabbit={"use_queue_manager": True})
        assert agent.ask().status == 200
        assert agent.lines("WARNING", "The broker has another queue of that name")


def test_the_fixed_name_by_default(cloud):
    """Of the host option, unless told otherwise, and the program."""
    cloud.start_agent(rabbit={"use_queue_manager": True})
    assert cloud.reply_queues == ["reply_compute-1:neutron-metadata-agent:1"]


def test_an_exchange_that_is_deleted_is_declared_again(cloud, broker):
    cloud.serve()
    agent = cloud.start_agent()
    assert agent.ask().status == 200
    broker.delete_exchange(cloud.vhost, "neutron")
    asking = agent.ask_later()
    agent.wait_for_log("Reconnected to AMQP server")
    assert agent.lines("ERROR", "no exchange 'neutron'")
    # The server's queue is bound again when the server starts.
    cloud.serve()
    assert asking.answer().status == 200


def test_an_agent_that_may_declare_its_reply_queue_only(cloud, broker):
    user = f"limited-{cloud.vhost}"
    broker.add_user(user, "password", cloud.vhost, configure="^reply_")
    cloud.serve()
    agent = cloud.start_agent(cloud.url(user=user, password="password"))
    assert agent.ask().status == 200


def test_a_user_who_may_declare_nothing_is_named(cloud, broker):
    user = f"useless-{cloud.vhost}"
    broker.add_user(user, "password", cloud.vhost, configure="^$")
    cloud.serve()
    agent = cloud.start_agent(cloud.url(user=user, password="password"), wait=False, bellhop={"hold_seconds": 0.5})
    agent.wait_for_log("cannot be declared")
    assert agent.lines("ERROR", "reply_", f"user '{user}'")
    assert agent.ask().status == 503
    agent.wait_for_log("Looking up instances fails")
    # It is there, and has let the agent in.
    assert not agent.lines("is unreachable")
    assert agent.lines("WARNING", "Looking up instances fails", "denies what the agent needs")


def test_an_agent_that_is_killed_leaves_its_queue_to_expire(cloud):
    cloud.serve()
    agent = cloud.start_agent(rabbit={"rabbit_transient_queues_ttl": 1})
    assert agent.ask().status == 200
    assert cloud.reply_queues
    agent.program.kill()
    cloud.agents.remove(agent)
    eventually(lambda: not cloud.reply_queues, 10, "the reply queue gone")
