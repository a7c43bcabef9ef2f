"""Fixtures that start the real programs, each test in a folder of its own, each bounded in time."""

import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from Harness import lab, personality, programs, servers, wire  # noqa: E402
from Harness.handover import Handover  # noqa: E402
from Harness.programs import Program  # noqa: E402

SECONDS_MAX = 90


def pytest_sessionstart(session):
    needed = (programs.AGENT, programs.PROXY, personality.STANDBY, programs.BELLHOP)
    missing = [path for path in needed if not os.access(path, os.X_OK)]
    if missing and not session.config.option.collectonly:
        pytest.exit(f"{missing[0]} is missing: run `make build`, or set BELLHOP_BIN", returncode=3)


@pytest.fixture(autouse=True)
def bounded():
    """No test runs for ever, whatever the programs do."""

    def expire(*_):
        raise TimeoutError(f"the test took more than {SECONDS_MAX} s")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(SECONDS_MAX)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def folder():
    """A short path (UNIX socket names end at 107 bytes) that other users may enter, for tests that drop privileges."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def start(folder):
    """Starts programs and sees to it that each ends, and that none ended before it was told to."""
    started = []

    def starter(words, name=None, **keywords):
        program = Program(words, folder, name or f"program{len(started)}", **keywords)
        started.append(program)
        return program

    yield starter
    fallen = [program for program in started if program.process.returncode is None and program.process.poll()]
    for program in started:
        program.kill()
    for program in fallen:
        pytest.fail(f"{program.words[0]} ended by itself with {program.process.returncode}:\n{program.output[-4000:]}")


class ProxySetup:
    """`neutron-ns-metadata-proxy` in the foreground, and a stand-in for the agent behind it."""

    def __init__(self, folder, start):
        self.folder, self._start = folder, start
        self.socket = folder / "metadata_proxy"
        self.port = wire.free_port()
        self.where = ("127.0.0.1", self.port)
        self.agent = None

    def serve(self, answer=None, **keywords):
        self.agent = servers.ScriptedServer(answer, path=self.socket, **keywords)
        return self.agent

    def words(self, *options, identity=("--network_id", lab.RED)):
        return [
            programs.PROXY,
            *identity,
            "--metadata_proxy_socket",
            self.socket,
            "--metadata_port",
            self.port,
            "--state_path",
            self.folder,
            *options,
        ]

    def start(self, *options, identity=("--network_id", lab.RED), **keywords):
        words = self.words("--nodaemonize", *options, identity=identity)
        program = self._start(words, "proxy", **keywords)
        program.wait_until(lambda: wire.accepts(self.where), what=f"a listener on port {self.port}")
        return program


@pytest.fixture
def proxy(folder, start):
    setup = ProxySetup(folder, start)
    yield setup
    if setup.agent:
        setup.agent.stop()


class AgentSetup:
    """`neutron-metadata-agent` with an inventory as its directory, and a stand-in for Nova behind it."""

    def __init__(self, folder, start):
        self.folder, self._start = folder, start
        self.socket = folder / "metadata_proxy"
        self.inventory = folder / "lab.yaml"
        self.inventory.write_text(lab.INVENTORY)
        self.configuration = folder / "metadata_agent.ini"
        self.log = folder / "agent.log"
        self.nova = None
        self.program = None

    def serve(self, answer=None, **keywords):
        self.nova = servers.ScriptedServer(answer, **keywords)
        return self.nova

    def write(self, bellhop=None, text="", **options):
        """Writes the configuration file; an option of None is left out."""
        settings = {
            "metadata_proxy_socket": self.socket,
            "metadata_proxy_shared_secret": lab.SECRET,
            "nova_metadata_host": "127.0.0.1",
            "nova_metadata_port": self.nova.port if self.nova else 1,
            "metadata_workers": 1,
            "log_file": self.log,
            "state_path": self.folder,
            **options,
        }
        own = {"inventory": self.inventory, "hold_seconds": 0, **(bellhop or {})}
        lines = ["[DEFAULT]"] + [f"{key} = {value}" for key, value in settings.items() if value is not None]
        lines += ["[bellhop]"] + [f"{key} = {value}" for key, value in own.items() if value is not None]
        self.configuration.write_text("\n".join(lines) + "\n" + text)

    @property
    def words(self):
        return [programs.AGENT, "--config-file", self.configuration]

    def start(self, *words, bellhop=None, text="", environment=None, before=(), **options):
        self.write(bellhop, text, **options)
        self.program = self._start([*self.words, *words], "agent", environment=environment, before=before)
        self.program.wait_until(lambda: wire.accepts(self.socket), what="the agent's socket")
        return self.program

    def headers(self, address=lab.WEB_IP, network=lab.RED, router=None, more=()):
        pairs = [("X-Forwarded-For", address)] if address is not None else []
        pairs += [("X-Neutron-Network-ID", network)] if network is not None else []
        pairs += [("X-Neutron-Router-ID", router)] if router is not None else []
        return pairs + list(more)

    def ask(self, target="/", method="GET", body=b"", timeout=15.0, **identity):
        return wire.get(self.socket, target, self.headers(**identity), method, body, timeout)

    @property
    def log_text(self):
        return (self.log.read_text(errors="replace") if self.log.exists() else "") + self.program.output


@pytest.fixture
def agent(folder, start):
    setup = AgentSetup(folder, start)
    yield setup
    if setup.nova:
        setup.nova.stop()


@pytest.fixture
def haproxy(folder):
    """Our program under haproxy's name."""
    setup = personality.HaproxySetup(folder, personality.install(folder / "bin"))
    yield setup
    setup.close()


@pytest.fixture
def control(folder):
    """Debian's haproxy, with the same agent behind it."""
    program = personality.debian_haproxy()
    if program is None:
        pytest.skip("Debian's haproxy is not there: run `make setup`")
    setup = personality.HaproxySetup(folder, program, "control")
    yield setup
    setup.close()


@pytest.fixture
def handover(agent, haproxy):
    """Our agent and our `haproxy` together."""
    return Handover(agent, haproxy)


WAYS = {"Debian's haproxy": "control", "relayed": "haproxy", "handed over": "handover"}


@pytest.fixture(params=WAYS)
def served(request):
    """Whoever serves the guests: what must be the same in all three ways. `serve` is what is behind it."""
    setup = request.getfixturevalue(WAYS[request.param])
    setup.way = request.param
    return setup


@pytest.fixture(params=[way for way in WAYS if WAYS[way] != "control"])
def ours(request):
    """The same for what is ours alone."""
    setup = request.getfixturevalue(WAYS[request.param])
    setup.way = request.param
    return setup
