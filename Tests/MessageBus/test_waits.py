"""Stories that take their time. All are told at once, each in a virtual host of its own; a test looks at one."""

import concurrent.futures
import time

import pytest
from cloud import Cloud, HeartbeatWire, NeutronAPI, Wire, port
from Harness.programs import eventually


def a_silent_network(cloud):
    """No byte comes through any more: only heartbeats tell. Meanwhile the broker lets the reply queue expire."""
    with Wire(cloud.broker.port) as path:
        cloud.serve()
        rabbit = {"heartbeat_timeout_threshold": 2, "rabbit_transient_queues_ttl": 1}
        agent = cloud.start_agent(cloud.url(port=path.port), rabbit=rabbit)
        assert agent.ask().status == 200
        time.sleep(4)
        assert path.accepted == 1, "heartbeats keep an idle connection"
        [name] = cloud.reply_queues
        path.freeze()
        began = time.monotonic()
        agent.wait_for_log("is unreachable", seconds=10)
        assert 1 < time.monotonic() - began < 6
        agent.wait_for_log("Reconnected to AMQP server", seconds=10)
        assert path.accepted == 2
        assert cloud.reply_queues == [name]
        assert agent.ask().status == 200


def a_silent_network_with_a_guest(cloud):
    """The guest who asks into the silence is answered within the hold."""
    with Wire(cloud.broker.port) as path:
        cloud.serve()
        agent = cloud.start_agent(cloud.url(port=path.port), rabbit={"heartbeat_timeout_threshold": 2})
        assert agent.ask().status == 200
        path.freeze()
        asking = agent.ask_later()
        assert asking.answer().status == 200
        assert asking.seconds < 8.5


def a_broker_that_sends_no_heartbeats_is_believed_if_so_configured(cloud):
    """heartbeat_timeout_threshold = 0: the connection stays as long as TCP does."""
    cloud.serve()
    agent = cloud.start_agent(rabbit={"heartbeat_timeout_threshold": 0})
    time.sleep(6)
    assert agent.ask().status == 200
    assert not agent.lines("Reconnected")


def heartbeats_are_sent_as_often_as_configured(cloud):
    """Nine in nine seconds. The library by itself sends one in four and a half."""
    with HeartbeatWire(cloud.broker.port) as path:
        rabbit = {"heartbeat_timeout_threshold": 9, "heartbeat_rate": 9}
        agent = cloud.start_agent(cloud.url(port=path.port), rabbit=rabbit)
        eventually(lambda: path.heartbeats >= 6, 12, "six heartbeats")
        assert not agent.lines("Reconnected")


def timeouts_do_not_grow(cloud):
    server = cloud.serve_raw(lambda request: None)
    agent = cloud.start_agent(default={"rpc_response_timeout": 1}, bellhop={"hold_seconds": 1.5})
    seconds = []
    for _ in range(4):
        asking = agent.ask_later()
        answer = asking.answer()
        assert answer.status == 503
        assert int(answer["Retry-After"]) >= 1
        seconds.append(asking.seconds)
    assert max(seconds) < 4, seconds
    assert abs(seconds[-1] - seconds[0]) < 1.5, seconds
    expirations = [int(request.properties["expiration"]) for request in server.requests]
    assert 1 <= min(expirations) <= max(expirations) <= 1000
    [line] = agent.lines("Looking up instances fails")
    assert "q-plugin did not reply within 1 s" in line
    assert "get_ports" in line


def late_replies_do_no_harm(cloud):
    late = []

    def respond(request):
        if len(late) < 2:
            late.append(request)
        else:
            request.reply(result=[port()])

    cloud.serve_raw(respond)
    agent = cloud.start_agent(default={"rpc_response_timeout": 1}, bellhop={"hold_seconds": 0})
    assert agent.ask().status == 503
    time.sleep(1.2)
    assert agent.ask().status == 503
    for request in late:
        request.reply(result=[port(instance="somebody-else")])
    agent.wait_for_log("No calling threads waiting for msg_id", 2)
    time.sleep(1.2)
    assert agent.ask().status == 200
    assert cloud.nova.last["X-Instance-ID"] != "somebody-else"
    assert not agent.lines("ERROR")
    eventually(lambda: cloud.messages() == 0, what="an empty reply queue")


def a_slow_server_is_not_drowned(cloud):
    """A server that takes its time gets few copies of a question, and the guest its answer if there is time."""
    server = cloud.serve(delay=6)
    agent = cloud.start_agent(bellhop={"hold_seconds": 12})
    asking = agent.ask_later()
    assert asking.answer().status == 200
    assert 5.9 < asking.seconds < 8
    assert 1 <= len(server.calls) <= 3
    time.sleep(7)
    assert not agent.lines("ERROR")
    eventually(lambda: cloud.messages() == 0, what="no reply left over")


def after_a_timeout_rest_serves_and_then_the_bus_again(cloud):
    server = cloud.serve(hangs=True)
    with NeutronAPI() as api:
        agent = cloud.start_agent(default=api.options)
        asking = agent.ask_later()
        assert asking.answer().status == 200
        assert 2.5 < asking.seconds < 6
        assert len(api.requests) == 1
        agent.wait_for_log("Lookups use Neutron's REST API for now")
        began, count = time.monotonic(), len(server.calls)
        for _ in range(3):
            assert agent.ask().status == 200
        assert time.monotonic() - began < 2
        assert len(api.requests) == 4
        server.change(hangs=False)
        time.sleep(11)
        assert agent.ask().status == 200
        assert len(api.requests) == 4
        assert len(server.calls) > count
        agent.wait_for_log("Lookups use the message bus again")


def without_a_broker_rest_serves(cloud):
    with Wire(cloud.broker.port) as path, NeutronAPI() as api:
        server = cloud.serve()
        path.cut()
        agent = cloud.start_agent(cloud.url(port=path.port), wait=False, default=api.options)
        agent.wait_for_log("Trying again in")
        asking = agent.ask_later()
        assert asking.answer().status == 200
        assert asking.seconds < 5
        assert len(api.requests) == 1
        path.restore()
        agent.wait_for_log("Connected to AMQP server", seconds=20)
        time.sleep(11)
        assert agent.ask().status == 200
        assert len(api.requests) == 1
        assert server.calls


def an_api_that_refuses_the_account_keeps_no_guest_from_the_bus(cloud):
    """The broker restarts within the hold. That nobody could ever use the API must not turn this into an error."""
    with Wire(cloud.broker.port) as path, NeutronAPI(refuses=True) as api:
        cloud.serve()
        agent = cloud.start_agent(cloud.url(port=path.port), default=api.options)
        assert agent.ask().status == 200
        path.cut()
        agent.wait_for_log("is unreachable")
        asking = agent.ask_later()
        eventually(lambda: api.requests, what="a question to the API")
        time.sleep(1)
        assert not asking.is_over
        path.restore()
        assert asking.answer().status == 200
        assert asking.seconds < 8.5
        assert not agent.lines("Lookups use Neutron's REST API for now")


def reports_that_cannot_be_sent_blame_the_broker(cloud):
    with Wire(cloud.broker.port) as path:
        server = cloud.serve()
        agent = cloud.start_agent(cloud.url(port=path.port), wait=False, agent={"report_interval": 1})
        eventually(lambda: len(server.reports) >= 2, 20, "reports")
        path.cut()
        agent.wait_for_log("Failed reporting state!", 2)
        lines = agent.lines("ERROR", "Failed reporting state!")
        assert all("AMQP server on" in line and "did not reply" not in line for line in lines), lines
        path.restore()
        agent.wait_for_log("Successfully reported state after a previous failure.", seconds=30)


def a_first_report_that_cannot_be_sent_keeps_its_topic(cloud):
    with Wire(cloud.broker.port) as path:
        path.cut()
        agent = cloud.start_agent(cloud.url(port=path.port), wait=False, agent={"report_interval": 1})
        agent.wait_for_log("Failed reporting state!", 3)
        assert all("AMQP server on" in line for line in agent.lines("ERROR", "Failed reporting state!"))
        # Now both have a listener, and only one is right.
        old, new = cloud.serve(topics=["q-plugin"]), cloud.serve(topics=["q-reports-plugin"])
        path.restore()
        eventually(lambda: new.reports, 20, "reports on q-reports-plugin")
        assert old.reports == []


def a_broker_that_is_away_for_long_is_tried_ever_less(cloud):
    with Wire(cloud.broker.port) as path:
        path.cut()
        agent = cloud.start_agent(cloud.url(port=path.port), wait=False)
        time.sleep(10.5)
        # After 0, 1, 4 and 9 s; with a little for a busy machine.
        tries = len(agent.lines("ERROR", "Trying again in"))
        assert 3 <= tries <= 5, tries
        assert agent.lines("Trying again in 1 seconds") and agent.lines("Trying again in 3 seconds")
        # A guest does not wait for the next turn.
        cloud.serve()
        path.restore()
        asking = agent.ask_later()
        assert asking.answer().status == 200
        assert asking.seconds < 3


def an_agent_whose_broker_is_silent_stops_soon(cloud):
    """It says good-bye to the broker, and does not wait for ever to hear one."""
    with Wire(cloud.broker.port) as path:
        cloud.serve()
        agent = cloud.start_agent(cloud.url(port=path.port), bellhop={"hold_seconds": 0.5})
        path.freeze()
        asking = agent.ask_later()
        time.sleep(0.3)
        began = time.monotonic()
        assert agent.program.stop(seconds=30) == 0
        assert time.monotonic() - began < 5
        # The guest was held, and told before the end.
        assert asking.answer().status == 503


STORIES = [
    a_silent_network,
    a_silent_network_with_a_guest,
    a_broker_that_sends_no_heartbeats_is_believed_if_so_configured,
    heartbeats_are_sent_as_often_as_configured,
    timeouts_do_not_grow,
    late_replies_do_no_harm,
    a_slow_server_is_not_drowned,
    after_a_timeout_rest_serves_and_then_the_bus_again,
    without_a_broker_rest_serves,
    an_api_that_refuses_the_account_keeps_no_guest_from_the_bus,
    reports_that_cannot_be_sent_blame_the_broker,
    a_first_report_that_cannot_be_sent_keeps_its_topic,
    a_broker_that_is_away_for_long_is_tried_ever_less,
    an_agent_whose_broker_is_silent_stops_soon,
]


@pytest.fixture(scope="module")
def told(broker, neutron_servers):
    """{name: future} of all stories, each started with a virtual host of its own."""

    def tell(story):
        with Cloud(broker, neutron_servers) as cloud:
            story(cloud)

    with concurrent.futures.ThreadPoolExecutor(len(STORIES)) as pool:
        yield {story.__name__: pool.submit(tell, story) for story in STORIES}


@pytest.mark.parametrize("name", [story.__name__ for story in STORIES])
def test_it_is_told(told, name):
    told[name].result(100)
