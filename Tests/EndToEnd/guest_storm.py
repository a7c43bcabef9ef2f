"""Runs beside the guests: a boot storm. Many new connections per second, each for one request, begun at a fixed rate
however slow the answers are; and beside them a few connections that are kept and asked again and again.

    guest_storm.py ORDER        (JSON, see `DEFAULTS`)

Prints a line per request: KIND BEGAN ENDED DETAIL, the times being CLOCK_MONOTONIC's, which all processes share. Ends
when standard input does, or at one of its bounds, but never before the last answer. One thread, one epoll set.

`namespaces` names network namespaces: each new connection is made in the next of them. So one process can be the
guests of five hundred networks; it refuses to connect from anywhere else then.
"""

import ctypes
import errno
import heapq
import json
import resource
import select
import socket
import sys
import time

DEFAULTS = {
    "where": ["127.0.0.1", 80],
    "target": "/",
    # What the body of an answer must contain: one text, or one per namespace.
    "expected": "",
    # New connections per second, and how many in all.
    "rate": 100,
    "requests_max": 20_000,
    # Connections that are kept, and their requests per second.
    "kept": 0,
    "kept_rate": 10,
    "seconds_max": 60,
    # How long a guest waits for its answer.
    "answer_seconds": 20,
    "namespaces": [],
    # Ends by itself with the first right answer.
    "until_first": False,
}
# Connections at a time; beyond it the storm waits.
OPEN_MAX = 4_000
CLONE_NEWNET = 0x40000000


def enter(namespace):
    """This process's sockets are made there from now on."""
    with open(f"/run/netns/{namespace}") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


class Connection:
    """Asks once; a kept one again a moment after each answer."""

    def __init__(self, storm, namespace, expected, is_kept):
        self.storm, self.namespace, self.is_kept = storm, namespace, is_kept
        self.expected = expected.encode()
        self.socket = None
        self.answers = 0
        self.began = time.monotonic()
        self.connect()

    def connect(self):
        self.answers = 0
        if self.namespace:
            enter(self.namespace)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.is_connected = False
        code = self.socket.connect_ex(self.storm.where)
        if code not in (0, errno.EINPROGRESS):
            return self.end(code)
        self.await_answer(select.EPOLLOUT)

    def await_answer(self, events):
        self.answer = b""
        self.storm.watch(self, events)
        self.storm.at(self.began + self.storm.order["answer_seconds"], self, self.expire, self.began)

    def expire(self, began):
        if self.socket and self.began == began and not self.is_pausing:
            self.end(errno.ETIMEDOUT)

    is_pausing = False

    def ready(self):
        try:
            if not self.is_connected:
                code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    return self.end(code)
                self.is_connected = True
                self.storm.watch(self, select.EPOLLIN)
                return self.ask()
            received = self.socket.recv(65536)
        except BlockingIOError:
            return None
        except OSError as failure:
            return self.end(failure.errno)
        if not received:
            return self.end(0)
        self.answer += received
        return self.judge()

    def ask(self):
        head = f"GET {self.storm.order['target']} HTTP/1.1\r\nHost: {self.storm.where[0]}\r\n\r\n"
        self.socket.send(head.encode())

    def ask_again(self, _):
        self.is_pausing = False
        self.began = time.monotonic()
        if self.socket is None:
            return self.connect()
        self.await_answer(select.EPOLLIN)
        try:
            return self.ask()
        except OSError as failure:
            return self.end(failure.errno)

    def judge(self):
        """Whether the answer is here, and the right one."""
        head, blank, body = self.answer.partition(b"\r\n\r\n")
        if not blank:
            return
        lines = head.split(b"\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if b": " in line)
        if len(body) < int(fields.get(b"content-length", 1 << 30)):
            return
        status = int(lines[0].split(b" ")[1])
        if status == 200:
            kind = "ok" if self.expected in body else "wrong"
        else:
            kind = f"status-{status}"
        self.answers += 1
        self.tell(kind, f"retry-after={fields.get(b'retry-after', b'').decode()}")
        if not self.is_kept:
            self.drop()
        elif fields.get(b"connection") == b"close":
            # As the server wishes; it was told to the guest, so nothing is lost.
            self.drop()
            self.pause()
        else:
            self.pause()

    def pause(self):
        self.is_pausing = True
        self.storm.at(time.monotonic() + 1 / self.storm.order["kept_rate"], self, self.ask_again, None)

    def end(self, code):
        """The connection is over without an answer to the last request, if there was one."""
        self.drop()
        if self.is_kept and self.is_pausing:
            self.tell("closed-idle")
            return None
        if self.is_kept and self.answers and not self.answer and code in (0, errno.ECONNRESET, errno.EPIPE):
            # It met the server's goodbye on the way. Every HTTP client asks again then, on a new connection.
            self.tell("asked-again")
            return self.connect()
        names = {0: "cut", errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset", errno.EPIPE: "reset"}
        names[errno.ETIMEDOUT] = "timeout"
        self.tell(names.get(code, errno.errorcode.get(code, str(code))), f"after-{len(self.answer)}-bytes")
        if self.is_kept:
            self.pause()
        return None

    def tell(self, kind, detail="-"):
        self.storm.tell(("kept-" if self.is_kept else "") + kind, self.began, detail)

    def drop(self):
        if self.socket:
            self.storm.forget(self)
            self.socket.close()
            self.socket = None


class Storm:
    def __init__(self, order):
        self.order = {**DEFAULTS, **order}
        self.where = tuple(self.order["where"])
        self.poller = select.epoll()
        self.connections, self.timers, self.lines = {}, [], []
        self.begun = self.timer_number = 0
        self.is_ending = False

    def watch(self, connection, events):
        number = connection.socket.fileno()
        if self.connections.get(number) is connection:
            self.poller.modify(number, events)
        else:
            self.connections[number] = connection
            self.poller.register(number, events)

    def forget(self, connection):
        self.connections.pop(connection.socket.fileno(), None)

    def at(self, due, connection, action, argument):
        self.timer_number += 1
        heapq.heappush(self.timers, (due, self.timer_number, connection, action, argument))

    def tell(self, kind, began, detail):
        self.lines.append(f"{kind} {began:.6f} {time.monotonic():.6f} {detail}\n")
        if kind == "ok" and self.order["until_first"]:
            self.is_ending = True

    def flush(self):
        if self.lines:
            sys.stdout.write("".join(self.lines))
            sys.stdout.flush()
            self.lines = []

    def begin(self, number, is_kept=False):
        namespaces, expected = self.order["namespaces"], self.order["expected"]
        namespace = namespaces[number % len(namespaces)] if namespaces else None
        if isinstance(expected, list):
            expected = expected[number % len(expected)]
        return Connection(self, namespace, expected, is_kept)

    def run(self):
        started = time.monotonic()
        kept = [self.begin(number, is_kept=True) for number in range(self.order["kept"])]
        self.poller.register(0, select.EPOLLIN)
        while True:
            now = time.monotonic()
            if now - started > self.order["seconds_max"]:
                self.is_ending = True
            due = started + self.begun / self.order["rate"]
            while not self.is_ending and due <= now and len(self.connections) < OPEN_MAX:
                if self.begun >= self.order["requests_max"]:
                    self.is_ending = True
                    break
                self.begin(self.begun)
                self.begun += 1
                due = started + self.begun / self.order["rate"]
            if self.is_ending:
                # Kept connections between two requests have nothing more to learn.
                for connection in kept:
                    if connection.is_pausing:
                        connection.drop()
                if not self.connections:
                    break
            while self.timers and self.timers[0][0] <= now:
                _, _, connection, action, argument = heapq.heappop(self.timers)
                if not (self.is_ending and action == connection.ask_again):
                    action(argument)
            self.flush()
            self.wait(due, now)
        self.flush()

    def wait(self, due, now):
        ends = [due] if not self.is_ending and len(self.connections) < OPEN_MAX else []
        ends += [self.timers[0][0]] if self.timers else []
        seconds = min(max(min(ends, default=now + 0.1) - now, 0), 0.1)
        for number, _ in self.poller.poll(seconds):
            if number == 0:
                self.poller.unregister(0)
                self.is_ending = True
            elif number in self.connections:
                self.connections[number].ready()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_MAX + 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    Storm(json.loads(sys.argv[1])).run()
