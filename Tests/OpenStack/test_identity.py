"""Ports that come, go and change hands in a real Neutron, with a real Nova that knows or does not know the instance."""

import concurrent.futures
import time

from Harness.openstack import DOCUMENT
from agents import ReferenceAgent


def test_a_wrong_secret_is_403_and_the_log_says_why(openstack, front, launch, directory):
    agent = launch(directory=directory, secret="not Nova's secret")
    answer = front.ask(openstack.guests["isolated-0"], DOCUMENT)
    assert answer.status == 403, str(answer)
    agent.wait_for_log("The remote metadata server responded with Forbidden.")
    line = next(line for line in agent.log_text.splitlines() if "responded with Forbidden" in line)
    assert "WARNING" in line and openstack.guests["isolated-0"].instance_id in line
    assert "not Nova's secret" not in agent.log_text and openstack.settings.shared_secret not in agent.log_text


def test_the_reference_refuses_in_the_same_way(openstack, front, launch):
    launch(ReferenceAgent, secret="not Nova's secret")
    assert front.ask(openstack.guests["isolated-0"], DOCUMENT).status == 403


def test_an_unknown_address_is_held_and_then_404(openstack, front, launch, directory):
    agent = launch(directory=directory, hold=3)
    for name in ("routed-stranger", "isolated-stranger"):
        answer = front.ask(openstack.guests[name], DOCUMENT)
        assert answer.status == 404 and answer.retry_after == "", (name, str(answer), agent.tail())
        assert answer.seconds >= 2.9, "it was looked for until the end of the hold"
    assert "no port has this address" in agent.log_text


def test_a_port_created_after_the_guest_asked_is_found_within_the_hold(openstack, front, launch, directory):
    agent = launch(directory=directory)
    for name, project in (("routed-late", "red"), ("isolated-late", "blue")):
        guest, instance = openstack.guests[name], openstack.spare(project)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(front.ask, guest, DOCUMENT)
            time.sleep(1.5)
            assert not asked.done()
            port = openstack.create_port(guest, instance)
            try:
                answer = asked.result()
            finally:
                openstack.cloud.delete("port", port)
        assert (answer.status, answer.instance_id) == (200, instance["instance_id"]), (str(answer), agent.tail())
        assert answer.seconds > 1.4


def test_a_port_without_an_instance_is_nobody(openstack, front, launch, directory):
    agent = launch(directory=directory, hold=3)
    guest = openstack.guests["isolated-late"]
    port = openstack.create_port(guest, {"instance_id": "", "project_id": openstack.seed["projects"]["blue"]})
    try:
        assert front.ask(guest, DOCUMENT).status == 404, agent.tail()
    finally:
        openstack.cloud.delete("port", port)


def test_a_port_that_moved_to_another_instance_never_serves_the_old_one(openstack, front, launch, directory, fresh):
    """The cache would remember the old instance for ten minutes; Nova's 404 for it is what ends that (LP 1868867)."""
    agent = launch(directory=directory, cache=600)
    guest, heir = openstack.guests["isolated-late"], openstack.spare("blue", 1)
    gone = next(fresh)
    port = openstack.create_port(guest, gone)
    try:
        answer = front.ask(guest, DOCUMENT)
        assert (answer.status, answer.instance_id) == (200, gone["instance_id"]), (str(answer), agent.tail())
        openstack.delete_instances(gone)
        openstack.cloud.update("port", port, device_id=heir["instance_id"])
        # Nova itself remembers an instance for a second here; the agent doubts a stored one after two.
        time.sleep(2.2)
        for _ in range(3):
            answer = front.ask(guest, DOCUMENT)
            assert (answer.status, answer.instance_id) == (200, heir["instance_id"]), (str(answer), agent.tail())
        assert "A port belongs to another instance now" in agent.log_text
    finally:
        openstack.cloud.delete("port", port)


def test_a_port_that_moved_is_noticed_when_the_lookup_is_forgotten(openstack, front, launch, directory):
    """Both instances live, so Nova has no reason to say 404: the cache's lifetime bounds how long the old one shows."""
    agent = launch(directory=directory, cache=1)
    guest, first, second = openstack.guests["isolated-late"], openstack.spare("blue", 0), openstack.spare("blue", 1)
    port = openstack.create_port(guest, first)
    try:
        assert front.ask(guest, DOCUMENT).instance_id == first["instance_id"], agent.tail()
        openstack.cloud.update("port", port, device_id=second["instance_id"])
        time.sleep(1.2)
        assert front.ask(guest, DOCUMENT).instance_id == second["instance_id"], agent.tail()
    finally:
        openstack.cloud.delete("port", port)


def test_the_same_address_at_once_on_three_networks_stays_apart(openstack, front, launch, directory):
    """With the cache on: `routed`, `left` and `right` have two guests each with the same two addresses."""
    agent = launch(directory=directory, cache=600)
    guests = [openstack.guests[f"{network}-{number}"] for network in ("routed", "left", "right") for number in (0, 1)]
    for _ in range(3):
        with concurrent.futures.ThreadPoolExecutor(len(guests)) as pool:
            answers = list(pool.map(lambda guest: front.ask(guest, DOCUMENT), guests))
        got = [(answer.status, answer.instance_id) for answer in answers]
        assert got == [(200, guest.instance_id) for guest in guests], agent.tail()


def test_a_guest_cannot_be_another(openstack, front, launch, directory):
    """LP 1865036, and what Nova would believe."""
    agent = launch(directory=directory)
    guest, other = openstack.guests["routed-0"], openstack.guests["right-0"]
    for header in (
        f"X-Forwarded-For: {openstack.guests['routed-1'].address}",
        f"X-Neutron-Network-ID: {other.network['network_id']}",
        f"X-Neutron-Router-ID: {other.network['network_id']}",
        f"X_Neutron_Network_ID: {other.network['network_id']}",
        f"X-Instance-ID: {other.instance_id}",
    ):
        answer = front.ask(guest, DOCUMENT, "-H", header)
        assert (answer.status, answer.instance_id) == (200, guest.instance_id), (header, str(answer), agent.tail())
