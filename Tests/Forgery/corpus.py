"""Reads the corpus: groups of items, each the bytes of one connection and what comes of them.

    A line of prose about the group.

    == name
    What the guest tries, in a sentence.
    ours: 200 / own / open
    control: 500 / - / open
    why: list
    | GET {document} HTTP/1.1
    | X-Forwarded-For: {neighbour}
    |

An outcome has three parts: the statuses that the guest gets (0 for none in time), the identities that Nova is asked
for, and what the next request on the connection would get: `open` if it is served as everybody's, `closed`, or a
status. Who serves:

    ours      our proxies and our agent, relayed or handed over
    haproxy   Debian's haproxy in front of our agent; as `ours` unless given
    pike      the same with the file of Pike to Train, which adds its header where later ones set it; as `haproxy`
    control   Debian's haproxy in front of Neutron's agent; as `haproxy`
    proxy     our proxy in front of Neutron's agent; as `ours`
    socket    our agent's UNIX socket, for items that a proxy would have written; they have no other outcome

`why` is needed where `control` differs from `ours`; it stands for a sentence of reasons.txt.

Bytes: `|` and a blank begin a line; it ends with CRLF, or with nothing if a backslash is its last character. Escapes
are those of Python's bytes. `{name}` is a value of the place where the item is played, `{rest}` the number of bytes
behind the head, `{x*100}` a hundred of x. `|97` repeats a line, in which `{n}` counts. `~` waits for an answer.
HTTP/2: `2` is a header field, `2=` data, `2+` a trailer field.
"""

import dataclasses
import functools
import pathlib
import re

from . import http2

FOLDER = pathlib.Path(__file__).parent / "corpus"
CHAINS = {"ours": None, "haproxy": "ours", "pike": "haproxy", "control": "haproxy", "proxy": "ours", "socket": None}
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)")
ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
PLACE = re.compile(r"\{(?:(\w+)|(.)\*(\d+))\}")
# Stands for a length until it is known.
REST = "<rest>"
STEP = re.compile(r"(\|(\d*)|2[=+]?|~)(?: (.*))?$")


class CorpusError(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of an item, or should."""

    statuses: tuple = ()
    identities: tuple = ()
    end: str = "closed"

    def __str__(self):
        parts = (" ".join(map(str, self.statuses)), " ".join(self.identities), self.end)
        return " / ".join(part or "-" for part in parts)

    @classmethod
    def parse(cls, text):
        statuses, identities, end = (part.split() for part in text.split(" / "))
        if not re.fullmatch("open|closed|[1-5]..", " ".join(end)):
            raise ValueError(f"{end} is neither open nor closed nor a status")
        listed = [() if words == ["-"] else tuple(words) for words in (statuses, identities)]
        return cls(tuple(map(int, listed[0])), listed[1], end[0])


@dataclasses.dataclass(frozen=True)
class Item:
    group: str
    name: str
    tries: str
    steps: tuple
    outcomes: dict
    why: str

    @property
    def path(self):
        return f"{self.group}/{self.name}"

    @property
    def tag(self):
        """Part of every target of the item, so that what reaches Nova late is still known to be of it."""
        return f"{self.group}.{self.name}"

    def expected(self, chain):
        """None if the item is not for this chain."""
        while chain and chain not in self.outcomes:
            chain = CHAINS[chain]
        return self.outcomes.get(chain)

    @property
    def is_http2(self):
        return any(kind.startswith("2") for kind, _, _ in self.steps)

    def pieces(self, values):
        """Bytes to send, and None where an answer is waited for."""
        values = {**values, "document": f"{values['path']}?{self.tag}", "tag": self.tag, "rest": REST}
        if self.is_http2:
            return [self._stream(values)]
        pieces = [b""]
        for kind, count, text in self.steps:
            if kind == "~":
                pieces += [None, b""]
                continue
            for n in range(int(count or 1)):
                pieces[-1] += self._bytes(text, {**values, "n": str(n)})
        return [piece and _counted(piece) for piece in pieces if piece != b""]

    def _bytes(self, text, values):
        if re.search(r"(?<!\\)(\\\\)*\\$", text):
            return self._text(text[:-1], values)
        return self._text(text, values) + b"\r\n"

    def _text(self, text, values):
        def place(found):
            name, letter, count = found.groups()
            if name is None:
                return letter * int(count)
            try:
                return values[name]
            except KeyError:
                raise CorpusError(f"{self.path}: there is no value {name}") from None

        def escape(found):
            code = found.group(1)
            return chr(int(code[1:], 16)) if len(code) == 3 else ESCAPES[code]

        return ESCAPE.sub(escape, PLACE.sub(place, text)).encode("latin-1")

    def _stream(self, values):
        fields = {"2": [], "2+": []}
        data = b""
        for kind, _, text in self.steps:
            if kind == "2=":
                data += self._text(text, values)
            else:
                name, _, value = text[1:].partition(": ")
                fields[kind].append((self._text(text[0] + name, values), self._text(value, values)))
        return http2.request(fields["2"], data, fields["2+"])


def _counted(piece):
    """With the number of bytes behind the first head where `{rest}` stands."""
    head, end, rest = piece.partition(b"\r\n\r\n")
    return head.replace(REST.encode(), str(len(rest)).encode()) + end + rest


@dataclasses.dataclass(frozen=True)
class Group:
    name: str
    about: str
    items: tuple


@functools.cache
def groups():
    return tuple(_group(path) for path in sorted(FOLDER.glob("*.txt")))


def items(chain):
    """Those that are for a chain."""
    return [item for group in groups() for item in group.items if item.expected(chain)]


@functools.cache
def reasons():
    """The sentences that `why` stands for."""
    lines = (FOLDER.parent / "reasons.txt").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def _group(path):
    name = path.stem
    about, *parts = re.split(r"^== ", path.read_text(), flags=re.MULTILINE)
    found = tuple(item(name, part) for part in parts)
    names = [one.name for one in found]
    if len(set(names)) != len(names):
        raise CorpusError(f"{path.name}: a name is there twice")
    return Group(name, " ".join(about.split()), found)


def item(group, text):
    """One item from what stands behind `== `."""
    name, *lines = text.rstrip("\n").split("\n")
    where = f"{group}/{name}"
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise CorpusError(f"{where}: a name is made of lower-case letters, digits and dashes")
    tries, fields, steps = [], {}, []
    for line in lines:
        step = STEP.match(line)
        if step:
            steps.append((step[1].rstrip("0123456789") if step[1][0] == "|" else step[1], step[2], step[3] or ""))
        elif line and steps:
            raise CorpusError(f"{where}: {line!r} is neither bytes nor a wait")
        elif re.match(r"(?:why|" + "|".join(CHAINS) + "): ", line):
            key, _, value = line.partition(": ")
            fields[key] = value
        elif line:
            tries.append(line)
    why = fields.pop("why", "")
    try:
        outcomes = {chain: Outcome.parse(value) for chain, value in fields.items()}
    except ValueError as error:
        raise CorpusError(f"{where}: {error}") from None
    made = Item(group, name, " ".join(tries), tuple(steps), outcomes, why)
    if not tries or not steps or not outcomes.keys() & {"ours", "socket"}:
        raise CorpusError(f"{where}: a sentence, an outcome and bytes are needed")
    return made
