"""One question and its answers: what goes over the wire, and everything that may come back."""

import json
import re
import threading
import uuid

import pytest
from cloud import ROUTER, NeutronAPI, is_reply_queue, port
from Harness import lab, servers
from Harness.neutron_server import NeutronServers
from Harness.programs import eventually

JUNO = "oslo.messaging.rpc.dispatcher"
KILO = "oslo_messaging.rpc.dispatcher"


def failure(kind, module, message):
    """An exception as oslo.messaging writes it."""
    trace = ["Traceback (most recent call last):\n", f"{kind}: {message}\n"]
    content = {"class": kind, "module": module, "message": message, "tb": trace, "args": [message], "kwargs": {}}
    return json.dumps(content)


def test_the_request_on_the_wire(cloud):
    server = cloud.serve_raw(lambda request: request.reply(result=[port()]))
    agent = cloud.start_agent()
    for _ in range(2):
        assert agent.ask().status == 200
    first, second = server.requests
    assert first.delivery["exchange"] == "neutron"
    assert first.delivery["routing_key"] == "q-plugin"
    assert first.properties["content_type"] == "application/json"
    assert first.properties["content_encoding"] == "utf-8"
    assert first.properties["delivery_mode"] == 2
    assert 1 <= int(first.properties["expiration"]) <= 30_000
    assert set(first.envelope) == {"oslo.version", "oslo.message"}
    assert first.envelope["oslo.version"] == "2.0"
    plain = {key: value for key, value in first.inner.items() if not key.startswith("_")}
    filters = {"network_id": [lab.RED], "fixed_ips": {"ip_address": [lab.WEB_IP]}}
    assert plain == {"method": "get_ports", "version": "1.0", "args": {"filters": filters}}
    assert first.inner["_timeout"] is None
    assert is_reply_queue(first.reply_queue)
    assert first.reply_queue == second.reply_queue
    for name in ("_msg_id", "_unique_id"):
        assert re.fullmatch("[0-9a-f]{32}", first.inner[name])
        assert first.inner[name] != second.inner[name]
    assert first.inner["_context_is_admin"] is True
    assert first.inner["_context_read_deleted"] == "no"
    assert "_context_load_admin_roles" not in first.inner
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", first.inner["_context_timestamp"])


def test_a_router_costs_two_questions(cloud):
    interface = port(instance=ROUTER, address="10.77.0.1", device_owner="network:router_interface")
    server = cloud.serve(ports=[port(), interface, port(instance=lab.TWIN, network=lab.BLUE)])
    agent = cloud.start_agent()
    assert agent.ask(network=None, router=ROUTER).status == 200
    assert cloud.nova.last["X-Instance-ID"] == lab.WEB
    first, second = (call["arguments"]["filters"] for call in server.calls)
    assert set(first) == {"device_id", "device_owner"}
    assert second == {"network_id": [lab.RED], "fixed_ips": {"ip_address": [lab.WEB_IP]}}
    assert len({call["context"]["request_id"] for call in server.calls}) == 1


def test_null_means_no_ports(cloud):
    server = cloud.serve(says_null=True)
    agent = cloud.start_agent(bellhop={"hold_seconds": 0})
    assert agent.ask().status == 404
    assert len(server.calls) == 1
    assert not agent.lines("Looking up instances fails")


def test_ten_thousand_ports_in_one_reply(cloud):
    others = [port(instance=str(uuid.uuid4()), address=f"10.{n // 250}.{n % 250}.7") for n in range(10_000)]
    cloud.serve(ports=[*others, port()], ignores_filters=True)
    agent = cloud.start_agent()
    assert agent.ask().status == 200
    assert cloud.nova.last["X-Instance-ID"] == lab.WEB
    assert agent.lines("Ports by RPC", "ports=10001")


def test_compressed_replies(cloud):
    cloud.serve(query="?kombu_compression=gzip")
    assert cloud.start_agent().ask().status == 200


def test_a_compression_that_we_lack_is_named(cloud):
    cloud.serve(query="?kombu_compression=bzip2")
    agent = cloud.start_agent(bellhop={"hold_seconds": 1}, default={"rpc_response_timeout": 2})
    assert agent.ask().status == 503
    assert agent.lines("ERROR", "application/x-bz2", "kombu_compression")


def test_a_prefetch_count(cloud):
    cloud.serve()
    agent = cloud.start_agent(rabbit={"rabbit_qos_prefetch_count": 1})
    askings = [agent.ask_later(address=f"10.77.3.{n}") for n in range(20)] + [agent.ask_later()]
    assert askings[-1].answer().status == 200
    assert {each.answer().status for each in askings[:-1]} == {404}


def test_a_hundred_guests_at_once(cloud):
    addresses = [f"10.77.1.{n}" for n in range(1, 101)]
    cloud.serve(ports=[port(instance=f"instance-{address}", address=address) for address in addresses], delay=0.2)
    agent = cloud.start_agent()
    answers = [(address, agent.ask_later(address=address)) for address in addresses]
    assert [each.answer().status for _, each in answers] == [200] * 100
    assert {message["X-Instance-ID"] for message in cloud.nova.requests} == {f"instance-{a}" for a in addresses}
    eventually(lambda: cloud.messages() == 0, what="empty queues")


# MARK: Servers of old


@pytest.mark.parametrize("way", ["its direct exchange", "the default exchange"])
def test_a_reply_in_two_messages(cloud, way):
    """Juno to Liberty: the result, and then an empty message that ends it."""

    def respond(request):
        exchange = request.reply_queue if way == "its direct exchange" else ""
        request.reply(exchange, result=[port()], ending=False)
        request.reply(exchange, result=None, ending=True)

    server = cloud.serve_raw(respond)
    agent = cloud.start_agent()
    for _ in range(3):
        assert agent.ask().status == 200
    assert len(server.requests) == 3
    assert not agent.lines("ERROR")


def test_the_first_message_may_lack_ending(cloud):
    def respond(request):
        inner = {"result": [port()], "failure": None, "_msg_id": request.inner["_msg_id"], "_unique_id": uuid.uuid4().hex}
        request.send(json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}), request.reply_queue)
        request.reply(request.reply_queue, result=None)

    cloud.serve_raw(respond)
    assert cloud.start_agent().ask().status == 200


def test_a_reply_without_an_envelope(cloud):
    def respond(request):
        request.send(json.dumps({"result": [port()], "failure": None, "ending": True, "_msg_id": request.inner["_msg_id"]}))

    cloud.serve_raw(respond)
    assert cloud.start_agent().ask().status == 200


# MARK: Errors of the server's


def test_an_exception_is_500_and_one_line(cloud):
    server = cloud.serve(fails="the database is on fire")
    agent = cloud.start_agent()
    for _ in range(3):
        assert agent.ask().status == 500
    assert cloud.nova.requests == []
    [line] = agent.lines("WARNING", "Looking up instances fails")
    assert "PluginFailure" in line
    assert "the database is on fire" in line
    assert "Traceback" not in agent.log_text
    server.change(fails=None)
    eventually(lambda: agent.ask().status == 200, 10, "an answer after the server recovered")
    agent.wait_for_log("Looking up instances works again")


def test_an_exception_with_a_long_text_and_other_letters(cloud):
    cloud.serve(fails="schön\n" + "x" * 100_000)
    agent = cloud.start_agent()
    assert agent.ask().status == 500
    assert max(len(line) for line in agent.log_text.splitlines()) < 3000


def test_an_exception_is_no_reason_for_rest(cloud):
    cloud.serve(fails="no")
    with NeutronAPI() as api:
        agent = cloud.start_agent(default=api.options)
        assert agent.ask().status == 500
        assert api.requests == []


@pytest.mark.parametrize("lack", [{"offers_get_ports": False}, {"version": "2.0"}], ids=str)
def test_a_server_without_the_method_and_no_rest(cloud, lack):
    cloud.serve(**lack)
    agent = cloud.start_agent(bellhop={"hold_seconds": 2})
    assert agent.ask().status == 500
    [line] = agent.lines("WARNING", "Looking up instances fails")
    assert "does not offer get_ports" in line
    assert "auth_url" in line


def test_a_server_without_the_method_is_asked_by_rest_from_then_on(cloud):
    cloud.serve(offers_get_ports=False)
    with NeutronAPI() as api:
        agent = cloud.start_agent(default=api.options)
        assert agent.ask().status == 200
        assert agent.ask().status == 200
        assert len(api.requests) == 2
        [line] = agent.lines("WARNING", "fallback to using neutron client")
        assert "Server does not support metadata RPC" in line


@pytest.mark.parametrize("module", [JUNO, KILO])
def test_a_server_of_juno_is_asked_over_the_bus_once(cloud, module):
    def respond(request):
        text = failure("NoSuchMethod", module, "Endpoint does not support RPC method get_ports")
        request.reply(request.reply_queue, failure=text, ending=False)
        request.reply(request.reply_queue)

    server = cloud.serve_raw(respond)
    with NeutronAPI() as api:
        agent = cloud.start_agent(default=api.options)
        for _ in range(4):
            assert agent.ask().status == 200
        assert len(server.requests) == 1
        assert len(api.requests) == 4


def test_a_method_of_that_name_in_the_plugin_is_an_error_like_any_other(cloud):
    text = failure("NoSuchMethod", "vendor.plugin", "inner")
    cloud.serve_raw(lambda request: request.reply(failure=text))
    with NeutronAPI() as api:
        agent = cloud.start_agent(default=api.options)
        assert agent.ask().status == 500
        assert api.requests == []


# MARK: What should not come


def malformed(request):
    """Replies that no client can use, one after another."""
    good = {"result": [port(instance=lab.TWIN)], "failure": None, "ending": True, "_msg_id": request.inner["_msg_id"]}
    yield b"\x00\xff garbage \xfe"
    yield b""
    yield b"[]"
    yield b"null"
    yield b"{}"
    yield b'{"oslo.version": "2.0"}'
    yield b'{"oslo.version": "2.0", "oslo.message": "no JSON"}'
    yield b'{"oslo.version": "2.0", "oslo.message": {}}'
    yield b'{"oslo.version": "2.0", "oslo.message": "[1, 2]"}'
    yield b"[" * 100_000
    yield json.dumps({"oslo.version": "3.0", "oslo.message": json.dumps(good)}).encode()
    yield json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps({**good, "_msg_id": None})}).encode()
    yield json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps({**good, "_msg_id": 5})}).encode()
    yield json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps({**good, "_msg_id": uuid.uuid4().hex})}).encode()
    yield json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps({**good, "ending": "soon"})}).encode()
    yield json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps({**good, "failure": ["no"]})}).encode()


def test_malformed_replies_do_no_harm(cloud):
    counts = []

    def respond(request):
        bodies = list(malformed(request))
        counts.append(len(bodies))
        for body in bodies:
            request.send(body)
        request.reply(result=[port()])

    server = cloud.serve_raw(respond)
    agent = cloud.start_agent()
    for _ in range(3):
        assert agent.ask().status == 200
    assert {message["X-Instance-ID"] for message in cloud.nova.requests} == {lab.WEB}
    assert len(server.requests) == 3
    assert len(agent.lines("ERROR", "Reply dropped")) >= 3 * (counts[0] - 1)
    assert not agent.lines("Reconnected")
    eventually(lambda: cloud.messages() == 0, what="an empty reply queue")


@pytest.mark.parametrize(
    "result", [7, "ports", {"ports": []}, [7], [{"device_id": 5}], [None], [[]]], ids=lambda result: json.dumps(result)
)
def test_a_result_that_is_no_list_of_ports_is_500(cloud, result):
    server = cloud.serve_raw(lambda request: request.reply(result=result))
    agent = cloud.start_agent(bellhop={"hold_seconds": 0})
    assert agent.ask().status in (404, 500)
    assert cloud.nova.requests == []
    assert len(server.requests) == 1
    assert agent.program.process.poll() is None


def test_a_huge_reply_is_dropped_and_the_next_one_read(cloud):
    def respond(request):
        request.send(b"x" * (65 << 20))
        request.reply(result=[port()])

    cloud.serve_raw(respond)
    agent = cloud.start_agent()
    assert agent.ask().status == 200
    assert agent.lines("ERROR", "Reply larger than")
    assert agent.program.status_kib("VmHWM") < 150_000
    eventually(lambda: cloud.messages() == 0, what="an empty reply queue")


def test_a_reply_that_comes_twice(cloud):
    def respond(request):
        name = uuid.uuid4().hex
        for _ in range(3):
            request.reply(result=[port()], _unique_id=name)

    server = cloud.serve_raw(respond)
    agent = cloud.start_agent()
    for _ in range(3):
        assert agent.ask().status == 200
    assert len(server.requests) == 3
    agent.wait_for_log("Reply delivered twice, dropped", 6)
    assert not agent.lines("ERROR")


def test_answers_in_another_order_find_their_guests(cloud):
    kept = []

    def respond(request):
        kept.append(request)
        if len(kept) == 10:
            for each in reversed(kept):
                [address] = each.inner["args"]["filters"]["fixed_ips"]["ip_address"]
                each.reply(result=[port(instance=f"instance-{address}", address=address)])

    cloud.serve_raw(respond)
    agent = cloud.start_agent()
    cloud.nova.answer = lambda message: servers.reply(200, message["X-Instance-ID"].encode())
    answers = {address: agent.ask_later(address=address) for address in [f"10.77.1.{n}" for n in range(10)]}
    for address, each in answers.items():
        assert each.answer().body.decode() == f"instance-{address}"


# MARK: Servers that die


def test_a_server_that_takes_the_request_and_dies(cloud):
    taken = []

    def respond(request):
        taken.append(request)
        if len(taken) > 1:
            request.reply(result=[port()])

    cloud.serve_raw(respond)
    agent = cloud.start_agent()
    asking = agent.ask_later()
    assert asking.answer().status == 200
    assert asking.seconds < 8.5
    assert len(taken) == 2
    # The same call, put again under a name of its own: a server that is merely slow may answer both.
    assert taken[0].inner["_msg_id"] == taken[1].inner["_msg_id"]
    assert taken[0].inner["_unique_id"] != taken[1].inner["_unique_id"]


def test_a_process_that_is_killed_with_the_request(cloud, tmp_path):
    processes = NeutronServers(tmp_path)
    doomed = cloud.serve(processes=processes, hangs=True)
    agent = cloud.start_agent()
    asking = agent.ask_later()
    eventually(lambda: doomed.calls, what="the call at the server")
    processes.kill()
    cloud.serve()
    assert asking.answer().status == 200
    assert asking.seconds < 8.5


def test_equal_questions_of_many_guests_wait_for_one_reply(cloud):
    gate = threading.Event()
    threads = []

    def respond(request):
        def later():
            gate.wait(10)
            request.reply(result=[port()])

        threads.append(threading.Thread(target=later))
        threads[-1].start()

    server = cloud.serve_raw(respond)
    agent = cloud.start_agent()
    askings = [agent.ask_later() for _ in range(20)]
    eventually(lambda: server.requests, what="the request")
    gate.set()
    assert [each.answer().status for each in askings] == [200] * 20
    assert len(server.requests) <= 3
    for thread in threads:
        thread.join()
