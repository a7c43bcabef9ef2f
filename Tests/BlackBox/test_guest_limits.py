"""What one guest may take of the agent: Neutron's rate limits, and the preset of our own."""

from Harness import lab
from Harness.wire import Client, request

RATES = """\
[metadata_rate_limiting]
rate_limit_enabled = true
ip_versions = 4,6
base_window_duration = 60
base_query_rate_limit = 5
burst_window_duration = 10
burst_query_rate_limit = 3
"""


def test_neutrons_limits_deny_with_429_and_say_when_to_come_back(agent):
    agent.serve()
    agent.start(text=RATES)
    answers = [agent.ask() for _ in range(5)]
    assert [answer.status for answer in answers] == [200] * 3 + [429] * 2
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
    assert len(agent.nova.requests) == 3, "a refused request never reaches Nova"
    assert "A guest asks more often than its network allows" in agent.log_text


def test_each_guest_is_counted_by_itself(agent):
    agent.serve()
    agent.start(text=RATES)
    who = [{}, {"address": lab.DATABASE_IP}, {"network": lab.BLUE}]
    for guest in who:
        assert [agent.ask(**guest).status for _ in range(4)] == [200] * 3 + [429]


def test_both_ip_versions_are_limited_at_once(agent):
    agent.serve()
    agent.start(text=RATES)
    for address in (lab.WEB_IP, lab.WEB_LINK_LOCAL):
        assert [agent.ask(address=address).status for _ in range(4)] == [200] * 3 + [429]


def test_an_ip_version_that_does_not_exist_ends_it_with_the_option_named(agent):
    agent.write(text="[metadata_rate_limiting]\nrate_limit_enabled = true\nip_versions = 4,5\n")
    program = agent._start(agent.words, "agent")
    assert program.wait() == 1
    assert "[metadata_rate_limiting] ip_versions" in program.output


def test_the_standard_preset_never_touches_a_boot_and_bounds_an_abusive_guest(agent):
    agent.serve()
    agent.start(bellhop={"guest_limits": "standard"})
    with Client(agent.socket) as guest:

        def statuses(count, **identity):
            found = []
            for _ in range(count):
                guest.send(request("/", headers=agent.headers(**identity)))
                found.append(guest.response().status)
            return found

        assert statuses(2 * 31, address=lab.DATABASE_IP) == [200] * 62, "two boots in a row"
        found = statuses(400)
        assert found[:125] == [200] * 125
        assert found.count(429) >= 200
        assert statuses(10, address=lab.DATABASE_IP) == [200] * 10, "nobody else notices"
