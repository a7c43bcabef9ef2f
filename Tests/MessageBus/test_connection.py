"""Reaching the broker: the URL, the login, TLS, and what the broker then sees of the agent."""

import time
import urllib.parse

import pytest
from cloud import Cloud
from Harness import broker as harness
from Harness import lab, wire
from Harness.programs import eventually


def tls_options(broker, ca="ca.pem", **more):
    authorities = {"ssl_ca_file": broker.certificates / ca} if ca else {}
    return {"ssl": True, **authorities, **more}


def client_certificate(broker):
    return {"ssl_cert_file": broker.certificates / "client.pem", "ssl_key_file": broker.certificates / "client.key"}


def test_an_instance_is_looked_up_over_the_bus(cloud):
    server = cloud.serve()
    agent = cloud.start_agent()
    answer = agent.ask()
    assert (answer.status, answer.body) == (200, b"hello")
    assert cloud.nova.last["X-Instance-ID"] == lab.WEB
    assert cloud.nova.last["X-Tenant-ID"] == lab.PROJECT
    assert cloud.nova.last["X-Instance-ID-Signature"] == lab.signature(lab.WEB)
    [call] = server.calls
    assert call["arguments"] == {"filters": {"network_id": [lab.RED], "fixed_ips": {"ip_address": [lab.WEB_IP]}}}
    assert call["context"]["is_admin"] is True
    assert call["context"]["request_id"].startswith("req-")
    assert agent.lines("Listening", "directory=RPC")


def test_the_broker_sees_one_connection_with_two_channels_and_a_name(cloud):
    server = cloud.serve()
    agent = cloud.start_agent(agent={"report_interval": 1})
    for _ in range(20):
        assert agent.ask().status == 200
    eventually(lambda: len(server.reports) >= 2, what="reports")
    connection = cloud.connection()
    properties = connection["client_properties"]
    program, pid, identity = properties["connection_name"].split(":")
    assert (program, pid) == ("neutron-metadata-agent", str(agent.program.pid))
    assert len(identity) == 36
    assert properties["capabilities"] == {
        "authentication_failure_close": True,
        "basic.nack": True,
        "connection.blocked": True,
        "consumer_cancel_notify": True,
        "publisher_confirms": True,
    }
    assert connection["user"] == harness.AGENT
    assert connection["channels"] == 2


def test_the_default_virtual_host_is_a_percent_encoded_slash(broker, neutron_servers):
    with Cloud(broker, neutron_servers, vhost="/") as cloud:
        cloud.serve(exchange="other")
        agent = cloud.start_agent(default={"control_exchange": "other"})
        assert "/%2F" in agent.configuration.read_text()
        assert agent.ask().status == 200


def test_a_virtual_host_with_special_characters(broker, neutron_servers):
    with Cloud(broker, neutron_servers, vhost="a/b?c d%20é") as cloud:
        cloud.serve_raw(lambda request: request.reply(result=[]))
        agent = cloud.start_agent(bellhop={"hold_seconds": 0})
        assert agent.ask().status == 404


@pytest.mark.parametrize("mechanism", ["AMQPLAIN", "PLAIN"])
def test_the_login_with_a_password(cloud, mechanism):
    cloud.serve()
    agent = cloud.start_agent(rabbit={"rabbit_login_method": mechanism})
    assert agent.ask().status == 200
    connection = cloud.connection()
    assert connection["auth_mechanism"] == mechanism


def test_the_login_with_a_client_certificate(cloud, broker):
    cloud.serve()
    options = tls_options(broker, rabbit_login_method="EXTERNAL", **client_certificate(broker))
    # The URL's password is wrong on purpose: it does not count.
    url = cloud.url(port=broker.tls_port, user="nobody", password="nothing")
    agent = cloud.start_agent(url, rabbit=options)
    assert agent.ask().status == 200
    connection = cloud.connection()
    assert (connection["user"], connection["auth_mechanism"]) == (harness.CERTIFICATE_USER, "EXTERNAL")
    assert connection["ssl"] is True


@pytest.mark.parametrize("host", [harness.HOST, harness.NAME])
@pytest.mark.parametrize("authorities", [None, "ca.pem"], ids=["unverified", "verified"])
def test_tls(cloud, broker, host, authorities):
    """The certificate is for a name and for an address."""
    cloud.serve()
    url = cloud.url(host=host, port=broker.tls_port)
    agent = cloud.start_agent(url, rabbit=tls_options(broker, authorities))
    assert agent.ask().status == 200
    connection = cloud.connection()
    assert connection["ssl"] is True
    assert connection["ssl_protocol"] in ("tlsv1.2", "tlsv1.3")


def test_a_certificate_of_another_authority_is_refused(cloud, broker):
    cloud.serve()
    url = cloud.url(port=broker.tls_port)
    agent = cloud.start_agent(url, wait=False, rabbit=tls_options(broker, "other-ca.pem"), bellhop={"hold_seconds": 1})
    assert agent.ask().status == 503
    assert agent.lines("ERROR", f"{harness.HOST}:{broker.tls_port}", "ssl_ca_file")
    assert not agent.lines("onnected to AMQP server on")


def test_a_certificate_for_another_host_is_refused(cloud, broker):
    cloud.serve()
    url = cloud.url(host=harness.UNNAMED_HOST, port=broker.tls_port)
    agent = cloud.start_agent(url, wait=False, rabbit=tls_options(broker), bellhop={"hold_seconds": 1})
    assert agent.ask().status == 503
    assert agent.lines("ERROR", f"{harness.UNNAMED_HOST}:{broker.tls_port}", "ssl_enforce_hostname_verification")
    assert not agent.lines("onnected to AMQP server on")


def test_the_name_in_the_certificate_can_be_ignored(cloud, broker):
    cloud.serve()
    url = cloud.url(host=harness.UNNAMED_HOST, port=broker.tls_port)
    agent = cloud.start_agent(url, rabbit=tls_options(broker, ssl_enforce_hostname_verification=False))
    assert agent.ask().status == 200


def test_the_authority_counts_even_if_the_name_does_not(cloud, broker):
    url = cloud.url(host=harness.UNNAMED_HOST, port=broker.tls_port)
    options = tls_options(broker, "other-ca.pem", ssl_enforce_hostname_verification=False)
    agent = cloud.start_agent(url, wait=False, rabbit=options)
    agent.wait_for_log("ssl_ca_file does not hold")
    assert not agent.lines("onnected to AMQP server on")


@pytest.mark.parametrize(("ssl", "port"), [(True, "port"), (False, "tls_port")], ids=["TLS to plain", "plain to TLS"])
def test_a_port_that_speaks_otherwise_is_an_error_that_says_so(cloud, broker, ssl, port):
    url = cloud.url(port=getattr(broker, port))
    agent = cloud.start_agent(url, wait=False, rabbit={"ssl": ssl}, bellhop={"hold_seconds": 1})
    agent.wait_for_log("AMQP server on")
    assert agent.ask().status == 503
    assert agent.lines("ERROR", f":{getattr(broker, port)}")


def test_a_wrong_password_is_named_and_corrected_on_the_broker(cloud, broker):
    cloud.serve()
    user = f"late-{cloud.vhost}"
    broker.add_user(user, "the old one", cloud.vhost)
    url = cloud.url(user=user, password="the new one")
    agent = cloud.start_agent(url, wait=False, bellhop={"hold_seconds": 2})
    began = time.monotonic()
    answer = agent.ask()
    assert answer.status == 503
    assert int(answer["Retry-After"]) >= 1
    assert 1.8 < time.monotonic() - began < 8
    assert agent.lines("ERROR", f"{harness.HOST}:{broker.port}", "Check login credentials")
    assert "the new one" not in agent.log_text
    broker.add_user(user, "the new one", cloud.vhost)
    eventually(lambda: agent.ask().status == 200, 20, "an answer after the password was corrected")


def test_a_virtual_host_that_is_not_there_is_named(cloud):
    url = harness.url(harness.HOST, cloud.broker.port, vhost="nowhere")
    agent = cloud.start_agent(url, wait=False)
    agent.wait_for_log("Check login credentials and virtual host")
    assert agent.lines("ERROR", "nowhere")


def test_of_three_hosts_those_that_are_down_are_passed_over(cloud, broker):
    """The list is shuffled once, so only many agents would show each order; the log of this one shows its own."""
    cloud.serve()
    down = [wire.free_port(), wire.free_port()]
    credentials = "@".join([":".join(urllib.parse.quote(p, safe="") for p in (harness.AGENT, harness.AGENT_PASSWORD)), ""])
    hosts = ",".join(f"{credentials}127.0.0.1:{port}" for port in (*down, broker.port))
    agent = cloud.start_agent(f"rabbit://{hosts}/{cloud.vhost}")
    began = time.monotonic()
    assert agent.ask().status == 200
    assert time.monotonic() - began < 5
    failed = agent.lines("ERROR", "is unreachable: Connection refused")
    assert len(failed) <= 2
    for line in failed:
        assert any(f"127.0.0.1:{port}" in line for port in down)
        assert "Trying again in 0 seconds" in line


def test_a_host_that_accepts_and_says_nothing_is_passed_over(cloud, broker):
    """A node that hangs must not cost more than the time for a login."""
    import socket

    cloud.serve()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        credentials = urllib.parse.quote(harness.AGENT) + ":" + urllib.parse.quote(harness.AGENT_PASSWORD, safe="") + "@"
        hosts = f"{credentials}127.0.0.1:{silent.getsockname()[1]},{credentials}127.0.0.1:{broker.port}"
        agent = cloud.start_agent(f"rabbit://{hosts}/{cloud.vhost}", wait=False)
        agent.wait_for_log("Connected to AMQP server on", seconds=14)
        assert agent.ask().status == 200


def test_rabbit_hosts_of_juno_work_without_a_url(cloud, broker):
    cloud.serve()
    rabbit = {
        "rabbit_hosts": f"127.0.0.1:{wire.free_port()},127.0.0.1:{broker.port}",
        "rabbit_userid": harness.AGENT,
        "rabbit_password": harness.AGENT_PASSWORD.replace("$", "$$"),
        "rabbit_virtual_host": cloud.vhost,
    }
    agent = cloud.start_agent(" ", rabbit=rabbit)
    assert agent.ask().status == 200


def test_no_password_is_logged_even_when_the_options_are_dumped(cloud):
    """The check itself is made for each agent at its end."""
    agent = cloud.start_agent(default={"log_options": True})
    assert "transport_url" in agent.log_text
    assert urllib.parse.quote(harness.AGENT_PASSWORD, safe="") not in agent.log_text
