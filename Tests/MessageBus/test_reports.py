"""State reports: what they say, when they are sent, where to, and what keeps them from being sent."""

import datetime
import re
import time

from cloud import is_reply_queue, port
from Harness.programs import eventually

EVERY_SECOND = {"report_interval": 1}


def test_first_a_call_that_says_started_then_casts(cloud):
    server = cloud.serve_raw(lambda request: "_msg_id" in request.inner and request.reply(), "q-reports-plugin")
    agent = cloud.start_agent(agent=EVERY_SECOND)
    eventually(lambda: len(server.requests) >= 4, what="four reports")
    requests = list(server.requests)
    states = [request.inner["args"]["agent_state"]["agent_state"] for request in requests]
    for request in requests:
        assert (request.inner["method"], request.inner["version"]) == ("report_state", "1.0")
        assert request.delivery["exchange"] == "neutron"
        assert set(request.inner["args"]) == {"agent_state", "time"}
        # Casts wait in the server's queue until it is back; the call does not.
        assert ("expiration" in request.properties) == ("_msg_id" in request.inner)
    assert is_reply_queue(requests[0].reply_queue)
    assert [("_msg_id" in request.inner) for request in requests[:4]] == [True, False, False, False]
    assert [("start_flag" in state) for state in states[:4]] == [True, False, False, False]
    assert states[0].pop("start_flag") is True
    assert len({state.pop("uuid") for state in states}) == len(states)
    assert all(state == states[0] for state in states)
    configurations = states[0].pop("configurations")
    assert states[0] == {
        "agent_type": "Metadata agent",
        "binary": "neutron-metadata-agent",
        "host": "compute-1",
        "topic": "N/A",
    }
    assert configurations["metadata_proxy_socket"] == str(agent.socket)
    assert configurations["nova_metadata_ip"] == configurations["nova_metadata_host"] == "127.0.0.1"
    assert configurations["nova_metadata_port"] == cloud.nova.port
    assert configurations["log_agent_heartbeats"] is False


def test_the_time_is_now_in_the_form_that_servers_read(cloud):
    server = cloud.serve()
    cloud.start_agent(agent=EVERY_SECOND)
    eventually(lambda: len(server.reports) >= 3, what="three reports")
    for report in server.reports:
        text = report["arguments"]["time"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", text)
        sent = datetime.datetime.strptime(text + "+0000", "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
        assert abs(report["time"] - sent) < 2
    times = [report["time"] for report in server.reports]
    assert all(0.5 < later - earlier < 1.9 for earlier, later in zip(times, times[1:]))


def test_a_server_of_liberty_takes_reports_on_the_other_topic(cloud):
    server = cloud.serve(topics=["q-plugin"])
    agent = cloud.start_agent(agent=EVERY_SECOND)
    eventually(lambda: len(server.reports) >= 3, what="reports on q-plugin")
    assert "start_flag" in server.reports[0]["arguments"]["agent_state"]["agent_state"]
    assert not agent.lines("Failed reporting state!")


def test_a_topic_that_nobody_answers_any_more_is_left(cloud):
    """An upgrade backwards, or a policy that keeps the queue: it is there, and nobody listens."""
    gone = cloud.serve(topics=["q-reports-plugin"])
    gone.stop()
    server = cloud.serve(topics=["q-plugin"])
    agent = cloud.start_agent(agent=EVERY_SECOND)
    eventually(lambda: len(server.reports) >= 2, 15, "reports on q-plugin")
    agent.wait_for_log("Successfully reported state after a previous failure.")


def test_the_topic_can_be_set(cloud):
    both = cloud.serve(topics=["q-reports-plugin"])
    old = cloud.serve(topics=["q-plugin"])
    cloud.start_agent(agent=EVERY_SECOND, bellhop={"report_topic": "q-plugin"})
    eventually(lambda: len(old.reports) >= 2, what="reports on q-plugin")
    assert both.reports == []


def test_an_interval_of_zero_sends_none(cloud):
    server = cloud.serve()
    agent = cloud.start_agent(agent={"report_interval": 0})
    assert agent.ask().status == 200
    time.sleep(1)
    assert server.reports == []
    assert not agent.lines("eport", "state")


def test_a_failure_is_logged_and_so_is_its_end(cloud):
    agent = cloud.start_agent(agent=EVERY_SECOND)
    agent.wait_for_log("Failed reporting state!", 2)
    assert agent.lines("ERROR", "Failed reporting state!", "exchange neutron", cloud.vhost)
    server = cloud.serve()
    agent.wait_for_log("Successfully reported state after a previous failure.")
    eventually(lambda: len(server.reports) >= 3, what="reports")
    assert "start_flag" in server.reports[0]["arguments"]["agent_state"]["agent_state"]
    assert len(agent.lines("INFO", "Successfully reported state")) == 1


def test_a_server_that_takes_no_reports(cloud):
    server = cloud.serve(offers_report_state=False)
    agent = cloud.start_agent(agent=EVERY_SECOND)
    agent.wait_for_log("Neutron server does not support state report. State report for this agent will be disabled.")
    time.sleep(2.5)
    assert len(agent.lines("WARNING", "does not support state report")) == 1
    assert not agent.lines("Failed reporting state!")
    # Guests are served as ever.
    assert agent.ask().status == 200
    assert server.calls


def test_lookups_that_hang_hold_up_no_report(cloud):
    server = cloud.serve(hangs=True)
    agent = cloud.start_agent(agent=EVERY_SECOND, bellhop={"hold_seconds": 30})
    askings = [agent.ask_later(address=f"10.77.2.{n}") for n in range(30)]
    eventually(lambda: len(server.calls) >= 10, what="hanging lookups")
    count = len(server.reports)
    time.sleep(3.5)
    assert not any(each.is_over for each in askings)
    assert len(server.reports) - count >= 3
    server.change(hangs=False, ignores_filters=True, ports=[port(address=f"10.77.2.{n}") for n in range(30)])
    assert {each.answer().status for each in askings} == {200}


def test_reports_of_an_absent_server_wait_for_it_and_calls_do_not(cloud):
    server = cloud.serve()
    agent = cloud.start_agent(agent=EVERY_SECOND, bellhop={"hold_seconds": 1}, default={"rpc_response_timeout": 1})
    eventually(lambda: len(server.reports) >= 2, what="reports")
    server.stop()
    assert agent.ask().status == 503
    time.sleep(2)
    queues = cloud.queues
    assert queues["q-reports-plugin"]["messages"] >= 2
    # They have expired.
    eventually(lambda: cloud.queues["q-plugin"]["messages"] == 0, 5, "no old questions")
    later = cloud.serve()
    eventually(lambda: len(later.reports) >= 2, what="the reports that waited")
    assert later.calls == []


def test_reports_are_sent_with_an_inventory_too(cloud):
    inventory = cloud.folder / "lab.yaml"
    from Harness import lab

    inventory.write_text(lab.INVENTORY)
    server = cloud.serve()
    agent = cloud.start_agent(agent=EVERY_SECOND, bellhop={"inventory": inventory})
    eventually(lambda: len(server.reports) >= 2, what="reports")
    assert agent.ask().status == 200
    assert server.calls == []
