"""Plays an item as a guest would: one connection from the guest's own address, and one more request at its end.

That last request, the probe, is what everybody else would send. If anything of the item were still in some buffer on
the way, it would be the probe that pays for it.
"""

import dataclasses
import socket

from Harness import wire

from . import http2
from .recorded import Recorded

# A status for neither an answer nor an end in time.
NO_ANSWER = 0
# How long to wait where the corpus says that nothing comes.
NO_ANSWER_SECONDS = 1.0


@dataclasses.dataclass
class Played:
    """What the guest got: the statuses before and after the probe, and every byte."""

    statuses: list
    received: bytes
    was_probed: bool
    before_probe: int


def probe(item, values):
    return f"{values['path']}?{item.tag}.probe"


def play(item, values, where, source=None, probe_headers=b"", chain="ours", seconds=5.0, cuts=None, connect=None):
    """Sends the item to `where`, reads whatever comes until the connection ends.

    `probe_headers` are what a proxy would add to the probe. `chain` says how many answers are worth waiting for.
    `cuts` turns a piece into several, each a write of its own. `connect` makes the connection where a plain one would
    not do.
    """
    expected = item.expected(chain).statuses
    connected = connect() if connect else wire.open_socket(where, seconds, source)
    with _Client(connected, NO_ANSWER_SECONDS if NO_ANSWER in expected else seconds) as client:
        pieces = item.pieces(values)
        if item.is_http2:
            return _play_http2(client, pieces, item, values)
        statuses = []
        try:
            for piece in pieces:
                if piece is None:
                    statuses.append(client.response().status)
                else:
                    client.send(*(cuts(piece) if cuts else [piece]), pause=0.002)
        except (OSError, EOFError):
            pass
        while len(statuses) < len(expected) and _one_more(client, statuses):
            pass
        if NO_ANSWER in statuses:
            return Played(statuses, client.socket.received, False, len(statuses))
        before = len(statuses)
        was_probed = _probe(client, item, values, probe_headers)
        while _one_more(client, statuses):
            pass
        return Played(statuses, client.socket.received, was_probed, before)


class _Client(wire.Client):
    """On a connection that is there already."""

    def __init__(self, connected, seconds):
        wire.Incoming.__init__(self, Recorded(connected))
        self.timeout = seconds
        connected.settimeout(seconds)


def _one_more(client, statuses):
    """Reads an answer; false if there is none."""
    try:
        statuses.append(client.response().status)
        return True
    except (EOFError, ConnectionError):
        return False
    except TimeoutError:
        statuses.append(NO_ANSWER)
        return False
    except (AssertionError, ValueError, IndexError):
        return False  # cut short, or bytes that are no answer; they are looked at all the same


def _probe(client, item, values, probe_headers):
    head = f"GET {probe(item, values)} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n".encode()
    try:
        client.socket.sendall(head + probe_headers + b"\r\n")
        # Whoever still waits for more of the item waits no longer.
        client.socket.shutdown(socket.SHUT_WR)
        return True
    except OSError:
        return False


def _play_http2(client, pieces, item, values):
    """Each request is a stream: 1 is the item's, 3 the probe's."""
    target = probe(item, values).encode()
    probing = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", target), (b":authority", b"169.254.169.254")]
    try:
        client.send(*pieces)
        _until(client, stream=1)
        client.send(http2.frame(http2.SETTINGS, http2.ACK, b"", stream=0), http2.another(probing, stream=3))
        _until(client, stream=3)
        client.socket.shutdown(socket.SHUT_WR)
        while client.fill():
            pass
    except OSError:
        pass
    received = client.socket.received
    if received.startswith(b"HTTP/"):
        return Played([int(received.split(b" ")[1])], received, False, 1)
    answers = [(stream, payload) for kind, _, stream, payload in http2.frames(received) if kind == http2.HEADERS]
    statuses = [http2.status(payload) for _, payload in answers]
    return Played(statuses, received, True, sum(stream == 1 for stream, _ in answers))


def _until(client, stream):
    """Reads until the stream or the connection has ended."""
    while client.fill():
        for kind, flags, number, _ in http2.frames(client.buffer):
            if kind == http2.GOAWAY or number == stream and (kind == http2.RESET or flags & http2.END_STREAM):
                return
