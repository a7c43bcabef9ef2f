"""Fixtures: the stack once for all tests, a front per kind of proxy, and agents behind it."""

import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from Harness import openstack as harness  # noqa: E402
from Harness import programs  # noqa: E402
from agents import OurAgent, ReferenceAgent, directories  # noqa: E402
from fronts import KINDS  # noqa: E402

SECONDS_MAX = 240


def pytest_sessionstart(session):
    missing = [path for path in (programs.AGENT, programs.PROXY, programs.BELLHOP) if not os.access(path, os.X_OK)]
    if missing and not session.config.option.collectonly:
        pytest.exit(f"{missing[0]} is missing: run `make build`, or set BELLHOP_BIN", returncode=3)


@pytest.fixture(scope="session")
def openstack():
    if os.geteuid() != 0:
        pytest.skip("a stack and its namespaces need root")
    running, ours = harness.start()
    yield running
    if ours:
        running.stack.down(purge=True)


@pytest.fixture(autouse=True)
def bounded(openstack):
    """No test runs for ever, whatever the programs do. The start of the stack has limits of its own."""

    def expire(*_):
        raise TimeoutError(f"the test took more than {SECONDS_MAX} s")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(SECONDS_MAX)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(scope="session")
def folder():
    """Short, and open to the proxies' user."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-os-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def socket(folder):
    return folder / "metadata_proxy"


@pytest.fixture(scope="session", params=["haproxy"])
def front(request, openstack, folder, socket):
    """haproxy, unless a module asks for other kinds as well."""
    made = KINDS[request.param](openstack, folder, socket)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def launch(openstack, folder, socket):
    """Starts agents, one after another on the same socket, and ends them after the test."""
    started = []

    def start(kind=OurAgent, **options):
        for before in started:
            before.kill()
        agent = kind(openstack, folder, socket, **options)
        started.append(agent)
        return agent.start()

    yield start
    for agent in started:
        agent.kill()


def needs(directory):
    """Skips a test whose directory our agent does not have."""
    if directory not in directories():
        pytest.skip(f"this agent cannot look instances up by {directory}")


@pytest.fixture(scope="session")
def fresh(openstack):
    """Instances of the project `blue` that Nova knows and nobody has used; `next(fresh)` takes one."""
    return iter(openstack.new_instances("blue", 24))


@pytest.fixture(params=["rest", "rpc"])
def directory(request):
    needs(request.param)
    return request.param


@pytest.fixture
def rpc():
    needs("rpc")
    return "rpc"


@pytest.fixture
def any_directory():
    """For tests that have nothing to do with where instances are looked up."""
    return "rpc" if "rpc" in directories() else "rest"


@pytest.fixture
def healed(openstack):
    """The stack whole again after a test that broke it, whether it passed or not."""
    yield
    openstack.heal()


AGENTS = {
    "our agent, REST": lambda *where: OurAgent(*where, directory="rest", hold=4),
    "our agent, RPC": lambda *where: OurAgent(*where, directory="rpc", hold=4),
    "our agent, relaying": lambda *where: OurAgent(*where, directory="rpc", hold=4, take_listeners="false"),
    "neutron-metadata-agent": ReferenceAgent,
}


@pytest.fixture(scope="module")
def agent(request, openstack, folder, socket):
    """One agent for all tests of a module, or of a cell of the matrix; `request.param` is one of AGENTS."""
    if request.param in ("our agent, RPC", "our agent, relaying"):
        needs("rpc")
    made = AGENTS[request.param](openstack, folder, socket)
    try:
        yield made.start()
    finally:
        made.kill()
