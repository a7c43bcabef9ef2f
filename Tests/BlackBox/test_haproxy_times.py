"""The time-outs and `maxconn` of the file: by Debian's haproxy, by ours alone, and by the agent after the hand-over."""

import os
import socket
import threading
import time

import pytest

from Harness import wire
from Harness.programs import eventually
from Harness.servers import Steps, reply
from Harness.wire import Client, request

# Generous: the machine may be busy. Lower bounds are exact, because a timer never ends early.
SECONDS_MAX = 12
# More than all buffers between the two ends hold.
SIZE = 40_000_000


class Watch:
    """How long something took."""

    def __enter__(self):
        self.began = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.began


def test_http_request_bounds_a_head_that_never_ends(served):
    served.serve()
    served.start(times={"http-request": "1s"})
    with Client(served.where) as guest, Watch() as watch:
        guest.send(b"GET / HTTP/1.1\r\nHos")
        assert guest.response().status == 408
        assert guest.is_closed()
    assert 0.9 < watch.seconds < SECONDS_MAX


def test_http_request_bounds_a_silent_connection(served):
    served.serve()
    served.start(times={"http-request": "1s"})
    with Client(served.where) as guest, Watch() as watch:
        assert guest.response().status == 408
        assert guest.is_closed()
    assert 0.9 < watch.seconds < SECONDS_MAX


def test_http_request_is_not_extended_by_bytes_that_trickle(served):
    served.serve()
    served.start(times={"http-request": "1s"})
    with Client(served.where) as guest, Watch() as watch:
        stop = threading.Event()

        def trickle():
            for byte in request("/" + "x" * 500):
                if stop.wait(0.2):
                    return
                try:
                    guest.socket.sendall(bytes([byte]))
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert guest.response().status == 408
        except ConnectionResetError:
            pass  # the answer was there, and a byte came after it
        stop.set()
        thread.join()
    assert 0.9 < watch.seconds < SECONDS_MAX


def test_http_request_counts_anew_for_the_next_request(served):
    served.serve(reply(body=b"hello"))
    served.start(times={"http-request": "1s"})
    with Client(served.where) as guest:
        for _ in range(3):
            time.sleep(0.5)
            guest.send(request("/"))
            assert guest.response().status == 200
        with Watch() as watch:
            guest.send(b"GET / HTTP/1.1\r\nHos")
            assert guest.response().status == 408
    assert 0.9 < watch.seconds < SECONDS_MAX


def test_http_keep_alive_ends_an_idle_connection_in_silence(served):
    served.serve()
    served.start(times={"http-keep-alive": "1s"})
    with Client(served.where) as guest, Watch() as watch:
        guest.send(request("/"))
        assert guest.response().status == 200
        assert guest.is_closed(SECONDS_MAX)
    assert 0.9 < watch.seconds < SECONDS_MAX


def test_http_keep_alive_leaves_time_for_the_next_request(served):
    served.serve()
    served.start(times={"http-keep-alive": "5s", "http-request": "1s"})
    with Client(served.where) as guest:
        for _ in range(2):
            guest.send(request("/"))
            assert guest.response().status == 200
            time.sleep(1.5)
        guest.send(request("/"))
        assert guest.response().status == 200


def test_server_bounds_a_silent_next_hop(served):
    served.serve(Steps(20))
    served.start(times={"server": "1s"})
    with Client(served.where) as guest, Watch() as watch:
        guest.send(request("/"))
        assert guest.response().status == 504
    assert 0.9 < watch.seconds < SECONDS_MAX


def test_server_leaves_time_to_a_slow_next_hop(served):
    served.serve(Steps(1.5, reply(body=b"slow")))
    served.start(times={"server": "5s", "client": "1s", "http-request": "1s", "http-keep-alive": "1s"})
    assert served.get().body == b"slow"


def test_client_bounds_a_body_that_never_ends(ours):
    """haproxy goes on waiting for the agent's answer and lets `server` decide."""
    ours.serve()
    ours.start(times={"client": "1s", "server": "30s"})
    with Client(ours.where) as guest, Watch() as watch:
        guest.send(request("/", "POST", {"Content-Length": "100"}) + b"half of it")
        assert guest.response().status == 408
        assert guest.is_closed()
    assert 0.9 < watch.seconds < SECONDS_MAX


def test_client_bounds_a_chunked_body_that_never_ends(ours):
    ours.serve()
    ours.start(times={"client": "1s", "server": "30s"})
    with Client(ours.where) as guest, Watch() as watch:
        guest.send(request("/", "POST", {"Transfer-Encoding": "chunked"}) + b"5\r\nhel")
        assert guest.response().status == 408
        assert guest.is_closed()
    assert 0.9 < watch.seconds < SECONDS_MAX


def test_a_guest_that_takes_nothing_is_let_go(served):
    """`client` and `server`: whoever of both is the slower may decide."""
    served.serve(lambda message: reply(200, bytes(SIZE)))
    served.start(times={"client": "1s", "server": "1s"})
    with Client(served.where) as guest:
        guest.send(request("/"))
        # Nothing is read: the connection ends while the answer is far from complete.
        time.sleep(4)
        received = 0
        try:
            while chunk := guest.socket.recv(1 << 20):
                received += len(chunk)
        except ConnectionResetError:
            pass
        assert received < SIZE


def test_maxconn_lets_the_others_wait(served):
    """In the backlog: they are served as soon as somebody leaves."""
    served.serve()
    served.start(maxconn=2)
    first, second, third = (Client(served.where) for _ in range(3))
    try:
        for guest in (first, second):
            guest.send(request("/"))
            assert guest.response().status == 200
        third.send(request("/third"))
        third.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            third.socket.recv(1)
        third.socket.settimeout(15)
        first.close()
        assert third.response().status == 200
    finally:
        for guest in (first, second, third):
            guest.close()


def test_maxconn_is_for_all_addresses_together(served):
    served.serve()
    served.start(maxconn=1, binds=[f"127.0.0.1:{served.where[1]}", f"[::1]:{served.where[1]}"])
    with Client(served.where) as first:
        first.send(request("/"))
        assert first.response().status == 200
        second = Client(served.where_v6)
        second.send(request("/"))
        second.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            second.socket.recv(1)
        second.socket.settimeout(15)
        first.close()
        with second:
            assert second.response().status == 200


def test_an_agent_whose_backlog_is_full_is_waited_for(haproxy):
    """`connect`: a UNIX socket refuses at once what TCP would keep waiting, so the request is tried again."""
    with socket.socket(socket.AF_UNIX) as full:
        full.bind(os.fspath(haproxy.socket))
        os.chmod(haproxy.socket, 0o666)
        full.listen(0)
        with socket.socket(socket.AF_UNIX) as filler:
            filler.connect(os.fspath(haproxy.socket))
            haproxy.start(times={"connect": "1s"})
            with Client(haproxy.where) as guest:
                guest.send(request("/"))
                time.sleep(0.5)
                full.accept()[0].close()  # the filler's
                connected, _ = full.accept()
                with connected:
                    assert wire.Incoming(connected).request().target == b"/"
                    connected.sendall(reply(body=b"at last"))
                    assert guest.response().body == b"at last"


def test_a_time_of_days_is_no_mistake(handover):
    """More than an offer can say is said as the most of it."""
    handover.serve()
    handover.start(times={"client": "20d", "server": "20d", "http-request": "20d", "http-keep-alive": "24d"})
    assert handover.get("/days").status == 200
    eventually(lambda: handover.served_by_agent("/days"), 5, "the access line")
