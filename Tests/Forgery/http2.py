"""As much of HTTP/2 as a guest needs to say what no library lets it say: fields with any bytes, uncompressed.

haproxy takes HTTP/2 on a plain listener from everybody who begins with its preface.
"""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4
# What the static table of RFC 7541 has for `:status`.
STATUSES = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}


def frame(kind, flags, payload, stream=1):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _string(text):
    if len(text) < 127:
        return bytes([len(text)]) + text
    rest, more = len(text) - 127, b"\x7f"
    while rest >= 128:
        more += bytes([rest % 128 + 128])
        rest //= 128
    return more + bytes([rest]) + text


def block(fields):
    """Literal fields, never indexed, without Huffman."""
    return b"".join(b"\x10" + _string(name) + _string(value) for name, value in fields)


def request(fields, data=b"", trailers=(), stream=1):
    """A whole connection's worth of bytes: preface, settings and one request."""
    parts = [(HEADERS, END_HEADERS, block(fields))]
    if data:
        parts.append((DATA, 0, data))
    if trailers:
        parts.append((HEADERS, END_HEADERS, block(trailers)))
    last = parts.pop()
    parts.append((last[0], last[1] | END_STREAM, last[2]))
    frames = b"".join(frame(kind, flags, payload, stream) for kind, flags, payload in parts)
    return PREFACE + frame(SETTINGS, 0, b"", stream=0) + frames


def another(fields, stream):
    """One more request on the same connection."""
    return frame(HEADERS, END_HEADERS | END_STREAM, block(fields), stream)


def frames(received):
    """The complete frames at the front of the bytes: kind, flags, stream, payload."""
    while len(received) >= 9:
        size = int.from_bytes(received[:3], "big")
        if len(received) < 9 + size:
            return
        yield received[3], received[4], int.from_bytes(received[5:9], "big"), received[9 : 9 + size]
        received = received[9 + size :]


def status(payload):
    """Of a block of answer fields whose first one is `:status`, as haproxy writes it."""
    if payload[0] & 0x80:
        return STATUSES[payload[0] & 0x7F]
    assert payload[0] & 0x0F == 8 and payload[1] == 3, f"not a status: {payload[:8]!r}"
    return int(payload[2:5])
