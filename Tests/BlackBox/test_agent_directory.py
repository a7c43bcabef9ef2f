"""Looking instances up in the Neutron API: how often it is asked, and what its failures become."""

import json
import threading
import time
import urllib.parse

import pytest

from Harness import lab, servers, wire
from Harness.servers import CLOSE, Steps, reply


class Neutron(servers.ScriptedServer):
    """A Neutron API that knows ports and needs no credentials."""

    def __init__(self, **keywords):
        self.ports = [self.port(lab.WEB, lab.WEB_IP, lab.RED), self.port(lab.TWIN, lab.WEB_IP, lab.BLUE)]
        self.delay, self.failure = 0, None
        super().__init__(self._respond, **keywords)

    @staticmethod
    def port(instance, address, network, project=lab.PROJECT, owner="compute:nova"):
        return {
            "id": f"port-{instance}",
            "device_id": instance,
            "device_owner": owner,
            "network_id": network,
            "tenant_id": project,
            "project_id": project,
            "mac_address": lab.WEB_MAC,
            "fixed_ips": [{"ip_address": address, "subnet_id": "s"}],
        }

    def _respond(self, message):
        if self.failure is not None:
            return self.failure
        query = urllib.parse.parse_qs(message.target.decode().partition("?")[2])
        ports = self.ports
        for address in (value.partition("=")[2] for value in query.get("fixed_ips", [])):
            ports = [port for port in ports if port["fixed_ips"][0]["ip_address"] == address]
        for device in query.get("device_id", []):
            ports = [port for port in ports if port["device_id"] == device]
        body = json.dumps({"ports": ports}).encode()
        return Steps(self.delay, reply(200, body, {"Content-Type": "application/json"}))


@pytest.fixture
def neutron():
    with Neutron() as server:
        yield server


def start(agent, neutron, bellhop=None, **options):
    agent.inventory = None
    agent.serve()
    agent.start(
        auth_strategy="noauth",
        endpoint_url=f"http://127.0.0.1:{neutron.port}",
        bellhop={"directory": "rest", **(bellhop or {})},
        **options,
    )


def test_an_address_is_looked_up_on_its_own_network(agent, neutron):
    start(agent, neutron)
    assert agent.ask(network=lab.BLUE).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.TWIN
    # By address only: hundreds of networks made the URI too long (Juno, LP 1348097).
    assert b"network_id" not in neutron.last.target


def test_a_router_is_looked_up_first(agent, neutron):
    neutron.ports.append(Neutron.port(lab.EDGE, "10.77.0.1", lab.RED, owner="network:router_interface"))
    start(agent, neutron)
    assert agent.ask(network=None, router=lab.EDGE).status == 200
    assert agent.nova.last["X-Instance-ID"] == lab.WEB
    assert len(neutron.requests) == 2


def test_two_ports_with_the_address_are_nobody(agent, neutron):
    neutron.ports.append(Neutron.port(lab.DATABASE, lab.WEB_IP, lab.RED))
    start(agent, neutron)
    assert agent.ask().status == 404
    assert agent.nova.requests == []


def test_a_port_without_an_instance_is_nobody(agent, neutron):
    neutron.ports = [Neutron.port("", lab.WEB_IP, lab.RED)]
    start(agent, neutron)
    assert agent.ask().status == 404


def test_a_known_guest_is_not_looked_up_again(agent, neutron):
    """The cache of Mitaka never hit once (LP 1593342)."""
    start(agent, neutron, cache_url="memory://?default_ttl=60")
    for _ in range(10):
        assert agent.ask().status == 200
    assert len(neutron.requests) == 1


def test_without_a_cache_every_request_is_looked_up(agent, neutron):
    start(agent, neutron, cache_url="")
    for _ in range(3):
        assert agent.ask().status == 200
    assert len(neutron.requests) == 3


def test_a_storm_of_equal_questions_costs_one_lookup(agent, neutron):
    neutron.delay = 0.7
    start(agent, neutron)
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(agent.ask().status)) for _ in range(28)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 28
    assert len(neutron.requests) == 1


def test_nobody_is_never_remembered(agent, neutron):
    """A guest that asked before its port existed kept getting 404 for as long as the cache lasted."""
    start(agent, neutron, cache_url="memory://?default_ttl=60")
    assert agent.ask(address="10.77.0.60").status == 404
    neutron.ports.append(Neutron.port(lab.DATABASE, "10.77.0.60", lab.RED))
    time.sleep(1.1)
    assert agent.ask(address="10.77.0.60").status == 200


def test_a_port_that_appears_while_the_request_is_held_is_found(agent, neutron):
    start(agent, neutron, bellhop={"hold_seconds": 8})
    neutron.ports, later = [], neutron.ports
    threading.Timer(1.0, lambda: setattr(neutron, "ports", later)).start()
    before = time.monotonic()
    assert agent.ask().status == 200
    assert 0.8 < time.monotonic() - before < 6


# The fixed address of a deleted instance belongs to a new one (Ussuri, LP 1868867).
def test_after_a_404_of_nova_the_port_is_looked_up_again(agent, neutron):
    start(agent, neutron, cache_url="memory://?default_ttl=600")
    assert agent.ask().status == 200
    neutron.ports = [Neutron.port(lab.DATABASE, lab.WEB_IP, lab.RED)]
    agent.nova.answer = lambda m: reply(200, b"new") if m["X-Instance-ID"] == lab.DATABASE else reply(404)
    time.sleep(2.5)
    assert agent.ask().body == b"new"


def test_an_honest_404_of_nova_is_asked_once(agent, neutron):
    start(agent, neutron, cache_url="memory://?default_ttl=600")
    agent.nova.answer = reply(404, b"none")
    for _ in range(5):
        assert agent.ask("/latest/user-data").status == 404
    assert len(agent.nova.requests) == 5


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (reply(500, b"{}"), 500),
        (reply(400, b'{"NeutronError": {"type": "t", "message": "m", "detail": ""}}'), 500),
        (reply(503, b""), 503),
        (reply(200, b"no JSON at all"), 500),
        (reply(200, b'{"ports": 7}'), 500),
        (reply(200, b'{"ports": [{"device_id": 5}]}'), (404, 500)),
        (Steps(CLOSE), (500, 503)),
    ],
    ids=["500", "400", "503", "no JSON", "other JSON", "odd port", "cut"],
)
def test_a_failing_api_is_an_error_and_never_an_instance(agent, neutron, failure, status):
    neutron.failure = failure
    start(agent, neutron)
    assert agent.ask(timeout=40).status in (status if isinstance(status, tuple) else (status,))
    assert agent.nova.requests == []
    neutron.failure = None
    time.sleep(1.1)
    assert agent.ask(timeout=40).status == 200


def test_an_api_that_is_away_is_503(agent, neutron):
    start(agent, neutron, bellhop={"hold_seconds": 0.3})
    neutron.stop()
    answer = agent.ask(timeout=40)
    assert answer.status == 503
    assert int(answer["Retry-After"]) >= 1


def test_a_redirect_of_the_api_is_not_followed(agent, neutron):
    with servers.ScriptedServer() as thief:
        neutron.failure = reply(302, b"", {"Location": f"http://127.0.0.1:{thief.port}/v2.0/ports"})
        start(agent, neutron)
        assert agent.ask(timeout=40).status in (500, 503)
        assert thief.requests == []


def test_keystone_is_asked_once_for_many_guests(agent, neutron):
    """One login per request was the bug of four releases (Icehouse, LP 1274487; Juno, LP 1365352)."""
    catalog = [
        {
            "type": "network",
            "endpoints": [
                {"interface": "admin", "region_id": "one", "url": f"http://127.0.0.1:{neutron.port}/"},
            ],
        }
    ]
    token = {"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": catalog, "roles": [{"name": "admin"}]}}
    answer = reply(201, json.dumps(token).encode(), {"Content-Type": "application/json", "X-Subject-Token": "tok-1"})
    with servers.ScriptedServer(answer) as keystone:
        agent.inventory = None
        agent.serve()
        agent.start(
            auth_url=f"http://127.0.0.1:{keystone.port}/v3",
            admin_user="neutron",
            admin_password="pass word",
            admin_tenant_name="service",
            cache_url="",
        )
        for _ in range(5):
            assert agent.ask().status == 200
        assert len(keystone.requests) == 1
        assert len(neutron.requests) == 5
        assert {message["X-Auth-Token"] for message in neutron.requests} == {"tok-1"}
        assert json.loads(keystone.last.body)["auth"]["identity"]["password"]["user"]["password"] == "pass word"
        assert "pass word" not in agent.log_text and "tok-1" not in agent.log_text


def test_an_expired_token_is_renewed_once(agent, neutron):
    catalog = [{"type": "network", "endpoints": [{"adminURL": f"http://127.0.0.1:{neutron.port}", "region": "one"}]}]
    count = {"logins": 0}

    def login(_):
        count["logins"] += 1
        token = {"id": f"tok-{count['logins']}", "expires": "2099-01-01T00:00:00Z", "tenant": {"id": "t"}}
        access = {"token": token, "serviceCatalog": catalog, "user": {"roles": [{"name": "admin"}]}}
        return reply(200, json.dumps({"access": access}).encode(), {"Content-Type": "application/json"})

    respond = neutron.answer
    neutron.answer = lambda m: respond(m) if m.get("X-Auth-Token") == "tok-2" else reply(401, b"{}")
    with servers.ScriptedServer(login) as keystone:
        agent.inventory = None
        agent.serve()
        agent.start(
            auth_url=f"http://127.0.0.1:{keystone.port}/v2.0",
            admin_user="neutron",
            admin_password="p",
            admin_tenant_name="service",
        )
        assert agent.ask(timeout=30).status == 200
        assert len(keystone.requests) == 2


def test_keystone_away_is_503(agent):
    agent.inventory = None
    agent.serve()
    agent.start(
        auth_url=f"http://127.0.0.1:{wire.free_port()}/v3",
        admin_user="neutron",
        admin_password="p",
        admin_tenant_name="service",
        bellhop={"hold_seconds": 0.3},
    )
    assert agent.ask(timeout=40).status == 503
    assert agent.nova.requests == []
