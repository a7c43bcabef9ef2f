"""Five hundred networks are deleted: how soon the kernel can free their namespaces, and their addresses are free."""

import signal
import time

import pytest

from chain import haproxy_program
from Harness.programs import eventually

NETWORKS = 500
TITLE = "500 namespaces after their proxies were ended (seconds)"
SECONDS_MAX = 60


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("which", ["our haproxy", "Debian's haproxy"])
def test_all_namespaces_are_freed(fleet_of, figures, which, number):
    fleet = fleet_of(NETWORKS)
    program = fleet.haproxy if which == "our haproxy" else haproxy_program()
    if program is None:
        pytest.skip("haproxy is not there: run `make setup`")
    fleet.start()
    fleet.start_proxies(program)
    if which == "our haproxy":
        fleet.wait_until_handed_over([network.router_id for network in fleet.networks.all])
    assert {outcome.kind for outcome in fleet.ask_all()} == {"ok"}
    fleet.networks.delete()
    assert len(fleet.networks.unfreed) == NETWORKS, "the watch must see what is kept"

    began = time.monotonic()
    fleet.stop_proxies(number)
    ended = time.monotonic()
    eventually(lambda: not fleet.networks.unfreed, SECONDS_MAX, "the namespaces' end")
    figures.add(
        TITLE,
        proxies=which,
        signal=number.name,
        all_ended=f"{ended - began:.2f}",
        all_freed=f"{time.monotonic() - began:.2f}",
    )
    if which == "our haproxy":
        fleet.wait_for_log("Listeners given back", NETWORKS)
