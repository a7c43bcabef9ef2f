"""`[bellhop] response_cache_seconds`: identical GETs of one instance are answered once by Nova, if one asks for it."""

import concurrent.futures
import signal
import time

import pytest

from Harness import lab, programs
from Harness.servers import Steps, reply
from Harness.wire import Client, request

DOCUMENT = b'{"uuid": "x"}' * 100


def echo(message):
    """Nova's answer names who asked and for what."""
    body = f"{message.get('X-Instance-ID')} {message.target.decode()}".encode()
    return reply(200, body, {"Content-Type": "application/json"})


def test_by_default_every_request_is_novas_to_answer(agent):
    agent.serve(reply(200, DOCUMENT))
    agent.start()
    assert [agent.ask("/a").body for _ in range(3)] == [DOCUMENT] * 3
    assert len(agent.nova.requests) == 3


def test_the_same_question_is_asked_once(agent):
    agent.serve(reply(200, DOCUMENT, {"Content-Type": "application/json"}))
    agent.start(bellhop={"response_cache_seconds": 60}, metadata_workers=3)
    answers = [agent.ask("/a") for _ in range(20)]
    assert {(answer.status, answer.body, answer["Content-Type"]) for answer in answers} == {
        (200, DOCUMENT, "application/json")
    }
    assert len(agent.nova.requests) == 1


def test_a_storm_of_the_same_question_is_one_request(agent):
    agent.serve(Steps(0.7, reply(200, DOCUMENT)))
    agent.start(bellhop={"response_cache_seconds": 60}, metadata_workers=3)
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = [job.result() for job in [pool.submit(agent.ask, "/a") for _ in range(30)]]
    assert {(answer.status, answer.body) for answer in answers} == {(200, DOCUMENT)}
    assert len(agent.nova.requests) == 1


def test_never_across_instances_addresses_or_targets(agent):
    agent.serve(echo)
    agent.start(bellhop={"response_cache_seconds": 60})
    who = [{}, {"address": lab.DATABASE_IP}, {"network": lab.BLUE}, {"address": lab.WEB_LINK_LOCAL}]
    ids = [lab.WEB, lab.DATABASE, lab.TWIN, lab.WEB]
    for _ in range(3):
        for guest, instance in zip(who, ids):
            for target in ("/a", "/b", "/a?x"):
                assert agent.ask(target, **guest).body.decode() == f"{instance} {target}"
    assert len(agent.nova.requests) == len(who) * 3


@pytest.mark.parametrize("target", ["/openstack/latest/password", "/openstack/latest/p%61ssword"])
def test_a_password_is_never_remembered(agent, target):
    agent.serve(reply(200, b"cipher"))
    agent.start(bellhop={"response_cache_seconds": 60})
    for _ in range(3):
        assert agent.ask(target).status == 200
    assert len(agent.nova.requests) == 3


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT"])
def test_only_get_is_remembered(agent, method):
    agent.serve(reply(200, b""))
    agent.start(bellhop={"response_cache_seconds": 60})
    for _ in range(3):
        assert agent.ask("/a", method=method).status == 200
    assert len(agent.nova.requests) == 3


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_errors_are_never_remembered(agent, status):
    agent.serve(reply(status, b"no"))
    agent.start(bellhop={"response_cache_seconds": 60})
    for _ in range(3):
        assert agent.ask("/a").status == status
    assert len(agent.nova.requests) == 3


def test_who_waits_for_an_error_asks_for_itself(agent):
    agent.serve(Steps(0.5, reply(404, b"no")))
    agent.start(bellhop={"response_cache_seconds": 60})
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = [job.result() for job in [pool.submit(agent.ask, "/a") for _ in range(10)]]
    assert [answer.status for answer in answers] == [404] * 10
    assert len(agent.nova.requests) == 10


def test_when_the_guest_that_asked_goes_away_the_others_still_get_theirs(agent):
    agent.serve(Steps(1.0, reply(200, DOCUMENT)))
    agent.start(bellhop={"response_cache_seconds": 60})
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        with Client(agent.socket) as first:
            first.send(request("/a", headers=agent.headers()))
            programs.eventually(lambda: agent.nova.requests, what="the first request at Nova")
            jobs = [pool.submit(agent.ask, "/a") for _ in range(3)]
            # Nothing outside tells that they wait; if one came later, it would ask for itself, which is right as well.
            time.sleep(0.3)
        assert [job.result().body for job in jobs] == [DOCUMENT] * 3


def test_a_reload_forgets_everything(agent):
    agent.serve(reply(200, DOCUMENT))
    program = agent.start(bellhop={"response_cache_seconds": 3600})
    assert agent.ask("/a").status == 200
    program.send_signal(signal.SIGHUP)
    programs.eventually(lambda: "Configuration reloaded" in agent.log_text, what="the reload")
    assert agent.ask("/a").status == 200
    assert len(agent.nova.requests) == 2


def test_a_large_answer_passes_and_is_not_remembered(agent):
    body = bytes(range(256)) * 6_000
    agent.serve(reply(200, body))
    agent.start(bellhop={"response_cache_seconds": 60})
    for _ in range(2):
        assert agent.ask("/a").body == body
    assert len(agent.nova.requests) == 2


def test_the_memory_for_answers_is_bounded(agent):
    agent.serve(reply(200, b"x" * 10_000))
    agent.start(bellhop={"response_cache_seconds": 60, "response_cache_bytes_max": 50_000})
    for number in range(20):
        agent.ask(f"/{number}")
    agent.ask("/19")
    assert len(agent.nova.requests) == 20, "the newest is still there"
    agent.ask("/0")
    assert len(agent.nova.requests) == 21, "the oldest is not"
