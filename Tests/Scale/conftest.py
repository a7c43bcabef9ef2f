"""Fixtures: fleets of networks, and the table of figures that is printed at the end."""

import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "EndToEnd")]

from figures import Figures  # noqa: E402
from fleet import Fleet  # noqa: E402
from Harness import personality, programs  # noqa: E402
from networks import Networks  # noqa: E402

SECONDS_MAX = 300


def pytest_sessionstart(session):
    needed = (programs.AGENT, programs.PROXY, programs.BELLHOP, personality.STANDBY)
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
def fleet_of():
    """Makes fleets of a number of networks, without proxies yet, and sees to it that nothing stays of them."""
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    made = []

    def maker(count):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-scale-"))
        folder.chmod(0o755)
        fleet = Fleet(Networks(count), folder)
        made.append(fleet)
        return fleet

    yield maker
    for fleet in made:
        fleet.stop()
        fleet.networks.close()
        shutil.rmtree(fleet.folder, ignore_errors=True)


_figures = Figures()


@pytest.fixture
def figures():
    return _figures


def pytest_terminal_summary(terminalreporter):
    """The tables, also in a file for whoever writes a note."""
    text = _figures.text
    if not text:
        return
    path = programs.ROOT / ".build/test-results/scale.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    terminalreporter.write("\n" + text)
    terminalreporter.write_line(f"(in {path})")
