"""Fixtures: the namespaces, once for all tests, and the chain of programs, once per kind of namespace proxy."""

import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from chain import Chain, haproxy_program  # noqa: E402
from Harness import namespaces, programs  # noqa: E402

SECONDS_MAX = 180


def pytest_sessionstart(session):
    missing = [path for path in (programs.AGENT, programs.PROXY, programs.BELLHOP) if not os.access(path, os.X_OK)]
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


@pytest.fixture(scope="session")
def lab():
    try:
        made = namespaces.Lab(
            routed=[
                ("fa:16:3e:77:00:10", "10.77.0.10"),
                ("fa:16:3e:77:00:11", "10.77.0.11"),
                ("fa:16:3e:77:00:99", "10.77.0.99"),
            ],
            isolated=[("fa:16:3e:78:00:10", "10.78.0.10")],
        )
    except namespaces.Unavailable as reason:
        pytest.skip(f"no namespaces here: {reason}")
    yield made
    made.close()


# Ours hands its listeners over unless the agent does not want them; then it relays, as it does to Neutron's agent.
@pytest.fixture(scope="module", params=["our proxy", "our proxy, relaying", "haproxy"])
def chain(request, lab):
    if request.param == "haproxy" and not haproxy_program():
        pytest.skip("haproxy is not there: run `make setup`")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-e2e-"))
    folder.chmod(0o755)
    made = Chain(lab, folder, request.param)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
