"""Between the agent and Nova: the exact request, and what each answer becomes for the guest."""

import gzip
import os
import random
import re
import socket
import threading
import time

import pytest

from Harness import lab, programs, servers, wire
from Harness.servers import CLOSE, Steps, reply
from Harness.wire import Client, exchange, get, request

PASSED = {200, 400, 403, 404, 409, 500, 502, 503, 504}

# MARK: The request


def test_nova_gets_exactly_these_headers(agent):
    agent.serve()
    agent.start()
    assert agent.ask("/openstack/latest/meta_data.json").status == 200
    got = agent.nova.last
    assert got.start == b"GET /openstack/latest/meta_data.json HTTP/1.1"
    assert got["Host"] == f"127.0.0.1:{agent.nova.port}"
    assert got["X-Forwarded-For"] == lab.WEB_IP
    assert got["X-Instance-ID"] == lab.WEB
    assert got["X-Tenant-ID"] == lab.PROJECT
    assert got["X-Instance-ID-Signature"] == lab.signature(lab.WEB)
    assert got.get("Accept-Encoding", "identity") == "identity"
    ours = {"x-forwarded-for", "x-instance-id", "x-tenant-id", "x-instance-id-signature"}
    assert got.names - {"host", "accept-encoding", "connection", "user-agent", "accept"} == ours


# Nova would believe an instance id, and take X-Metadata-Provider for a load balancer's request.
@pytest.mark.parametrize(
    "name",
    [
        "X-Instance-ID",
        "x-instance-id",
        "X_Instance_ID",
        "X-Instance-ID-Signature",
        "X-Tenant-ID",
        "X_TENANT_ID",
        "X-Metadata-Provider",
        "X_Metadata_Provider",
        "X-Metadata-Provider-Signature",
        "X-OVN-Network-ID",
        "X-Forwarded-Host",
        "Forwarded",
        "Content-Type",
        "Content-Encoding",
        "Accept",
        "Accept-Encoding",
        "Range",
        "If-None-Match",
        "Cookie",
        "Authorization",
        "Referer",
        "User-Agent",
        "Upgrade",
        "X-Anything",
    ],
)
def test_no_header_of_the_guest_reaches_nova(agent, name):
    agent.serve()
    agent.start()
    forged = [(name, "forged-value"), (name, "forged-again")]
    assert agent.ask("/", method="POST", body=b"x", more=forged).status == 200
    assert b"forged" not in agent.nova.last.head
    assert agent.nova.last.all("X-Instance-ID") == [lab.WEB]
    assert agent.nova.last.all("X-Tenant-ID") == [lab.PROJECT]


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/a%2Fb%20c",
        b"/%3F?x=%3D&y=%26",
        b"//openstack//x",
        b"/a/./../b",
        b"/?",
        b"/a?b?c",
        b"/a;b,c",
        b"/%00%ff",
    ],
    ids=lambda target: target.decode(),
)
def test_path_and_query_reach_nova_byte_for_byte(agent, target):
    agent.serve()
    agent.start()
    assert agent.ask(target).status == 200
    assert agent.nova.last.target == target


def test_an_absolute_target_loses_scheme_and_authority(agent):
    agent.serve()
    agent.start()
    assert agent.ask("http://169.254.169.254/latest/meta-data/?a").status == 200
    assert agent.nova.last.target == b"/latest/meta-data/?a"
    # Whom to ask is never the guest's choice.
    assert agent.ask("http://127.0.0.1:1/x").status == 200
    assert agent.nova.last.target == b"/x"
    assert agent.nova.last["Host"] == f"127.0.0.1:{agent.nova.port}"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_every_method_reaches_nova(agent, method):
    agent.serve(lambda m: reply(200, b"ok")[: -2 if m.method == "HEAD" else None])
    agent.start()
    assert agent.ask("/latest/api/token", method=method).status == 200
    assert agent.nova.last.method == method
    if method not in ("GET", "HEAD"):
        assert agent.nova.last["Content-Length"] == "0"


@pytest.mark.parametrize("size", [1, 1020, 70_000, 1_048_576])
def test_a_posted_body_reaches_nova_with_its_length(agent, size):
    agent.serve(lambda message: reply(200, str(len(message.body)).encode()))
    agent.start()
    body = random.Random(size).randbytes(size)
    assert agent.ask("/openstack/latest/password", method="POST", body=body).body == str(size).encode()
    assert agent.nova.last["Content-Length"] == str(size)
    assert agent.nova.last.body == body


def test_a_body_is_passed_on_while_it_still_arrives(agent):
    with socket.create_server(("127.0.0.1", 0)) as nova:
        nova.settimeout(10)
        agent.start(nova_metadata_port=nova.getsockname()[1])
        body = random.Random(6).randbytes(100_000)
        with Client(agent.socket) as proxy:
            proxy.send(request("/p", "POST", [*agent.headers(), ("Content-Length", "100000")]), body[:60_000])
            connected, _ = nova.accept()
            with connected:
                connected.settimeout(10)
                incoming = wire.Incoming(connected)
                assert b"Content-Length: 100000" in incoming.head()
                assert incoming.exactly(60_000) == body[:60_000], "before the guest has sent the rest"
                proxy.send(body[60_000:])
                assert incoming.exactly(40_000) == body[60_000:]
                connected.sendall(reply(200, b"done"))
                assert proxy.response().body == b"done"


# Since 2025.1 Neutron's agent passed the framing on as the body.
def test_a_chunked_body_is_decoded_for_nova(agent):
    agent.serve()
    agent.start()
    body = random.Random(5).randbytes(50_000)
    head = request("/", "POST", [*agent.headers(), ("Transfer-Encoding", "chunked")])
    assert exchange(agent.socket, head, servers.chunked(body, 1234)).status == 200
    assert agent.nova.last["Content-Length"] == "50000"
    assert agent.nova.last.all("Transfer-Encoding") == []
    assert agent.nova.last.body == body


# Since 2025.1 Neutron's agent lost a body that came in a segment of its own.
def test_a_body_in_a_later_segment_is_not_lost(agent):
    agent.serve()
    agent.start()
    head = request("/p", "POST", [*agent.headers(), ("Content-Length", "5")])
    assert exchange(agent.socket, head, b"he", b"llo", pause=0.1).status == 200
    assert agent.nova.last.body == b"hello"


def test_expect_100_continue_is_answered(agent):
    agent.serve()
    agent.start()
    with Client(agent.socket) as proxy:
        proxy.send(request("/p", "POST", [*agent.headers(), ("Content-Length", "5"), ("Expect", "100-continue")]))
        assert proxy.response(skip_informational=False).status == 100
        proxy.send(b"hello")
        assert proxy.response().status == 200
    assert agent.nova.last.body == b"hello"


def test_a_body_above_one_mebibyte_is_413_and_nova_hears_nothing(agent):
    agent.serve()
    agent.start()
    with Client(agent.socket) as proxy:
        proxy.send(request("/p", "POST", [*agent.headers(), ("Content-Length", "1048577")]))
        assert proxy.response().status == 413
    with Client(agent.socket) as proxy:
        proxy.send(request("/p", "POST", [*agent.headers(), ("Transfer-Encoding", "chunked")]))
        try:
            for _ in range(17):
                proxy.send(b"10000\r\n" + bytes(65_536) + b"\r\n")
        except OSError:
            pass
        assert proxy.response().status == 413
    assert agent.nova.requests == []


def test_a_large_head_of_haproxy_is_accepted(agent):
    """From 2025.1 on Neutron's agent read at most 4,096 bytes and lost the identity behind them."""
    agent.serve()
    agent.start()
    filler = [(f"X-Filler-{n}", "f" * 8_000) for n in range(7)]
    headers = [*filler, ("X-Forwarded-For", lab.WEB_IP), ("X-Neutron-Network-ID", lab.RED)]
    assert get(agent.socket, "/", headers).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.WEB
    assert get(agent.socket, "/", [*filler, *filler, *headers]).status == 431


# MARK: The answer


def test_every_status_of_nova_has_its_meaning(agent):
    """An unknown status once broke the code that reported it (Stein, LP 1790598)."""
    agent.serve(lambda message: answer_with(int(message.target[1:])))
    agent.start()
    got = {}
    with Client(agent.socket) as proxy:
        for status in range(200, 600):
            proxy.send(request(f"/{status}", headers=agent.headers()))
            answer = proxy.response()
            got[status] = answer.status
            if status in PASSED:
                assert answer.body == b"body of %d" % status
                assert answer["Content-Type"] == "text/x-nova"
            else:
                assert b"body of" not in answer.body
    assert got == {status: status if status in PASSED else 500 for status in range(200, 600)}


def answer_with(status):
    headers = {"Content-Type": "text/x-nova", "Location": "http://127.0.0.1:1/stolen", "Set-Cookie": "s=1"}
    if status in (204, 304):
        return reply(status, b"", headers, length=False)
    return reply(status, b"body of %d" % status, headers)


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_interim_answers_are_skipped(agent, status):
    agent.serve(Steps(f"HTTP/1.1 {status} Interim\r\nX: y\r\n\r\n".encode(), 0.05, reply(200, b"final")))
    agent.start()
    assert agent.ask().body == b"final"


def test_switching_protocols_is_no_answer(agent):
    agent.serve(Steps(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", 0.2, CLOSE))
    agent.start()
    assert agent.ask().status in (500, 502)


# The signature would travel along.
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(agent, status):
    with servers.ScriptedServer() as thief:
        agent.serve(reply(status, b"", {"Location": f"http://127.0.0.1:{thief.port}/"}))
        agent.start()
        assert agent.ask().status == 500
        assert thief.requests == [] and thief.connections == 0


def test_only_type_length_and_retry_after_of_nova_pass(agent):
    agent.serve(
        reply(200, b"x", {"Content-Type": "a/b", "Server": "nova", "Set-Cookie": "c", "X-Secret": "s", "ETag": "e"})
    )
    agent.start()
    answer = agent.ask()
    assert answer.names <= {"content-type", "content-length", "date", "connection"}


def test_a_200_without_content_type_stays_without(agent):
    agent.serve(reply(200, b"text", headers={}))
    agent.start()
    answer = agent.ask()
    assert answer.body == b"text" and answer.get("Content-Type") is None


# An empty body once left the head without its end (2025.1, LP 2097273).
@pytest.mark.parametrize("status", [200, 404, 500])
def test_an_empty_body_is_a_complete_answer(agent, status):
    agent.serve(reply(status, b""))
    agent.start()
    with Client(agent.socket) as proxy:
        for _ in range(2):
            proxy.send(request("/", headers=agent.headers()))
            answer = proxy.response()
            assert answer.status == status and answer.body == b"" and answer["Content-Length"] == "0"


# Binary user data became 502, gzip was unpacked on the way (2025.1 to 2026.2, LP 2120723, LP 2156587).
@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("every byte", "text/plain; charset=UTF-8"),
        ("every byte", "application/octet-stream"),
        ("gzip", "text/plain"),
        ("gzip magic", "text/plain; charset=UTF-8"),
        ("broken UTF-8", "application/json"),
    ],
)
def test_bytes_in_are_bytes_out(agent, kind, content_type):
    body = {
        "every byte": bytes(range(256)) * 3,
        "gzip": gzip.compress(b"#cloud-config\n" * 1000),
        "gzip magic": b"\x1f\x8b\x08",
        "broken UTF-8": b"\xc3\x28\xff\xfe\x00",
    }[kind]
    agent.serve(reply(200, body, {"Content-Type": content_type}))
    agent.start("--debug")
    answer = agent.ask("/latest/user-data")
    assert answer.body == body
    assert answer["Content-Type"] == content_type


# Debian's nova metadata under uwsgi answers so.
def test_an_answer_that_ends_with_the_connection_is_passed_whole(agent):
    body = random.Random(9).randbytes(300_000)
    agent.serve(Steps(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n", body, CLOSE))
    agent.start()
    with Client(agent.socket) as proxy:
        for _ in range(3):
            proxy.send(request("/", headers=agent.headers()))
            assert proxy.response().body == body


def test_a_chunked_answer_is_passed_whole(agent):
    body = random.Random(10).randbytes(300_000)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    agent.serve(Steps(head, servers.chunked(body, 4321)[:-2], b"Trailer: t\r\n\r\n"))
    agent.start()
    with Client(agent.socket) as proxy:
        for _ in range(3):
            proxy.send(request("/", headers=agent.headers()))
            assert proxy.response().body == body
    assert agent.nova.connections == 1, "after a chunked answer the connection can be used again"


def test_an_answer_in_single_bytes_is_understood(agent):
    whole = reply(200, b"slowly")
    agent.serve(Steps(*[step for i in range(len(whole)) for step in (whole[i : i + 1], 0.002)]))
    agent.start()
    assert agent.ask().body == b"slowly"


def test_bare_line_feeds_of_the_backend_are_tolerated(agent):
    agent.serve(b"HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 2\n\nok")
    agent.start()
    assert agent.ask().body == b"ok"


def test_fifty_megabytes_are_streamed_within_little_memory(agent):
    size, piece = 50_000_000, random.Random(3).randbytes(1_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % size
    agent.serve(Steps(head, *[piece] * (size // len(piece))))
    agent.start()
    agent.ask("/warm")
    before = agent.program.status_kib("VmHWM")
    with Client(agent.socket) as proxy:
        proxy.send(request("/", headers=agent.headers()))
        time.sleep(1)  # a guest that does not read at first: Nova must be made to wait
        assert proxy.response().body == piece * 50
    assert agent.program.status_kib("VmHWM") - before < 16_000


# MARK: Nova is away, slow, or breaks


def test_nova_refusing_the_signature_is_403_and_a_warning(agent):
    agent.serve(reply(403, b"Invalid proxy request signature."))
    agent.start()
    assert agent.ask().status == 403
    warnings = [line for line in agent.log_text.splitlines() if "WARNING" in line and "shared secrets" in line]
    assert len(warnings) == 1
    assert lab.signature(lab.WEB) not in agent.log_text


def test_nova_away_is_held_and_then_503(agent):
    agent.start(bellhop={"hold_seconds": 0.5}, nova_metadata_port=wire.free_port())
    before = time.monotonic()
    answer = agent.ask()
    held = time.monotonic() - before
    assert answer.status == 503
    assert int(answer["Retry-After"]) >= 1
    assert 0.4 <= held < 3


def test_a_held_request_is_answered_when_nova_comes(agent):
    port = wire.free_port()
    agent.start(bellhop={"hold_seconds": 8}, nova_metadata_port=port)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(agent.ask())) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.6)
    assert answers == []
    agent.serve(port=port)
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 5


def test_a_held_post_is_sent_once_nova_comes(agent):
    port = wire.free_port()
    agent.start(bellhop={"hold_seconds": 8}, nova_metadata_port=port)
    threading.Timer(0.5, lambda: agent.serve(port=port)).start()
    assert agent.ask("/password", method="POST", body=b"cipher").status == 200
    assert [message.body for message in agent.nova.requests] == [b"cipher"]


def test_nova_silent_for_too_long_is_504(agent):
    agent.serve(lambda message: Steps(3 if message.target == b"/slow" else 0, reply(200)))
    agent.start(bellhop={"nova_timeout_seconds": 0.6})
    before = time.monotonic()
    assert agent.ask("/slow").status == 504
    assert 0.5 <= time.monotonic() - before < 2.5
    assert agent.ask("/fast").status == 200


@pytest.mark.parametrize("part", ["head", "body"])
def test_nova_that_goes_on_sending_is_not_timed_out(agent, part):
    whole = reply(200, b"0123456789")
    start = 0 if part == "head" else len(whole) - 10
    pieces = [
        whole[i : i + 12 if part == "head" else i + 1] for i in range(start, len(whole), 12 if part == "head" else 1)
    ]
    agent.serve(Steps(whole[:start], *[step for piece in pieces for step in (piece, 0.25)]))
    agent.start(bellhop={"nova_timeout_seconds": 0.8})
    assert agent.ask().body == b"0123456789"


@pytest.mark.parametrize(
    "answer",
    [
        Steps(CLOSE),
        Steps(b"HTTP/1.1 200 OK\r\nContent-", CLOSE),
        Steps(b"SSH-2.0-OpenSSH_9\r\n", CLOSE),
        Steps(b"HTTP/1.1 abc OK\r\n\r\n", CLOSE),
        Steps(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", CLOSE),
        Steps(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", CLOSE),
        Steps(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 300_000, CLOSE),
        Steps(os.urandom(2000), CLOSE),
    ],
    ids=["nothing", "cut", "no HTTP", "status", "length", "coding", "endless head", "noise"],
)
def test_a_broken_answer_is_502_and_the_agent_goes_on(agent, answer):
    agent.serve(lambda message: answer if message.target == b"/bad" else reply(200))
    agent.start()
    assert agent.ask("/bad", method="POST").status == 502
    assert agent.ask("/good").status == 200


def test_an_answer_cut_in_its_body_is_never_taken_for_whole(agent):
    agent.serve(Steps(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", CLOSE))
    agent.start()
    try:
        assert agent.ask().status == 502
    except (AssertionError, ConnectionError) as failure:
        assert "ended" in str(failure) or isinstance(failure, ConnectionError)


def test_a_chunked_answer_cut_in_the_middle_is_never_taken_for_whole(agent):
    agent.serve(Steps(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", 0.2, CLOSE))
    agent.start()
    try:
        assert agent.ask().status == 502
    except (AssertionError, ConnectionError) as failure:
        assert "ended" in str(failure) or isinstance(failure, ConnectionError)


# MARK: Connections to Nova


def test_connections_to_nova_are_kept_and_used_again(agent):
    agent.serve()
    agent.start()
    for _ in range(10):
        assert agent.ask().status == 200
    assert agent.nova.connections == 1


def test_a_kept_connection_that_nova_has_closed_is_no_error_for_a_get(agent):
    agent.serve()
    agent.start()
    for _ in range(5):
        assert agent.ask().status == 200
        agent.nova.close_connections()
    assert agent.nova.connections == 5


def test_a_get_on_a_connection_that_dies_meanwhile_is_sent_again(agent):
    """Nova may close an idle connection at the very moment at which a request is on its way."""
    state = {"fail": False}

    def answer(message):
        if state["fail"]:
            state["fail"] = False
            return Steps(CLOSE)
        return reply(200, b"second try")

    agent.serve(answer)
    agent.start()
    assert agent.ask().status == 200
    state["fail"] = True
    assert agent.ask("/again").body == b"second try"


def test_a_post_on_a_connection_that_dies_meanwhile_is_not_sent_twice(agent):
    """The password is stored by the first one; a second would be refused."""

    def answer(message):
        if message.method == "POST":
            return Steps(CLOSE)
        return reply(200)

    agent.serve(answer)
    agent.start()
    assert agent.ask().status == 200
    assert agent.ask("/password", method="POST", body=b"cipher").status == 502
    assert [m.method for m in agent.nova.requests].count("POST") == 1


def test_connection_close_of_nova_is_obeyed(agent):
    agent.serve(Steps(reply(200, b"x", {"Connection": "close"}), CLOSE))
    agent.start()
    for _ in range(3):
        assert agent.ask().body == b"x"
    assert agent.nova.connections == 3


def test_one_slow_guest_makes_nobody_else_wait(agent):
    """metadata_workers=0 was strictly serial in Neutron 2025.1; one worker is enough here."""
    agent.serve(lambda message: Steps(4 if message.target == b"/slow" else 0, reply(200)))
    agent.start(metadata_workers=0)
    slow = threading.Thread(target=lambda: agent.ask("/slow"))
    slow.start()
    time.sleep(0.2)
    before = time.monotonic()
    for _ in range(50):
        assert agent.ask("/fast").status == 200
    assert time.monotonic() - before < 3
    slow.join()


def test_two_hundred_guests_at_once_are_served_together(agent):
    agent.serve(lambda _: Steps(1.0, reply(200)))
    agent.start(metadata_workers=2)
    statuses = []

    def ask():
        statuses.append(agent.ask(timeout=30).status)

    threads = [threading.Thread(target=ask) for _ in range(200)]
    before = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200
    assert time.monotonic() - before < 15, "one after another would take 200 s"


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_any_number_of_workers_serves(agent, workers):
    agent.serve()
    agent.start(metadata_workers=workers)
    assert [agent.ask().status for _ in range(20)] == [200] * 20
    threads = len(os.listdir(f"/proc/{agent.program.pid}/task"))
    assert threads >= max(workers, 1)


def test_an_ipv6_literal_of_nova_is_put_in_brackets(agent):
    try:
        agent.serve(host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    agent.start(nova_metadata_host="::1")
    assert agent.ask().status == 200
    assert agent.nova.last["Host"] == f"[::1]:{agent.nova.port}"


def test_a_name_of_nova_is_resolved(agent):
    agent.serve()
    agent.start(nova_metadata_host="localhost", bellhop={"hold_seconds": 3})
    assert agent.ask().status == 200
    assert re.match(r"localhost:\d+$", agent.nova.last["Host"])


def test_a_name_that_does_not_exist_is_503(agent):
    agent.start(nova_metadata_host="nova.invalid", bellhop={"hold_seconds": 0.2})
    assert agent.ask(timeout=30).status == 503


def test_proxies_of_the_environment_are_not_used(agent):
    with servers.ScriptedServer(reply(200, b"from the proxy")) as other:
        agent.serve()
        url = f"http://127.0.0.1:{other.port}"
        agent.start(environment={"http_proxy": url, "HTTP_PROXY": url, "ALL_PROXY": url})
        assert agent.ask().body == b"hello"
        assert other.requests == []


def test_guests_that_go_away_leave_no_descriptor_behind(agent):
    agent.serve(Steps(0.3, reply(200, b"x" * 50_000)))
    agent.start()
    agent.ask()

    def count():
        return len(os.listdir(f"/proc/{agent.program.pid}/fd"))

    before = count()
    for _ in range(60):
        proxy = Client(agent.socket)
        proxy.send(request("/", headers=agent.headers()))
        proxy.close()
    # Connections to Nova may be kept for the next request; guests' may not.
    programs.eventually(lambda: count() <= before + 65, 15, "the end of abandoned requests")
    assert agent.ask().status == 200
