"""A metadata service with faults, for one namespace: `faulty_service.py TABLE LOG`.

TABLE is JSON: for each target a list of answers, given out in turn, the last one again and again. An answer has
`status`, `body`, `headers`, and `cut` (so many bytes of the body are missing at the end) or `closes` (no answer at all).
LOG gets the target of each request, a line each. Listens on 169.254.169.254:80, which the namespace must have.
"""

import json
import socket
import sys
import threading


def answer_bytes(answer):
    body = answer.get("body", "").encode()
    lines = [f"HTTP/1.1 {answer.get('status', 200)} Reason", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in answer.get("headers", {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body[: len(body) - answer.get("cut", 0)]


def main():
    with open(sys.argv[1]) as file:
        table = json.load(file)
    log = open(sys.argv[2], "a", buffering=1)
    listener = socket.create_server(("169.254.169.254", 80), backlog=64)
    lock = threading.Lock()

    def serve(connected):
        with connected:
            connected.settimeout(20)
            head = b""
            while b"\r\n\r\n" not in head:
                received = connected.recv(65536)
                if not received:
                    return
                head += received
            target = head.split(b" ")[1].decode()
            with lock:
                log.write(target + "\n")
                answers = table.get(target, [{"status": 404}])
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if not answer.get("closes"):
                connected.sendall(answer_bytes(answer))

    while True:
        connected, _ = listener.accept()
        threading.Thread(target=serve, args=(connected,), daemon=True).start()


main()
