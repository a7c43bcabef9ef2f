"""Nova under uWSGI may answer before it has read a request's body, and then resets the connection, because there is
more to read: a second password is refused in this way. What came before the reset is all there will be, and has no
length.
"""

import socket
import threading

import pytest

from Harness import wire


class HastyNova:
    """Reads no more than the head of a request, waits until the body is there, answers, and closes."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.head_came = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        connected, _ = self.listener.accept()
        with connected:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connected.recv(1)
            self.head_came.set()
            connected.recv(1, socket.MSG_PEEK)
            connected.sendall(self.answer)

    def stop(self):
        self.listener.close()
        self.thread.join(10)


@pytest.fixture
def ask(agent):
    """What a guest gets that sends its body apart from the head, as Python's clients do."""
    started = []

    def asker(answer):
        agent.nova = nova = HastyNova(answer)
        started.append(nova)
        agent.start()
        head = [("Content-Length", "7"), *agent.headers()]
        with wire.Client(agent.socket) as guest:
            guest.send(wire.request("/openstack/latest/password", "POST", head))
            assert nova.head_came.wait(10)
            guest.send(b"another")
            return guest.response("POST")

    return asker


@pytest.mark.parametrize("status", ["400 Bad Request", "409 Conflict"])
def test_the_status_of_a_refusal_gets_through(ask, status):
    answer = ask(f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\n\r\n<h1>{status}</h1>".encode())
    assert (answer.status, answer.body) == (int(status[:3]), f"<h1>{status}</h1>".encode())


def test_a_document_of_which_nobody_knows_the_end_is_not_taken_for_whole(ask):
    """What may be half of the user data is worse than none."""
    assert ask(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhalf").status == 502
