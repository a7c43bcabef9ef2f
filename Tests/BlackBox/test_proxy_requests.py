"""What the namespace proxy makes of a guest's bytes, and of the agent's answers."""

import gzip
import os
import random
import signal
import threading
import time

import pytest

from Harness import lab, programs, servers
from Harness.servers import CLOSE, Steps, reply
from Harness.wire import Client, exchange, get, request

# Ours, and what HTTP itself needs between two hops.
ALLOWED = {"host", "x-forwarded-for", "x-neutron-network-id", "accept-encoding", "connection", "content-length"}

IDENTITY_HEADERS = [
    "X-Forwarded-For",
    "X-Neutron-Network-ID",
    "X-Neutron-Router-ID",
    "X-OVN-Network-ID",
    "X-Instance-ID",
    "X-Instance-ID-Signature",
    "X-Tenant-ID",
    "X-Metadata-Provider",
    "X-Metadata-Provider-Signature",
]


def spellings(name):
    """As is, with underscores (which Python front ends fold together with dashes), and in odd case."""
    return [name, name.replace("-", "_"), name.lower(), name.upper().replace("-", "_"), name.swapcase()]


def echo(message):
    return reply(200, message.method.encode() + b" " + message.target + b" " + message.body)


# MARK: The head that the agent gets


def test_the_agent_gets_the_request_line_and_only_our_headers(proxy):
    agent = proxy.serve()
    proxy.start()
    headers = [("User-Agent", "curl"), ("Accept", "*/*"), ("Cookie", "a=b"), ("Range", "bytes=0-1"), ("Foo", "bar")]
    assert get(proxy.where, "/latest/meta-data/?x=1&y=%2F", headers).status == 200
    assert agent.last.start == b"GET /latest/meta-data/?x=1&y=%2F HTTP/1.1"
    assert agent.last.names <= ALLOWED
    assert agent.last["X-Forwarded-For"] == "127.0.0.1"
    assert agent.last["X-Neutron-Network-ID"] == lab.RED


# A guest could name another network (Ussuri, LP 1865036) or another instance.
@pytest.mark.parametrize("name", IDENTITY_HEADERS)
def test_an_identity_header_of_the_guest_never_passes(proxy, name):
    agent = proxy.serve()
    proxy.start()
    forged = [(spelling, "10.9.9.9") for spelling in spellings(name)] + [(name, "second")]
    assert get(proxy.where, "/", forged).status == 200
    assert b"10.9.9.9" not in agent.last.head and b"second" not in agent.last.head
    assert agent.last.all("X-Forwarded-For") == ["127.0.0.1"]
    assert agent.last.all("X-Neutron-Network-ID") == [lab.RED]
    assert agent.last.names <= ALLOWED


def test_the_forwarded_address_is_the_peer_of_the_connection(proxy):
    agent = proxy.serve()
    proxy.start()
    for address in ("127.0.0.2", "127.1.2.3"):
        assert get(proxy.where, "/", {"X-Forwarded-For": "10.1.1.1"}, source=address).status == 200
        assert agent.last.all("X-Forwarded-For") == [address]


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/a%2Fb%20c",
        b"/%3F?%3D=%26",
        b"//openstack",
        b"/a/../b",
        b"/?",
        b"/a?b?c",
        b"/a;b=c,d",
        b"/" + b"x" * 8000,
    ],
    ids=lambda target: target[:20].decode(),
)
def test_path_and_query_pass_byte_for_byte(proxy, target):
    agent = proxy.serve()
    proxy.start()
    assert get(proxy.where, target).status == 200
    assert agent.last.target == target


def test_an_absolute_target_loses_scheme_and_authority(proxy):
    agent = proxy.serve()
    proxy.start()
    assert get(proxy.where, "http://169.254.169.254/latest?a=b").status == 200
    assert agent.last.target == b"/latest?a=b"
    assert get(proxy.where, "http://169.254.169.254:80").status == 200
    assert agent.last.target == b"/"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_every_method_passes(proxy, method):
    agent = proxy.serve(echo)
    proxy.start()
    assert get(proxy.where, "/m", method=method).body == method.encode() + b" /m "
    assert agent.last.method == method


def test_connect_is_answered_405(proxy):
    agent = proxy.serve()
    proxy.start()
    assert exchange(proxy.where, request("example.org:443", "CONNECT")).status == 405
    assert not agent.requests


# MARK: Connections


def test_one_connection_serves_many_requests(proxy):
    agent = proxy.serve(echo)
    proxy.start()
    with Client(proxy.where) as guest:
        for number in range(20):
            guest.send(request(f"/{number}"))
            assert guest.response().body == f"GET /{number} ".encode()
    assert agent.connections == 1, "the connection to the agent is kept as well"


def test_pipelined_requests_are_answered_in_their_order(proxy):
    proxy.serve(lambda message: Steps(0.2 if message.target == b"/0" else 0, echo(message)))
    proxy.start()
    with Client(proxy.where) as guest:
        guest.send(b"".join(request(f"/{number}") for number in range(10)))
        assert [guest.response().body for _ in range(10)] == [f"GET /{number} ".encode() for number in range(10)]


def test_pipelined_bodies_do_not_run_into_each_other(proxy):
    proxy.serve(echo)
    proxy.start()
    chunked = request("/c", "POST", {"Transfer-Encoding": "chunked"}) + b"3\r\nabc\r\n0\r\n\r\n"
    with Client(proxy.where) as guest:
        guest.send(request("/a", "POST", body=b"GET /smuggled HTTP/1.1\r\n\r\n") + chunked + request("/d"))
        assert guest.response().body == b"POST /a GET /smuggled HTTP/1.1\r\n\r\n"
        assert guest.response().body == b"POST /c abc"
        assert guest.response().body == b"GET /d "


def test_connection_close_is_obeyed(proxy):
    proxy.serve()
    proxy.start()
    with Client(proxy.where) as guest:
        guest.send(request("/", headers={"Connection": "close"}))
        assert guest.response().status == 200
        assert guest.is_closed()


def test_http_10_closes_unless_asked_otherwise(proxy):
    proxy.serve()
    proxy.start()
    with Client(proxy.where) as guest:
        guest.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = guest.response()
        assert answer["Connection"].lower() == "keep-alive"
        guest.send(b"GET / HTTP/1.0\r\n\r\n")
        answer = guest.response()
        assert answer.status == 200 and answer.body == b"hello"
        assert guest.is_closed()


def test_a_guest_that_stops_sending_still_gets_its_answer(proxy):
    """Some clients shut down their sending side after the request."""
    proxy.serve(Steps(0.3, reply(body=b"late")))
    proxy.start()
    with Client(proxy.where) as guest:
        guest.send(request("/"))
        guest.socket.shutdown(1)
        assert guest.response().body == b"late"


@pytest.mark.parametrize("seed", range(3))
def test_a_request_in_any_pieces_is_the_same_request(proxy, seed):
    proxy.serve(echo)
    proxy.start()
    random_numbers = random.Random(seed)
    whole = (
        request("/one", "POST", body=b"12345")
        + request("/two")
        + request("/three", "POST", {"Transfer-Encoding": "chunked"})
        + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
    )
    cuts = sorted(random_numbers.sample(range(1, len(whole)), 40))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)])]
    with Client(proxy.where) as guest:
        guest.send(*pieces, pause=0.002)
        assert guest.response().body == b"POST /one 12345"
        assert guest.response().body == b"GET /two "
        assert guest.response().body == b"POST /three abcde"


def test_a_request_byte_by_byte_is_understood(proxy):
    proxy.serve(echo)
    proxy.start()
    whole = request("/slow", "POST", body=b"xyz")
    assert exchange(proxy.where, *[whole[i : i + 1] for i in range(len(whole))], pause=0.001).body == b"POST /slow xyz"


# MARK: Bodies of requests


@pytest.mark.parametrize("size", [0, 1, 1020, 65_536, 1_048_576])
def test_a_posted_body_arrives_bit_for_bit(proxy, size):
    agent = proxy.serve(lambda message: reply(200, str(len(message.body)).encode()))
    proxy.start()
    body = random.Random(size).randbytes(size)
    answer = get(proxy.where, "/openstack/latest/password", method="POST", body=body)
    assert answer.body == str(size).encode()
    assert agent.last.body == body


def test_a_chunked_body_arrives_with_its_length(proxy):
    agent = proxy.serve()
    proxy.start()
    whole = request("/", "POST", {"Transfer-Encoding": "chunked"}) + servers.chunked(bytes(range(256)) * 20, 777)
    assert exchange(proxy.where, whole).status == 200
    assert agent.last.body == bytes(range(256)) * 20


def test_expect_100_continue_is_answered_before_the_body(proxy):
    proxy.serve(echo)
    proxy.start()
    with Client(proxy.where) as guest:
        guest.send(request("/p", "POST", {"Expect": "100-continue", "Content-Length": "4"}))
        assert guest.response(skip_informational=False).status == 100
        guest.send(b"body")
        assert guest.response().body == b"POST /p body"


def test_another_expectation_is_answered_417(proxy):
    proxy.serve()
    proxy.start()
    assert get(proxy.where, "/", {"Expect": "miracles"}).status == 417


def test_a_body_above_one_mebibyte_is_answered_413(proxy):
    agent = proxy.serve()
    proxy.start()
    with Client(proxy.where) as guest:
        guest.send(request("/", "POST", {"Content-Length": "1048577"}))
        assert guest.response().status == 413
    whole = request("/", "POST", {"Transfer-Encoding": "chunked"})
    with Client(proxy.where) as guest:
        guest.send(whole)
        try:
            for _ in range(17):
                guest.send(b"10000\r\n" + bytes(65_536) + b"\r\n")
        except OSError:
            pass  # refused in the middle
        assert guest.response().status == 413
    assert not [message for message in agent.requests if message.body]


# MARK: Answers


@pytest.mark.parametrize("status", [200, 201, 206, 301, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504, 599])
def test_status_type_and_body_of_the_agent_pass(proxy, status):
    proxy.serve(reply(status, b"b\x00\xffdy", {"Content-Type": "application/x-thing; a=b", "Retry-After": "7"}))
    proxy.start()
    answer = get(proxy.where)
    assert (answer.status, answer["Content-Type"], answer["Retry-After"], answer.body) == (
        status,
        "application/x-thing; a=b",
        "7",
        b"b\x00\xffdy",
    )


def test_an_answer_without_content_type_stays_without(proxy):
    proxy.serve(reply(200, b"x", headers={}))
    proxy.start()
    answer = get(proxy.where)
    assert answer.body == b"x" and answer.get("Content-Type") is None


@pytest.mark.parametrize("status", [204, 304])
def test_answers_that_have_no_body_leave_the_connection_usable(proxy, status):
    proxy.serve(lambda m: reply(status, b"", {}, length=False) if m.target == b"/none" else reply(200, b"next"))
    proxy.start()
    with Client(proxy.where) as guest:
        guest.send(request("/none"))
        assert guest.response().status == status
        guest.send(request("/next"))
        assert guest.response().body == b"next"


# User data that was no text crashed the proxy's log (Mitaka, LP 1501772); gzip was unpacked (2025.2, LP 2120723).
@pytest.mark.parametrize("kind", ["every byte", "gzip", "empty", "large"])
def test_bytes_in_are_bytes_out(proxy, kind):
    body = {
        "every byte": bytes(range(256)) * 4,
        "gzip": gzip.compress(b"#cloud-config\n" * 100),
        "empty": b"",
        "large": random.Random(1).randbytes(3_000_000),
    }[kind]
    proxy.serve(reply(200, body, {"Content-Type": "application/octet-stream"}))
    proxy.start("--debug")
    answer = get(proxy.where, "/user_data")
    assert answer.body == body
    assert answer["Content-Type"] == "application/octet-stream"


def test_a_chunked_answer_of_the_agent_is_decoded_or_passed(proxy):
    body = random.Random(2).randbytes(100_000)
    proxy.serve(reply(200, servers.chunked(body, 999), {"Transfer-Encoding": "chunked"}, length=False))
    proxy.start()
    with Client(proxy.where) as guest:
        for _ in range(2):
            guest.send(request("/"))
            assert guest.response().body == body
    with Client(proxy.where) as guest:
        guest.send(b"GET / HTTP/1.0\r\n\r\n")
        answer = guest.response()
        assert answer.all("Transfer-Encoding") == [] and answer.body == body


def test_an_answer_that_ends_with_the_connection_is_passed_whole(proxy):
    """So answers Neutron's own agent since 2025.1, with bare line feeds."""
    proxy.serve(Steps(b"HTTP/1.0 200 OK\nContent-Type: text/plain\nConnection: close\n\n", b"one ", 0.1, b"two", CLOSE))
    proxy.start()
    with Client(proxy.where) as guest:
        for _ in range(2):
            guest.send(request("/"))
            assert guest.response().body == b"one two"


def test_head_gets_the_head_without_a_body(proxy):
    def answer(message):
        whole = reply(200, b"12345")
        return whole[:-5] if message.method == "HEAD" else whole

    agent = proxy.serve(answer)
    proxy.start()
    with Client(proxy.where) as guest:
        guest.send(request("/", "HEAD"))
        response = guest.response("HEAD")
        assert response.status == 200 and response.get("Content-Length") in (None, "5")
        guest.send(request("/"))
        assert guest.response().body == b"12345"
    assert [message.method for message in agent.requests] == ["HEAD", "GET"]


def test_an_interim_answer_of_the_agent_is_not_taken_for_the_answer(proxy):
    proxy.serve(Steps(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n", reply(200, b"final")))
    proxy.start()
    assert get(proxy.where).body == b"final"


# MARK: The agent is away, or breaks


def test_without_an_agent_the_answer_is_503_after_the_hold(proxy):
    proxy.start("--hold_seconds", "0.3")
    before = time.monotonic()
    answer = get(proxy.where)
    held = time.monotonic() - before
    assert answer.status == 503
    assert int(answer["Retry-After"]) >= 1
    assert 0.25 <= held < 3, f"held for {held:.2f} s"


def test_a_hold_of_zero_answers_503_at_once(proxy):
    proxy.start("--hold_seconds", "0")
    before = time.monotonic()
    assert get(proxy.where).status == 503
    assert time.monotonic() - before < 0.5


def test_a_held_request_is_answered_when_the_agent_comes(proxy):
    proxy.start("--hold_seconds", "8")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(get(proxy.where))) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert answers == []
    proxy.serve()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 5


def test_a_restarted_agent_is_found_again_on_the_same_connection(proxy):
    proxy.serve()
    proxy.start("--hold_seconds", "5")
    with Client(proxy.where) as guest:
        for _ in range(3):
            guest.send(request("/"))
            assert guest.response().status == 200
            proxy.agent.stop()
            proxy.serve()


def test_a_socket_without_a_listener_is_503(proxy):
    listener = servers.ScriptedServer(path=proxy.socket)
    listener.path = None  # the file stays, as after a crash
    listener.stop()
    proxy.start("--hold_seconds", "0.1")
    assert get(proxy.where).status == 503


@pytest.mark.parametrize(
    "answer",
    [
        Steps(b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE),
        Steps(b"garbage\r\n\r\n", CLOSE),
        Steps(b"HTTP/1.1 2000 OK\r\n\r\n", CLOSE),
        Steps(b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n", CLOSE),
        Steps(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", CLOSE),
        Steps(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, CLOSE),
        Steps(b"\x16\x03\x01\x00\x00", CLOSE),
    ],
    ids=["cut", "no HTTP", "status", "length", "two lengths", "endless head", "TLS"],
)
def test_a_broken_answer_is_502_and_the_proxy_goes_on(proxy, answer):
    proxy.serve(lambda message: answer if message.target == b"/bad" else reply(200))
    proxy.start("--hold_seconds", "0.2")
    assert get(proxy.where, "/bad", method="POST").status == 502
    assert get(proxy.where, "/good").status == 200


def test_an_answer_cut_in_its_body_is_seen_as_cut_by_the_guest(proxy):
    proxy.serve(Steps(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", CLOSE))
    proxy.start()
    with pytest.raises((AssertionError, ConnectionError)), Client(proxy.where) as guest:
        guest.send(request("/"))
        if guest.response().status == 502:
            raise AssertionError("the head was not passed on yet: an honest 502")


def test_a_chunked_answer_cut_in_the_middle_is_seen_as_cut_by_the_guest(proxy):
    proxy.serve(Steps(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", 0.2, CLOSE))
    proxy.start()
    with pytest.raises((AssertionError, ConnectionError)), Client(proxy.where) as guest:
        guest.send(request("/"))
        if guest.response().status == 502:
            raise AssertionError("the head was not passed on yet: an honest 502")


# MARK: Bad requests


@pytest.mark.parametrize(
    ("whole", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET /\r\n\r\n", (400, 505)),
        (b"GET / HTTP/1.1 extra\r\nHost: x\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /#f HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nNo colon here\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n: empty\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", (400, 413)),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
    ids=lambda value: repr(value)[2:60] if isinstance(value, bytes) else "",
)
def test_a_malformed_request_is_refused_and_never_relayed(proxy, whole, status):
    agent = proxy.serve()
    proxy.start()
    with Client(proxy.where) as guest:
        guest.send(whole)
        answer = guest.response()
        assert answer.status in (status if isinstance(status, tuple) else (status,))
        assert answer["Content-Length"] == str(len(answer.body))
        assert guest.is_closed(), "after a malformed request nothing more can be understood"
    assert not agent.requests
    assert get(proxy.where).status == 200


def test_bare_line_feeds_are_tolerated(proxy):
    proxy.serve(echo)
    proxy.start()
    assert exchange(proxy.where, b"GET /lf HTTP/1.1\nHost: x\n\n").body == b"GET /lf "


def test_a_missing_host_is_accepted(proxy):
    proxy.serve(echo)
    proxy.start()
    assert exchange(proxy.where, b"GET /x HTTP/1.1\r\n\r\n").body == b"GET /x "


def head_of(size):
    """A request whose head has exactly `size` bytes, in lines of at most 8,000."""
    start, end = b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n"
    lines, left = b"", size - len(start) - len(end)
    while left:
        length = left if left <= 8_000 else min(8_000, left - 100)
        lines += b"X-Filler: " + b"f" * (length - 12) + b"\r\n"
        left -= length
    return start + lines + end


@pytest.mark.parametrize(
    ("size", "status"), [(60_000, 200), (65_536, 200), (65_537, 431), (80_000, 431), (500_000, 431)]
)
def test_a_head_may_have_64_kib(proxy, size, status):
    proxy.serve()
    proxy.start()
    whole = head_of(size)
    assert len(whole) == size
    with Client(proxy.where) as guest:
        try:
            guest.send(whole)
        except OSError:
            pass  # refused before it was sent
        assert guest.response().status == status


@pytest.mark.parametrize(("size", "status"), [(16_384, 200), (16_385, 414), (60_000, 414)])
def test_a_request_line_may_have_16_kib(proxy, size, status):
    proxy.serve()
    proxy.start()
    line = b"GET /" + b"p" * (size - len(b"GET / HTTP/1.1")) + b" HTTP/1.1"
    assert len(line) == size
    assert exchange(proxy.where, line + b"\r\nHost: x\r\n\r\n").status == status


def test_a_header_line_above_16_kib_is_answered_431(proxy):
    proxy.serve()
    proxy.start()
    assert get(proxy.where, "/", {"X-Long": "l" * 20_000}).status == 431


def test_a_thousand_header_lines_do_no_harm(proxy):
    proxy.serve()
    proxy.start()
    assert get(proxy.where, "/", [(f"X-{n}", "v") for n in range(1000)]).status in (200, 431)
    assert get(proxy.where).status == 200


# MARK: Many guests at once


def test_one_slow_answer_makes_nobody_else_wait(proxy):
    proxy.serve(lambda message: Steps(3 if message.target == b"/slow" else 0, reply(200, b"done")))
    proxy.start()
    slow = []
    thread = threading.Thread(target=lambda: slow.append(get(proxy.where, "/slow")))
    thread.start()
    time.sleep(0.2)
    before = time.monotonic()
    for _ in range(50):
        assert get(proxy.where, "/fast").status == 200
    assert time.monotonic() - before < 2.5
    thread.join()
    assert slow[0].status == 200


def test_hundreds_of_idle_and_half_sent_connections_do_not_block(proxy):
    proxy.serve()
    proxy.start()
    idle = [Client(proxy.where) for _ in range(300)]
    for guest in idle[::2]:
        guest.send(b"GET / HTTP/1.1\r\nHo")
    assert get(proxy.where).status == 200
    for guest in idle[::2]:
        guest.send(b"st: x\r\n\r\n")
    assert {guest.response().status for guest in idle[::2]} == {200}
    for guest in idle:
        guest.close()


def test_guests_that_go_away_leave_no_descriptor_behind(proxy):
    proxy.serve(Steps(0.2, reply(200, b"x" * 100_000)))
    program = proxy.start()
    get(proxy.where)

    def count():
        return len(os.listdir(f"/proc/{program.pid}/fd"))

    before = count()
    for _ in range(60):
        guest = Client(proxy.where)
        guest.send(request("/"))
        guest.close()
    # Connections to the agent are kept for the next request, but not for ever.
    programs.eventually(lambda: count() <= before + 3, 30, "the end of abandoned requests")


def test_a_large_answer_is_streamed_within_little_memory(proxy):
    size, piece = 60_000_000, bytes(1_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    proxy.serve(Steps(head, *[piece] * (size // len(piece))))
    program = proxy.start()
    with Client(proxy.where) as guest:
        guest.send(request("/"))
        time.sleep(1)  # a guest that does not read at first: nothing may pile up
        assert len(guest.response().body) == size
    assert program.status_kib("VmHWM") < 40_000


def test_sigterm_lets_a_running_answer_end(proxy):
    proxy.serve(Steps(0.5, reply(200, b"finished")))
    program = proxy.start()
    with Client(proxy.where) as guest:
        guest.send(request("/"))
        time.sleep(0.2)
        program.send_signal(signal.SIGTERM)
        try:
            assert guest.response().body == b"finished"
        except (EOFError, ConnectionError):
            pass  # in the foreground the default action of the signal is Neutron's behaviour
    program.wait()
