"""A Nova that takes down every byte it gets, and believes nothing that is not written exactly right.

Alone it answers as Nova's metadata API does, as far as the corpus asks for anything; with `upstream` it passes each
request on to a real one.
"""

import dataclasses
import json
import posixpath
import re
import socket
import threading
import urllib.parse

from Harness import servers, wire

from .recorded import Recorded

HEAD = re.compile(rb"([!-~]+) ([!-~]+) HTTP/1\.1\r\n((?:[!#-'*+.0-9A-Za-z^_`|~-]+:[\t -~]*\r\n)*)\r\n")
DOCUMENT = "/openstack/latest/meta_data.json"
# Answered before the body is read; what comes of the body is taken for the next request.
EARLY = "/early"
OTHERS = ("/", "/latest", "/latest/meta-data")


@dataclasses.dataclass
class Request:
    method: str
    target: str
    headers: list
    body: bytes
    # Of the body; it is known before the body is there.
    length: int

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]


class Nova:
    def __init__(self, upstream=None):
        self.upstream = upstream
        self.requests, self.garbage = [], []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        incoming = wire.Incoming(connected)
        rest_is_body = False
        try:
            while True:
                try:
                    head = incoming.head()
                except AssertionError:
                    # The connection ended within a head, or rather within what came of an early answer's body.
                    head = incoming.buffer if not rest_is_body else b""
                if not head:
                    return
                request = self._read(head, incoming)
                with self._lock:
                    (self.requests if request else self.garbage).append(request or head + incoming.buffer)
                if request is None:
                    return
                if request.target.startswith(EARLY):
                    rest_is_body = True
                    connected.sendall(servers.reply(404, b"so soon"))
                    continue
                answer, is_open = self._ask(head + request.body) if self.upstream else (_answer(request), True)
                connected.sendall(answer or b"")
                if not answer or not is_open:
                    return
        except (OSError, EOFError, AssertionError):
            pass  # a body or an answer that was cut short: what came of it is not a request
        finally:
            connected.close()

    def _read(self, head, incoming):
        """None for anything that two readers could read differently."""
        found = HEAD.fullmatch(head)
        if not found:
            return None
        headers = []
        for line in found[3].split(b"\r\n")[:-1]:
            name, _, value = line.partition(b":")
            headers.append((name.decode().lower(), value.strip(b"\t ").decode()))
        lengths = [value for name, value in headers if name == "content-length"]
        if any(name == "transfer-encoding" for name, _ in headers) or not re.fullmatch(r"\d*", ",".join(lengths)):
            return None
        request = Request(found[1].decode(), found[2].decode(), headers, b"", int(lengths[0]) if lengths else 0)
        if not request.target.startswith(EARLY):
            request.body = incoming.exactly(request.length)
        return request

    def _ask(self, request):
        """The real Nova's answer as it came, and whether more than its end tells its length."""
        with wire.Client(self.upstream, 30) as client:
            client.socket = Recorded(client.socket)
            client.send(request)
            answer = client.response(request.split(b" ")[0].decode())
            return client.socket.received, bool(answer.names & {"content-length", "transfer-encoding"})


def _answer(request):
    if request.target == "*":
        return None  # the real one hangs up
    path = posixpath.normpath(urllib.parse.unquote(request.target.partition("?")[0]))
    if path == DOCUMENT:
        return servers.reply(body=json.dumps({"uuid": ",".join(request.all("x-instance-id"))}).encode())
    return servers.reply(body=b"list") if path in OTHERS else servers.reply(404, b"nothing here")
