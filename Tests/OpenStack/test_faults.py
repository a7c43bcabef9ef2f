"""Services that go away while guests ask. What passes within the hold costs no guest its answer, and nobody ever gets
another's data.

The hold is 8.5 s by default, because cloud-init waits 10. neutron-server, the broker and Nova need longer than that to
start on a small machine, so tests that restart them hold for 28 s: below the 32 s after which haproxy gives up.

Nova asks neutron-server itself for every instance that it does not remember, and answers 500 when that fails. That is
Nova's own answer, which is passed on; here Nova remembers for long, so that the agent is what is tested.
"""

import concurrent.futures
import signal
import time

import pytest

from Harness.openstack import DOCUMENT
from Harness.programs import eventually
from load import Load
from stack.configuration import NOVA_CACHE_SECONDS

pytestmark = pytest.mark.usefixtures("healed", "nova_needs_no_neutron")

LONG_HOLD = 28
LOADED = ("routed-0", "isolated-0", "left-0", "right-0")


@pytest.fixture(scope="module")
def nova_needs_no_neutron(openstack):
    openstack.let_nova_remember(3600)
    yield
    openstack.let_nova_remember(NOVA_CACHE_SECONDS)


def loaded_guests(openstack):
    return [openstack.guests[name] for name in LOADED]


def judge(load, agent):
    """Every answer right, and the guest's own."""
    assert not load.wrong_identities()
    assert not load.errors(), (load.summary, load.errors()[:3], agent.tail())


def outage(name, openstack, seconds=0.0):
    """The service stops, stays away for a while, and is there again, ready."""
    openstack.services.stop(name)
    time.sleep(seconds)
    openstack.services.start(name)


def test_nova_restarts_and_nobody_notices(openstack, front, launch, any_directory):
    agent = launch(directory=any_directory, hold=LONG_HOLD)
    with Load(front, loaded_guests(openstack)) as load:
        outage("nova", openstack)
        load.wait_for_answers(2)
    judge(load, agent)
    print(f"Nova restarted: {load.summary}, slowest {load.slowest:.1f} s")


def test_nova_away_for_longer_is_503_with_retry_after(openstack, front, launch, any_directory):
    agent = launch(directory=any_directory, hold=2)
    openstack.services.stop("nova")
    answer = front.ask(openstack.guests["isolated-0"], DOCUMENT)
    assert answer.status == 503 and int(answer.retry_after) >= 1, (str(answer), agent.tail())
    assert 1.9 <= answer.seconds < 6
    assert "Cannot connect to the metadata server" in agent.log_text


def test_neutron_server_restarts_within_the_hold_and_nobody_notices(openstack, front, launch, directory):
    """Without the cache, so that each request needs the server."""
    agent = launch(directory=directory, hold=LONG_HOLD, cache=0)
    with Load(front, loaded_guests(openstack)) as load:
        outage("neutron-server", openstack)
        load.wait_for_answers(2)
    judge(load, agent)
    print(f"neutron-server restarted: {load.summary}, slowest {load.slowest:.1f} s")


def test_neutron_server_away_for_longer_is_503_with_retry_after(openstack, front, launch, directory):
    agent = launch(directory=directory, hold=3, cache=0)
    guest = openstack.guests["routed-0"]
    assert front.ask(guest, DOCUMENT).status == 200, agent.tail()
    openstack.services.stop("neutron-server")
    answer = front.ask(openstack.guests["routed-1"], DOCUMENT)
    assert answer.status == 503 and int(answer.retry_after) >= 1, (str(answer), agent.tail())
    assert 2.9 <= answer.seconds < 7


def test_what_is_remembered_is_served_while_the_bus_is_away(openstack, front, launch, rpc):
    agent = launch(directory=rpc, cache=600, hold=3)
    known = loaded_guests(openstack)
    for guest in known:
        assert front.ask(guest, DOCUMENT).instance_id == guest.instance_id, agent.tail()
    openstack.services.stop("rabbitmq")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        unknown = pool.submit(front.ask, openstack.guests["routed-1"], DOCUMENT)
        for guest in known:
            answer = front.ask(guest, DOCUMENT)
            assert (answer.status, answer.instance_id) == (200, guest.instance_id), (str(answer), agent.tail())
        assert not unknown.done(), "the known guests did not wait for the one that is looked up"
        assert unknown.result().status == 503


# MARK: The bus


def test_the_broker_restarts_under_load_and_nobody_notices(openstack, front, launch, rpc):
    """Everything on it is gone afterwards: exchanges, queues, what was in them."""
    agent = launch(directory=rpc, hold=LONG_HOLD, cache=0)
    with Load(front, loaded_guests(openstack)) as load:
        outage("rabbitmq", openstack)
        load.wait_for_answers(2, seconds=90)
    judge(load, agent)
    print(f"broker restarted: {load.summary}, slowest {load.slowest:.1f} s")


def test_a_broker_that_dies_without_a_word_is_found_again(openstack, front, launch, rpc):
    agent = launch(directory=rpc, hold=LONG_HOLD, cache=0)
    with Load(front, loaded_guests(openstack)) as load:
        openstack.services["rabbitmq"].stop(number=9)
        openstack.services.start("rabbitmq")
        load.wait_for_answers(2, seconds=90)
    judge(load, agent)


def test_a_connection_that_the_broker_closes_costs_nobody_an_answer(openstack, front, launch, rpc):
    agent = launch(directory=rpc, cache=0)
    with Load(front, loaded_guests(openstack), pause=0.05) as load:
        for _ in range(2):
            assert openstack.close_connections(agent.program.pid) >= 1, "the agent has a connection to the broker"
            load.wait_for_answers(2)
    judge(load, agent)


def test_a_bus_that_is_away_for_longer_is_503_with_retry_after(openstack, front, launch, rpc):
    agent = launch(directory=rpc, hold=3)
    openstack.services.stop("rabbitmq")
    answer = front.ask(openstack.guests["isolated-0"], DOCUMENT)
    assert answer.status == 503 and int(answer.retry_after) >= 1, (str(answer), agent.tail())
    assert 2.9 <= answer.seconds < 7
    openstack.services.start("rabbitmq")
    openstack.services.wait("neutron-server")
    eventually(lambda: front.ask(openstack.guests["isolated-0"], DOCUMENT).status == 200, 30, "an answer again")


def test_an_agent_started_before_the_broker_serves_when_it_comes(openstack, front, launch, rpc):
    openstack.services.stop("rabbitmq")
    agent = launch(directory=rpc, hold=LONG_HOLD)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(front.ask, openstack.guests["isolated-0"], DOCUMENT)
        time.sleep(1)
        openstack.services.start("rabbitmq")
        answer = asked.result()
    assert (answer.status, answer.instance_id) == (200, openstack.guests["isolated-0"].instance_id), agent.tail()


def test_a_missing_queue_is_held_until_the_server_makes_it(openstack, front, launch, rpc):
    """The broker drops what is sent to a queue that does not exist and says nothing: only the wait tells."""
    agent = launch(directory=rpc, hold=LONG_HOLD)
    openstack.services.stop("neutron-server")
    for queue in openstack.services.queue_consumers():
        if queue.startswith(("q-plugin", "q-reports-plugin")):
            openstack.services.rabbitmqctl("delete_queue", "-p", openstack.settings.vhost, queue)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = {name: pool.submit(front.ask, openstack.guests[name], DOCUMENT) for name in ("routed-0", "isolated-0")}
        time.sleep(1)
        openstack.services.start("neutron-server")
        for name, job in jobs.items():
            answer = job.result()
            expected = (200, openstack.guests[name].instance_id)
            assert (answer.status, answer.instance_id) == expected, (str(answer), agent.tail())


def test_a_server_that_hangs_holds_up_only_those_who_need_it(openstack, front, launch, rpc):
    """Its queue and its consumers are there; only the answer never comes. What is remembered does not wait for it."""
    agent = launch(directory=rpc, cache=600, hold=LONG_HOLD)
    known, unknown = openstack.guests["isolated-0"], openstack.guests["routed-1"]
    assert front.ask(known, DOCUMENT).status == 200, agent.tail()
    openstack.services["neutron-server"].signal_all(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(front.ask, unknown, DOCUMENT)
        for _ in range(5):
            answer = front.ask(known, DOCUMENT)
            assert answer.status == 200 and answer.seconds < 2, str(answer)
        assert not waiting.done()
        openstack.services["neutron-server"].signal_all(signal.SIGCONT)
        answer = waiting.result()
    assert (answer.status, answer.instance_id) == (200, unknown.instance_id), (str(answer), agent.tail())
