"""A server whose answers are scripted to the byte: it stands in for Nova (TCP, TLS) or for the agent (UNIX socket)."""

import os
import socket
import ssl
import threading
import time

from . import wire


def reply(status=200, body=b"", headers=(("Content-Type", "text/plain; charset=UTF-8"),), reason="Reason", length=True):
    """The bytes of an answer with Content-Length."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    if length and not {name.lower() for name, _ in pairs} & {"content-length", "transfer-encoding"}:
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"HTTP/1.1 {status} {reason}".encode()]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in pairs]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(body, size=1000):
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


class Steps:
    """An answer in steps: bytes are sent, numbers are pauses in seconds, callables are called, CLOSE ends it."""

    def __init__(self, *steps):
        self.steps = steps


class Close:
    """The connection ends here, in the middle of whatever it was."""


CLOSE = Close()


class ScriptedServer:
    """Answers with `answer`: bytes, `Steps`, or a function from the request to one of them.

    `requests` are all requests in order, with `connection` numbered from 1 in the order of accepting.
    """

    def __init__(self, answer=None, host="127.0.0.1", port=0, path=None, tls=None, mode=0o666):
        self.answer = answer if answer is not None else reply(body=b"hello")
        self.requests = []
        self.connections = 0
        self.open = set()
        self.lock = threading.Lock()
        self.tls = tls
        self.path = os.fspath(path) if path else None
        self.stopped = False
        if self.path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.path)
            os.chmod(self.path, mode)
        else:
            self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind((host, port))
            self.host, self.port = self.listener.getsockname()[:2]
        self.listener.listen(512)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopped = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        if self.path and os.path.exists(self.path):
            os.unlink(self.path)
        self.close_connections()

    def close_connections(self):
        """Ends all connections, idle ones included, as a restarted server would."""
        with self.lock:
            connections = list(self.open)
        for connected in connections:
            try:
                connected.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @property
    def last(self):
        return self.requests[-1]

    def _accept(self):
        while not self.stopped:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
                self.open.add(connected)
            threading.Thread(target=self._serve, args=(connected, number), daemon=True).start()

    def _serve(self, connected, number):
        raw = connected
        try:
            if self.tls:
                connected.settimeout(10)
                connected = self.tls.wrap_socket(connected, server_side=True)
                connected.settimeout(None)
            else:
                if not self.path:
                    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            incoming = wire.Incoming(connected)
            while True:
                message = incoming.request()
                if message is None:
                    return
                message.connection = number
                with self.lock:
                    self.requests.append(message)
                answer = self.answer(message) if callable(self.answer) else self.answer
                for step in answer.steps if isinstance(answer, Steps) else (answer,):
                    if isinstance(step, Close):
                        return
                    if isinstance(step, (int, float)):
                        time.sleep(step)
                    elif callable(step):
                        step()
                    else:
                        connected.sendall(step)
        except (OSError, AssertionError, ssl.SSLError):
            pass  # the other side went away; the test looks at what it got
        finally:
            with self.lock:
                self.open.discard(raw)
            try:
                connected.close()
            except OSError:
                pass
