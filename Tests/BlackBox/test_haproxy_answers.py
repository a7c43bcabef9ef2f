"""What the proxy itself answers: the same bytes to ours and to Debian's haproxy, statuses and ends of connections.

Where ours differs on purpose, the case says what it answers instead and why. Waits are in test_haproxy_times.
"""

import pathlib
import shutil
import tempfile

import pytest

from Harness import personality
from Harness.marks import as_root
from Harness.servers import CLOSE, Steps, reply
from Harness.wire import Client, request

GET = b"GET / HTTP/1.1\r\nHost: m\r\n"
POST = b"POST / HTTP/1.1\r\nHost: m\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def headers(count, size):
    return b"".join(b"X%d: %s\r\n" % (number, b"y" * size) for number in range(count))


# Answered alike.
ALIKE = {
    "plain": GET + b"\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "a later minor version": b"GET / HTTP/1.2\r\nHost: m\r\n\r\n",
    "close is asked for": GET + b"Connection: close\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "an empty line before": b"\r\n" + GET + b"\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: m\n\n",
    "mixed line ends": b"GET / HTTP/1.1\r\nHost: m\n\r\n",
    "a method in lower case": b"get / HTTP/1.1\r\nHost: m\r\n\r\n",
    "an absolute target": b"GET http://m/a HTTP/1.1\r\nHost: m\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nHost: m\r\n\r\n",
    "a value that is not ASCII": GET + b"X: \xff\r\n\r\n",
    "one length twice": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "a chunked body": POST + CHUNKED + b"\r\n1\r\nx\r\n0\r\n\r\n",
    "a target of 15,000 bytes": b"GET /" + b"x" * 15_000 + b" HTTP/1.1\r\nHost: m\r\n\r\n",
    "a head of 12,000 bytes": GET + headers(24, 500) + b"\r\n",
    # 400, and the end.
    "no request": b"garbage\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 20,
    "a blank before": b" " + GET + b"\r\n",
    "a blank in the target": b"GET /a b HTTP/1.1\r\nHost: m\r\n\r\n",
    "a tab in the target": b"GET /a\tb HTTP/1.1\r\nHost: m\r\n\r\n",
    "a NUL in the target": b"GET /a\0b HTTP/1.1\r\nHost: m\r\n\r\n",
    "a target that is not ASCII": b"GET /\xff HTTP/1.1\r\nHost: m\r\n\r\n",
    "a fragment in the target": b"GET /a#b HTTP/1.1\r\nHost: m\r\n\r\n",
    "a relative target": b"GET a HTTP/1.1\r\nHost: m\r\n\r\n",
    "a method that is no token": b"G(T / HTTP/1.1\r\nHost: m\r\n\r\n",
    "a version in lower case": b"GET / http/1.1\r\nHost: m\r\n\r\n",
    "a version of two digits": b"GET / HTTP/11.1\r\nHost: m\r\n\r\n",
    "another protocol": b"GET / RTSP/1.0\r\nHost: m\r\n\r\n",
    "a header name with a blank": GET + b"X Y: 1\r\n\r\n",
    "a blank before the colon": GET + b"X : 1\r\n\r\n",
    "an empty header name": GET + b": 1\r\n\r\n",
    "a header name that is not ASCII": GET + b"X\xff: 1\r\n\r\n",
    "no colon": GET + b"XY\r\n\r\n",
    "a carriage return in a value": GET + b"X: a\rb\r\n\r\n",
    "a first header that is folded": b"GET / HTTP/1.1\r\n X: a\r\nHost: m\r\n\r\n",
    "two hosts": GET + b"Host: n\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +1\r\n\r\nx",
    "an empty length": POST + b"Content-Length:\r\n\r\n",
    "a hexadecimal length": POST + b"Content-Length: 0x1\r\n\r\nx",
    "a length of 23 digits": POST + b"Content-Length: 99999999999999999999999\r\n\r\nx",
    "an unknown coding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "a coding spelled almost so": POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunked twice": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "the coding identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "a chunk without a size": POST + CHUNKED + b"\r\nzz\r\n",
}

# Answered differently: by ours, and why.
DIFFERENT = {
    "a tunnel": (405, b"CONNECT m:80 HTTP/1.1\r\nHost: m\r\n\r\n", "no metadata service has tunnels"),
    "HTTP/0.9": (505, b"GET /\r\n\r\n", "it says what is wrong"),
    "HTTP/2.0": (505, b"GET / HTTP/2.0\r\nHost: m\r\n\r\n", "the next hop would read it as something else"),
    "a target of 20,000 bytes": (414, b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", "it says what is wrong"),
    "a header of 20,000 bytes": (431, GET + b"X: " + b"x" * 20_000 + b"\r\n\r\n", "it says what is wrong"),
    "300 headers": (431, GET + headers(300, 1) + b"\r\n", "it says what is wrong"),
    "150 headers": (200, GET + headers(150, 1) + b"\r\n", "Neutron's older proxies took more, too"),
    "a head of 20,000 bytes": (200, GET + headers(40, 500) + b"\r\n", "Neutron's older proxies took more, too"),
    "an unknown expectation": (417, GET + b"Expect: foo\r\n\r\n", "the body might never come"),
    "another host in the target": (200, b"GET http://n/a HTTP/1.1\r\nHost: m\r\n\r\n", "there is one service here"),
    "an upgrade": (200, GET + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n", "it may be ignored"),
    # Two readers could read these differently, and one of them decides who the guest is.
    "two blanks": (400, b"GET  / HTTP/1.1\r\nHost: m\r\n\r\n", "strict"),
    "GET *": (400, b"GET * HTTP/1.1\r\nHost: m\r\n\r\n", "strict"),
    "many empty lines before": (400, b"\r\n" * 5 + GET + b"\r\n", "strict"),
    "the same host twice": (400, GET + b"Host: m\r\n\r\n", "strict"),
    "a folded header": (400, GET + b"X: a\r\n b\r\n\r\n", "strict"),
    "a NUL in a value": (400, GET + b"X: a\0b\r\n\r\n", "strict"),
    "a control byte in a value": (400, GET + b"X: a\x01b\r\n\r\n", "strict"),
    "a list of lengths": (400, POST + b"Content-Length: 1, 1\r\n\r\nx", "strict"),
    "length and chunks": (400, POST + CHUNKED + b"Content-Length: 1\r\n\r\n0\r\n\r\n", "strict"),
    "chunks in HTTP/1.0": (400, b"POST / HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n", "strict"),
}


@pytest.fixture(scope="module")
def pair():
    """Ours and Debian's, one agent for both, for all requests of this file."""
    control = personality.debian_haproxy()
    if control is None:
        pytest.skip("Debian's haproxy is not there: run `make setup`")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-"))
    folder.chmod(0o755)
    ours = personality.HaproxySetup(folder, personality.install(folder / "bin"))
    theirs = personality.HaproxySetup(folder, control, "control")
    ours.serve(reply(body=b"hello"))
    for setup in (ours, theirs):
        setup.start()
    yield ours, theirs
    for setup in (ours, theirs):
        setup.close()
    shutil.rmtree(folder, ignore_errors=True)


def outcome(setup, sent):
    """The status, and whether the connection ends after it."""
    with Client(setup.where) as guest:
        try:
            guest.send(sent)
        except OSError:
            pass  # answered and closed in the middle
        try:
            status = guest.response().status
        except (EOFError, ConnectionResetError):
            return None, True
        return status, guest.is_closed(0.3)


@pytest.mark.parametrize("case", ALIKE)
def test_answered_as_by_haproxy(pair, case):
    ours, theirs = (outcome(setup, ALIKE[case]) for setup in pair)
    assert ours == theirs
    assert ours[0] in (200, 400)


@pytest.mark.parametrize("case", DIFFERENT)
def test_answered_differently_on_purpose(pair, case):
    status, sent, _ = DIFFERENT[case]
    ours, theirs = (outcome(setup, sent) for setup in pair)
    assert ours[0] == status != theirs[0]
    # What is left on the connection could be read as another request.
    assert ours[1] == (status not in (200, 405))


@pytest.mark.parametrize(
    ("case", "answer", "status"),
    [
        ("closes at once", Steps(CLOSE), 502),
        ("sends half a head", Steps(b"HTTP/1.1 200 OK\r\nContent-", CLOSE), 502),
        ("sends no HTTP", b"hello\r\n\r\n", 502),
        ("sends a bad header", Steps(b"HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n", CLOSE), 502),
        ("answers with line feeds alone", Steps(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", CLOSE), 200),
        ("ends its answer by closing", Steps(b"HTTP/1.1 200 OK\r\n\r\nhi", CLOSE), 200),
        ("spells its headers oddly", b"HTTP/1.1 200 OK\r\ncOntent-lEngth: 2\r\n\r\nhi", 200),
        ("answers 100 first", Steps(b"HTTP/1.1 100 Continue\r\n\r\n", reply(201, b"hi")), 201),
        ("has an error of its own", reply(500, b"no"), 500),
        ("answers with an odd status", reply(599, b"no"), 599),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_agents_answers_are_taken_as_by_haproxy(pair, case, answer, status):
    """A POST with a body, so that nothing is asked twice."""
    pair[0].agent.answer = answer
    try:
        for setup in pair:
            with Client(setup.where) as guest:
                guest.send(request("/", "POST", body=b"x"))
                answered = guest.response()
                assert answered.status == status, case
                if status == 200:
                    assert answered.body == b"hi"
    finally:
        pair[0].agent.answer = reply(body=b"hello")


def test_an_answer_cut_in_the_middle_is_visibly_cut(pair):
    pair[0].agent.answer = Steps(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000, 0.3, CLOSE)
    try:
        for setup in pair:
            with Client(setup.where) as guest:
                guest.send(request("/"))
                with pytest.raises((AssertionError, ConnectionResetError)):
                    guest.response()
    finally:
        pair[0].agent.answer = reply(body=b"hello")


def test_our_pages_are_plain_and_never_kept(pair):
    """haproxy's own pages are HTML and forbid caches to keep them; ours have no cache behind them to fear."""
    ours, theirs = pair
    with Client(ours.where) as guest:
        guest.send(b"garbage\r\n\r\n")
        page = guest.response()
    assert page["Content-Type"].startswith("text/plain") and page["Connection"] == "close"
    assert page.body.decode() == "The request is not valid HTTP/1.1.\n"
    with Client(theirs.where) as guest:
        guest.send(b"garbage\r\n\r\n")
        assert guest.response()["Content-Type"] == "text/html"


@as_root
def test_a_socket_that_may_not_be_connected_to_counts_as_away(haproxy, control):
    """503: haproxy's at once, ours when the hold is over, and it says when to come back."""
    haproxy.serve(mode=0o600)
    for setup in (control, haproxy):
        setup.start()
        answered = setup.get(timeout=20)
        assert answered.status == 503
    assert int(answered["Retry-After"]) >= 1
    warned = [line for line in haproxy.log.read() if "The metadata agent cannot be reached" in line]
    assert warned and "Permission denied" in warned[0]
