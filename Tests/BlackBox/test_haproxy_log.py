"""The line per request in syslog, in haproxy's form: operators parse it, and Debian's rsyslog sorts by its tag."""

import datetime
import os
import re
import signal
import time

import pytest

from Harness import lab, wire
from Harness.haproxy_file import Limits
from Harness.programs import eventually
from Harness.servers import CLOSE, Steps, reply
from Harness.wire import Client, request

LINE = re.compile(
    r"^<134>(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<tag>[^\[ ]+)\[(?P<pid>\d+)\]: "
    r"(?P<client>[\da-f.:]+):(?P<port>\d+) "
    r"\[(?P<date>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d)\.(?P<ms>\d{3})\] "
    r"listener listener/(?P<server>metadata|<NOSRV>) "
    r"(?P<TR>-1|\d+)/(?P<Tw>-1|\d+)/(?P<Tc>-1|\d+)/(?P<Tr>-1|\d+)/(?P<Ta>\d+) "
    r"(?P<status>\d+) (?P<bytes>\d+) - - (?P<flags>[-A-Za-z]{4}) "
    r"\d+/\d+/\d+/\d+/\d+ \d+/\d+ \"(?P<request>[^\"]*)\"\n$"
)


def lines(setup, count=1):
    eventually(lambda: len(setup.log.requests()) >= count, 10, f"{count} lines in {setup.log.read()}")
    found = [LINE.match(line) for line in setup.log.requests()]
    assert all(found), setup.log.requests()
    return [match.groupdict() for match in found]


def both(haproxy, control, answer, bytes_sent, count=1, **settings):
    """The lines of ours and of the control's for the same bytes and the same agent."""
    found = []
    for setup in (haproxy, control):
        if answer is not None:
            setup.serve(answer)
        setup.start(**settings)
        with Client(setup.where) as guest:
            guest.send(bytes_sent)
            try:
                guest.response()
            except (EOFError, AssertionError):
                pass
        found.append(lines(setup, count))
        setup.stop()
        if setup.agent:
            setup.agent.stop()
    return found


def test_a_line_says_who_when_what_and_how(haproxy):
    haproxy.serve(Steps(0.3, reply(body=b"hello")))
    pid = haproxy.start(binds=[f":::{haproxy.port}"])
    before = datetime.datetime.now()
    with Client(haproxy.where) as guest:
        port = guest.socket.getsockname()[1]
        guest.send(request("/latest/meta-data"))
        answer = guest.response()
    assert wire.get(haproxy.where_v6).status == 200
    first, second = lines(haproxy, 2)
    assert first["tag"] == f"haproxy-metadata-proxy-{lab.RED}" and int(first["pid"]) == pid
    assert (first["client"], second["client"], int(first["port"])) == ("127.0.0.1", "::1", port)
    # The request's arrival, not its end.
    arrived = datetime.datetime.strptime(first["date"], "%d/%b/%Y:%H:%M:%S") + datetime.timedelta(
        milliseconds=int(first["ms"])
    )
    assert abs((arrived - before).total_seconds()) < 0.25
    assert 300 <= int(first["Ta"]) < 5_000 and int(first["Tr"]) >= 300
    assert int(first["bytes"]) == len(answer.head) + len(answer.body)
    assert (first["server"], first["status"], first["flags"]) == ("metadata", "200", "----")
    assert first["request"] == "GET /latest/meta-data HTTP/1.1"


def test_every_request_of_a_connection_has_its_line(haproxy):
    haproxy.serve()
    haproxy.start()
    with Client(haproxy.where) as guest:
        for number in range(3):
            guest.send(request(f"/{number}"))
            guest.response()
    assert [line["request"] for line in lines(haproxy, 3)] == [f"GET /{number} HTTP/1.1" for number in range(3)]


# What happens, the agent's answer, the guest's bytes, and the words that must be haproxy's own.
CASES = {
    "a normal request": (reply(body=b"hello"), request("/")),
    "a status of the agent's": (reply(404, b"no"), request("/")),
    "no agent": (None, request("/")),
    "an agent that leaves": (Steps(CLOSE), request("/", "POST", body=b"x")),
    "an agent that is silent": (Steps(10), request("/")),
    "bytes that are no request": (reply(), b"garbage\r\n\r\n"),
    "a target that is not ASCII": (reply(), b"GET /\xff HTTP/1.1\r\n\r\n"),
    "quotes and marks": (reply(), request('/"x"')),
}


@pytest.mark.parametrize("case", CASES)
def test_server_status_flags_and_request_are_haproxys(haproxy, control, case):
    answer, sent = CASES[case]
    ours, theirs = both(haproxy, control, answer, sent, times={"server": "1s", "http-request": "3s"})
    words = ("tag", "server", "status", "flags", "request")
    assert [ours[0][word] for word in words] == [theirs[0][word] for word in words]
    # The steps that were not reached are -1 in both.
    for timer in ("Tc", "Tr"):
        assert (ours[0][timer] == "-1") == (theirs[0][timer] == "-1"), (timer, ours, theirs)


def test_a_request_that_is_too_slow_has_a_line(haproxy, control):
    ours, theirs = both(haproxy, control, None, b"GET / HT", times={"http-request": "1s"})
    words = ("server", "status", "flags", "request", "TR", "Tc", "Tr")
    assert [ours[0][word] for word in words] == [theirs[0][word] for word in words]
    assert ours[0]["flags"] == "cR--"


def test_a_denied_request_has_a_line(haproxy, control):
    for setup in (haproxy, control):
        setup.serve()
        setup.start(limits=Limits(base=(10, 1), burst=(10, 1)))
        assert [setup.get().status for _ in range(2)] == [200, 429]
        line = lines(setup, 2)[1]
        assert (line["server"], line["status"], line["flags"]) == ("<NOSRV>", "429", "PR--")
        setup.stop()
        setup.agent.stop()


def test_connections_without_a_byte_leave_no_line(haproxy, control):
    """`option dontlognull`: a check of a load balancer is no request."""
    for setup in (haproxy, control):
        setup.serve()
        setup.start(times={"http-request": "1s"})
        for _ in range(3):
            Client(setup.where).close()
        with Client(setup.where) as guest:
            assert guest.response().status == 408
        assert setup.get("/after").status == 200
        assert [line["request"] for line in lines(setup)] == ["GET /after HTTP/1.1"]
        setup.stop()
        setup.agent.stop()


def test_without_dontlognull_they_leave_one(haproxy):
    haproxy.serve()
    haproxy.start(times={"http-request": "1s"}, options=("httplog", "http-server-close", "forwardfor"))
    with Client(haproxy.where) as guest:
        assert guest.response().status == 408
    assert lines(haproxy)[0]["request"] == "<BADREQ>"


def test_without_httplog_there_are_none(haproxy):
    haproxy.serve()
    haproxy.start(options=("dontlognull", "http-server-close", "forwardfor"))
    assert haproxy.get().status == 200
    eventually(lambda: [line for line in haproxy.log.read() if "Listening" in line], 5, "a line of the start")
    assert not haproxy.log.requests()


@pytest.mark.parametrize("level", ["notice", "warning", "err"])
def test_a_log_for_important_lines_only_gets_none_of_them(haproxy, level):
    haproxy.serve()
    haproxy.start(level=level)
    assert haproxy.get().status == 200
    haproxy.stop()
    assert not haproxy.log.read()


def test_a_log_daemon_that_is_away_costs_nothing(haproxy):
    haproxy.serve()
    haproxy.log.close()
    haproxy.start()
    assert haproxy.get().status == 200
    # And one that comes back under the same name is written to.
    haproxy.log = type(haproxy.log)(haproxy.log.path)
    assert haproxy.get("/again").status == 200
    assert lines(haproxy)[0]["request"] == "GET /again HTTP/1.1"


def test_a_log_daemon_that_reads_nothing_costs_nothing(haproxy):
    haproxy.serve()
    haproxy.start()
    with Client(haproxy.where) as guest:
        for number in range(600):
            guest.send(request(f"/{number}" + "x" * 500))
            assert guest.response().status == 200
    assert 0 < len(haproxy.log.requests()) < 600, "what does not fit is lost"


def test_two_logs_get_each_line(haproxy):
    haproxy.serve()
    second = type(haproxy.log)(haproxy.folder / "second")
    log = f"    log         {haproxy.log.path} local0 info\n"
    haproxy.start(haproxy.text().replace(log, log + f"    log {second.path} local3 info\n"))
    assert haproxy.get().status == 200
    assert lines(haproxy)
    text = eventually(second.requests, 5, "the line in the second log")
    assert text[0].startswith(f"<{19 * 8 + 6}>")
    second.close()


def test_the_log_names_guests_before_and_after_sighup(haproxy):
    haproxy.serve()
    pid = haproxy.start()
    os.kill(pid, signal.SIGHUP)
    assert haproxy.get("/hup").status == 200
    assert lines(haproxy)[0]["request"] == "GET /hup HTTP/1.1"


def test_a_request_that_was_sent_slowly_says_for_how_long(haproxy):
    haproxy.serve()
    haproxy.start()
    with Client(haproxy.where) as guest:
        guest.send(b"GET /slow HTTP/1.1\r\n", b"\r\n", pause=0.5)
        assert guest.response().status == 200
    line = lines(haproxy)[0]
    assert int(line["TR"]) >= 450 and int(line["Ta"]) >= int(line["TR"])


def test_a_request_that_was_held_says_for_how_long(haproxy):
    """`Tw`: in haproxy the time in a queue."""
    haproxy.start()
    with Client(haproxy.where) as guest:
        guest.send(request("/held"))
        time.sleep(1)
        haproxy.serve()
        assert guest.response().status == 200
    line = lines(haproxy)[0]
    assert int(line["Tw"]) >= 900 and int(line["Ta"]) >= int(line["Tw"])


def test_debug_shows_what_a_file_says_in_vain(haproxy):
    haproxy.serve()
    haproxy.start(level="debug")
    ignored = lambda: [line for line in haproxy.log.read() if "'nbthread' is ignored." in line]  # noqa: E731
    found = eventually(ignored, 5, "the notice")
    assert found[0].startswith("<135>")


def test_the_log_is_not_the_guests(haproxy):
    """A guest's bytes cannot begin a line of their own."""
    haproxy.serve()
    haproxy.start()
    forged = b"/x%0a<0>forged"
    with Client(haproxy.where) as guest:
        guest.send(request(forged))
        guest.response()
    assert haproxy.get(b"/\x22\x23").status in (200, 400)
    for line in haproxy.log.requests():
        assert line.count("\n") == 1 and LINE.match(line), line
