"""What happens to guests while the broker restarts, blocks, cuts connections or loses queues."""

import time

import amqp
import pytest
from cloud import Cloud, Wire, is_reply_queue, port
from Harness.programs import eventually


@pytest.fixture
def clouds(broker, neutron_servers):
    """More than one virtual host, for what happens to all of them at once."""
    with Cloud(broker, neutron_servers) as first, Cloud(broker, neutron_servers) as second:
        yield first, second


def test_a_broker_that_is_killed_and_comes_back(clouds, broker):
    """A call under way, and a guest who asks while there is no broker: both get their instance."""
    first, second = clouds
    under_way = first.serve(delay=3)
    agent_under_way = first.start_agent(bellhop={"hold_seconds": 60})
    server = second.serve()
    agent = second.start_agent(bellhop={"hold_seconds": 60}, agent={"report_interval": 1})
    assert agent.ask().status == 200
    asking = agent_under_way.ask_later(timeout=100)
    eventually(lambda: under_way.calls, what="the call at the server")
    queues = first.reply_queues
    broker.kill()
    # Nobody can be found now: told within a second or two, and held.
    agent.wait_for_log("is unreachable")
    held = [agent.ask_later(timeout=100) for _ in range(5)]
    under_way.change(delay=0)
    time.sleep(1)
    assert not any(each.is_over for each in held)
    broker.start()
    assert [each.answer(80).status for each in held] == [200] * 5
    assert asking.answer(80).status == 200
    assert agent_under_way.lines("Reconnected to AMQP server")
    # The same name again: the server may have a reply for it.
    assert first.reply_queues == queues
    count = len(server.reports)
    eventually(lambda: len(server.reports) > count, 30, "reports after the restart")
    agent.wait_for_log("Successfully reported state after a previous failure.", seconds=30)


def test_a_guest_that_is_not_held_is_told_at_once_while_the_broker_is_away(cloud):
    with Wire(cloud.broker.port) as path:
        cloud.serve()
        agent = cloud.start_agent(cloud.url(port=path.port), bellhop={"hold_seconds": 0.5})
        assert agent.ask().status == 200
        path.cut()
        agent.wait_for_log("is unreachable")
        began = time.monotonic()
        answer = agent.ask()
        assert answer.status == 503
        assert int(answer["Retry-After"]) >= 1
        # Two seconds of patience, less what has passed, and the hold.
        assert time.monotonic() - began < 4
        path.restore()
        eventually(lambda: agent.ask().status == 200, 20, "an answer after the broker is back")


def test_connections_that_an_operator_closes_are_made_again(cloud, broker):
    cloud.serve(delay=1.5)
    agent = cloud.start_agent()
    asking = agent.ask_later()
    time.sleep(0.3)
    broker.rabbitmqctl("close_all_connections", "--vhost", cloud.vhost, "maintenance by the operator")
    assert asking.answer().status == 200
    agent.wait_for_log("Reconnected to AMQP server")
    assert agent.lines("ERROR", "maintenance by the operator")
    assert agent.ask().status == 200


def test_a_reply_queue_that_is_deleted_is_declared_again(cloud, broker):
    cloud.serve()
    agent = cloud.start_agent()
    [name] = cloud.reply_queues
    assert is_reply_queue(name)
    broker.delete_queue(cloud.vhost, name)
    agent.wait_for_log("Reconnected to AMQP server")
    assert agent.lines("ERROR", "has cancelled the consumer", name)
    assert cloud.reply_queues == [name]
    assert agent.ask().status == 200


def test_a_reply_queue_that_is_deleted_during_a_call(cloud, broker):
    cloud.serve(delay=1)
    agent = cloud.start_agent()
    [name] = cloud.reply_queues
    asking = agent.ask_later()
    time.sleep(0.3)
    broker.delete_queue(cloud.vhost, name)
    assert asking.answer().status == 200


def test_a_broker_that_blocks_publishers(cloud, broker):
    server = cloud.serve()
    agent = cloud.start_agent(bellhop={"hold_seconds": 60})
    assert agent.ask().status == 200
    broker.rabbitmqctl("set_vm_memory_high_watermark", "0.00000001")
    try:
        # The broker blocks a connection when it publishes next.
        asking = agent.ask_later(timeout=90)
        agent.wait_for_log("The broker has blocked the connection: low on memory")
        assert agent.lines("ERROR", "The broker has blocked the connection")
        time.sleep(1)
        assert not asking.is_over
    finally:
        broker.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1GB")
    assert asking.answer(90).status == 200
    assert agent.lines("INFO", "The broker has unblocked the connection")
    assert agent.ask().status == 200
    # No reconnection was needed, and nothing asked for ever.
    assert not agent.lines("Reconnected")
    assert len(server.calls) <= 5


def test_a_server_that_stops_and_starts_within_the_hold(cloud):
    server = cloud.serve()
    agent = cloud.start_agent()
    assert agent.ask().status == 200
    server.stop()
    assert "q-plugin" in cloud.queues
    asking = agent.ask_later()
    time.sleep(1)
    assert not asking.is_over
    cloud.serve()
    assert asking.answer().status == 200
    assert asking.seconds < 8.5


def test_without_the_servers_queue_the_log_names_where_it_was_looked_for(cloud):
    agent = cloud.start_agent(bellhop={"hold_seconds": 1})
    answer = agent.ask()
    assert answer.status == 503
    assert int(answer["Retry-After"]) >= 1
    assert agent.lines(
        "WARNING", "Looking up instances fails", "topic q-plugin", "exchange neutron", f"virtual host {cloud.vhost}"
    )
    assert len(agent.lines("Looking up instances fails")) == 1
    cloud.serve()
    assert agent.ask().status == 200
    agent.wait_for_log("Looking up instances works again")


FULL = {"x-max-length": 1, "x-overflow": "reject-publish"}


def test_a_full_queue_does_not_make_the_agent_press_upon_the_broker(cloud):
    with cloud.channel() as channel:
        channel.exchange_declare("neutron", "topic", durable=False, auto_delete=False)
        channel.queue_declare("q-plugin", durable=False, auto_delete=False, arguments=FULL)
        channel.queue_bind("q-plugin", "neutron", "q-plugin")
        channel.basic_publish(amqp.Message("the one message that fits"), "neutron", "q-plugin")
        eventually(lambda: cloud.messages() == 1, what="a full queue")
        agent = cloud.start_agent()
        asking = agent.ask_later()
        agent.wait_for_log("The broker could not take a message")
        time.sleep(1.5)
        assert len(agent.lines("WARNING", "The broker could not take a message")) == 1
        assert not agent.lines("No reply yet, asking again")
        assert not asking.is_over
        channel.queue_purge("q-plugin")
    server = cloud.serve_raw(lambda request: request.reply(result=[port()]), arguments=FULL)
    assert asking.answer().status == 200
    assert len(server.requests) == 1


def test_a_report_that_the_broker_cannot_take_is_a_failure_that_says_so(cloud):
    server = cloud.serve_raw(lambda request: "_msg_id" in request.inner and request.reply(), "q-reports-plugin", FULL)
    agent = cloud.start_agent(agent={"report_interval": 1})
    eventually(lambda: len(server.requests) >= 2, what="reports")
    server.stop()
    agent.wait_for_log("Failed reporting state!", 2)
    lines = agent.lines("ERROR", "Failed reporting state!")
    assert all("could not take report_state for topic q-reports-plugin" in line for line in lines), lines
    assert len(agent.lines("The broker could not take a message")) == 1
