"""A RabbitMQ for all tests and oslo.messaging's servers beside it; each test has a virtual host of its own."""

import os
import pathlib
import shutil
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from Harness import programs  # noqa: E402

SECONDS_MAX = 120
# A module or program of each Debian package that is needed.
MODULES = {"amqp": "python3-amqp", "oslo_messaging": "python3-oslo.messaging"}
PROGRAMS = {"/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server", "openssl": "openssl", "epmd": "erlang-base"}


def missing_packages():
    import importlib.util

    modules = {package for module, package in MODULES.items() if importlib.util.find_spec(module) is None}
    path = os.environ["PATH"] + ":/usr/sbin:/usr/bin"
    return sorted(modules | {package for name, package in PROGRAMS.items() if not shutil.which(name, path=path)})


def pytest_sessionstart(session):
    if session.config.option.collectonly:
        return
    if not os.access(programs.AGENT, os.X_OK):
        pytest.exit(f"{programs.AGENT} is missing: run `make build`, or set BELLHOP_BIN", returncode=3)
    missing = missing_packages()
    if missing:
        pytest.exit(f"not installed: {', '.join(missing)}; run `scripts/setup.sh stack`", returncode=3)


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


@pytest.fixture(scope="session")
def broker():
    from Harness.broker import Broker

    running = Broker()
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def neutron_servers(tmp_path_factory):
    """The process of all servers that need not die."""
    from Harness.neutron_server import NeutronServers

    processes = NeutronServers(tmp_path_factory.mktemp("servers"))
    yield processes
    processes.close()


@pytest.fixture
def cloud(broker, neutron_servers):
    from cloud import Cloud

    with Cloud(broker, neutron_servers) as made:
        yield made
