"""HTTP as bytes: a client that sends exactly what it is told, in the pieces it is told, and reads one answer at a time.

`where` is a pair (host, port) for TCP or a path for a UNIX socket, everywhere.
"""

import dataclasses
import os
import random
import socket
import time


@dataclasses.dataclass
class Message:
    """A request or response as it came over the wire."""

    start: bytes
    headers: list
    body: bytes
    head: bytes = b""

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __getitem__(self, name):
        values = self.all(name)
        if len(values) != 1:
            raise KeyError(f"{name}: {values}")
        return values[0]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    @property
    def names(self):
        return {key.lower() for key, _ in self.headers}

    @property
    def status(self):
        return int(self.start.split(b" ")[1])

    @property
    def method(self):
        return self.start.split(b" ")[0].decode()

    @property
    def target(self):
        return self.start.split(b" ", 2)[1]


def open_socket(where, timeout=15.0, source=None):
    if isinstance(where, (str, os.PathLike)):
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(timeout)
        connected.connect(os.fspath(where))
        return connected
    connected = socket.create_connection(where, timeout, source_address=(source, 0) if source else None)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def parse_head(head):
    lines = head.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        assert colon, f"a header line without colon: {line!r}"
        headers.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    return lines[0], headers


class Incoming:
    """Reads messages from a socket, keeping what belongs to the next one."""

    def __init__(self, connected):
        self.socket = connected
        self.buffer = b""

    def fill(self):
        received = self.socket.recv(1 << 18)
        self.buffer += received
        return bool(received)

    def head(self):
        """The bytes up to and including the blank line; b"" if the connection ended before the first of them."""
        while True:
            ends = [
                position + len(mark) for mark in (b"\r\n\r\n", b"\n\n") if (position := self.buffer.find(mark)) >= 0
            ]
            if ends:
                head, self.buffer = self.buffer[: min(ends)], self.buffer[min(ends) :]
                return head
            if not self.fill():
                assert not self.buffer, f"the connection ended within a head: {self.buffer!r}"
                return b""

    def exactly(self, count):
        parts, have = [self.buffer], len(self.buffer)
        self.buffer = b""
        while have < count:
            received = self.socket.recv(1 << 18)
            assert received, f"the connection ended after {have} of {count} bytes"
            parts.append(received)
            have += len(received)
        joined = b"".join(parts)
        self.buffer = joined[count:]
        return joined[:count]

    def line(self):
        while b"\n" not in self.buffer:
            assert self.fill(), "the connection ended within a line"
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def chunked(self):
        body = []
        while True:
            size = int(self.line().split(b";")[0], 16)
            if size == 0:
                while self.line():
                    pass
                return b"".join(body)
            body.append(self.exactly(size))
            assert self.line() == b"", "no line end after a chunk"

    def rest(self):
        while self.fill():
            pass
        rest, self.buffer = self.buffer, b""
        return rest

    def body(self, message, without_length):
        if "chunked" in message.get("Transfer-Encoding", "").lower():
            return self.chunked()
        length = message.get("Content-Length")
        if length is not None:
            return self.exactly(int(length))
        return without_length()

    def request(self):
        head = self.head()
        if not head:
            return None
        start, headers = parse_head(head)
        message = Message(start, headers, b"", head)
        message.body = self.body(message, lambda: b"")
        return message


class Client(Incoming):
    """One connection of a guest, or of a namespace proxy to the agent."""

    def __init__(self, where, timeout=15.0, source=None):
        super().__init__(open_socket(where, timeout, source))
        self.timeout = timeout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, *pieces, pause=0.0):
        """Each piece is a write of its own."""
        for index, piece in enumerate(pieces):
            if index and pause:
                time.sleep(pause)
            self.socket.sendall(piece)

    def response(self, method="GET", skip_informational=True):
        while True:
            head = self.head()
            if not head:
                raise EOFError("the connection was closed without an answer")
            start, headers = parse_head(head)
            message = Message(start, headers, b"", head)
            informational = 100 <= message.status < 200
            if informational and skip_informational:
                continue
            if not informational and method != "HEAD" and message.status not in (204, 304):
                message.body = self.body(message, self.rest)
            return message

    def is_closed(self, seconds=5.0):
        """Whether the other side ends the connection, without further bytes, in time."""
        self.socket.settimeout(seconds)
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(self.timeout)


def request(target="/", method="GET", headers=(), body=b"", version="HTTP/1.1", host="169.254.169.254"):
    """The bytes of a request. `headers` is a list of pairs, or a dictionary; a body brings its Content-Length."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    names = {name.lower() for name, _ in pairs}
    if host is not None and "host" not in names:
        pairs.insert(0, ("Host", host))
    if body and not names & {"content-length", "transfer-encoding"}:
        pairs.append(("Content-Length", str(len(body))))
    target = target if isinstance(target, bytes) else target.encode()
    lines = [method.encode() + b" " + target + b" " + version.encode()]
    lines += [name.encode("latin-1") + b": " + str(value).encode("latin-1") for name, value in pairs]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def exchange(where, *pieces, method="GET", timeout=15.0, source=None, pause=0.0):
    """One connection, one request in `pieces`, one answer."""
    with Client(where, timeout, source) as client:
        client.send(*pieces, pause=pause)
        return client.response(method)


def get(where, target="/", headers=(), method="GET", body=b"", timeout=15.0, source=None):
    return exchange(where, request(target, method, headers, body), method=method, timeout=timeout, source=source)


def free_port(host="127.0.0.1"):
    """A TCP port that nobody has, in both families for `::`.

    Below those that the kernel gives to outgoing connections: one of these could take it before it is used.
    """
    while True:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            if host == "::":
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            try:
                probe.bind((host, random.randrange(10_000, 25_000)))
                return probe.getsockname()[1]
            except OSError:
                continue


def accepts(where):
    try:
        open_socket(where, 2.0).close()
        return True
    except OSError:
        return False
