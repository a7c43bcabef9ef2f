"""One thing that relays metadata requests: how it is started, where guests connect, and what it is made of."""

import pathlib

from . import accounts
from .workshop import session_members, wire


class Contender:
    """`start` blocks until it answers. All its processes count: those of every hop, and their children."""

    key = ""
    title = ""
    # What it relays to: "TCP", as Nova is reached, or "UNIX", as the agent is.
    upstream = "TCP"
    # Answers per second are counted in hundreds, not in ten thousands: its runs are shorter.
    is_slow = False
    # How many idle connections one listener is allowed, with some for the load.
    idle_max = 10_000

    def __init__(self, workshop, networks=1):
        self.workshop, self.networks = workshop, networks
        self.folder = pathlib.Path(workshop.folder) / f"{self.key}-{networks}-{len(list(workshop.folder.iterdir()))}"
        self.folder.mkdir()
        self.programs = []
        # What a gate puts before the words and into the environment of the relaying program.
        self.before, self.environment = (), None
        self.port = wire.free_port("0.0.0.0")

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def begin(self):
        raise NotImplementedError

    def run(self, words, name, **keywords):
        if self.relays(name):
            keywords = {"before": self.before, "environment": self.environment, **keywords}
        program = self.workshop.start(words, name, folder=self.folder, **keywords)
        self.programs.append(program)
        return program

    def stop(self):
        self.workshop.stop(self.programs)
        self.programs = []

    def relays(self, name):
        """Whether the process of that name is on the way of requests."""
        return True

    @property
    def targets(self):
        return [f"127.0.0.1:{self.port}"]

    def wait_until_open(self, program, target=None, seconds=60):
        """Until it accepts connections; that needs no guest to be known."""
        host, port = (target or self.targets[0]).split(":")
        program.wait_until(lambda: wire.accepts((host, int(port))), seconds, f"the listener of {self.title}")

    @property
    def pids(self):
        return session_members([program.pid for program in self.programs])

    def cpu_seconds(self, pids=None):
        return accounts.cpu_seconds(pids or self.pids)

    def memory_kib(self):
        return accounts.memory_kib(self.pids)

    def versions(self):
        """What to write about its version."""
        return ""
