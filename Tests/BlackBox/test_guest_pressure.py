"""A guest that takes all it can get makes nobody else wait, and costs a bounded amount of memory."""

import contextlib
import threading
import time

from Harness.servers import reply
from Harness.wire import Client, request

MEMORY_KIB_MAX = 131_072


@contextlib.contextmanager
def flood(where, piece, head=b""):
    """Sends `head` and then `piece` over and over, and never reads, until the block ends or 20 s are over."""
    stop = threading.Event()
    sent = [0]

    def send():
        with Client(where, timeout=0.5) as client:
            client.send(head)
            deadline = time.monotonic() + 20
            while not stop.is_set() and time.monotonic() < deadline:
                # A service that does not take more, or has had enough, is what is hoped for.
                with contextlib.suppress(TimeoutError):
                    try:
                        sent[0] += client.socket.send(piece)
                    except (BrokenPipeError, ConnectionResetError):
                        return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def refused_at_once(count=2_000):
    """Requests that are answered without asking anybody."""
    return b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n" * count


def test_requests_refused_at_once_make_no_other_guest_wait(agent):
    agent.serve()
    program = agent.start()
    with flood(agent.socket, refused_at_once()) as sent:
        deadline = time.monotonic() + 3
        asked = 0
        while time.monotonic() < deadline:
            assert agent.ask(timeout=2.0).status == 200
            asked += 1
        assert asked > 5 and sent[0] > 0
        assert program.status_kib("VmHWM") < MEMORY_KIB_MAX


def test_the_same_at_the_proxy(proxy):
    proxy.serve()
    program = proxy.start("--nometadata_proxy_watch_log")
    with flood(proxy.where, refused_at_once()) as sent:
        for _ in range(20):
            with Client(proxy.where, timeout=2.0) as guest:
                guest.send(request("/"))
                assert guest.response().status == 200
        assert sent[0] > 0
        assert program.status_kib("VmHWM") < MEMORY_KIB_MAX


def test_a_chunked_body_of_nothing_but_framing_makes_no_other_guest_wait(agent):
    agent.serve()
    agent.start()
    head = request("/", "POST", [*agent.headers(), ("Transfer-Encoding", "chunked")])
    with flood(agent.socket, (b"1;" + b"a" * 4_000 + b"\r\nx\r\n") * 50, head) as sent:
        for _ in range(20):
            assert agent.ask(timeout=2.0).status == 200
        assert sent[0] > 0


def test_chunk_extensions_are_bounded_in_all(agent):
    """RFC 9112, section 7.1.1: a recipient ought to limit their total length."""
    agent.serve()
    agent.start()
    with Client(agent.socket) as guest:
        guest.send(request("/", "POST", [*agent.headers(), ("Transfer-Encoding", "chunked")]))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(100):
                guest.send(b"1;" + b"a" * 4_000 + b"\r\nx\r\n")
        assert guest.response("POST").status == 400
    assert not agent.nova.requests


def test_a_steady_reader_gets_all_however_long_it_takes(served):
    """What a guest takes gives it its full time for the rest: only one that takes nothing is given up."""
    body = bytes(range(256)) * 80_000
    served.serve(reply(200, body))
    served.start(times={"client": "1s", "server": "1s"})
    with Client(served.where, timeout=30) as guest:
        guest.send(request("/", headers={"Connection": "close"}))
        began = time.monotonic()
        received = bytearray()
        while piece := guest.socket.recv(1 << 16):
            received += piece
            # 20 MB at 6 MB a second: several times the time-out, of which most is behind the answer's last byte here.
            time.sleep(0.01)
        assert time.monotonic() - began > 2, "the test has to outlast the time-out"
    assert bytes(received).endswith(body)
