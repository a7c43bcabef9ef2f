"""TLS to Nova: whose certificate is believed, which name it must have, and what we show of ourselves."""

import ssl
import subprocess

import pytest

from Harness import programs, servers


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Two authorities; a server certificate for 127.0.0.1 and localhost, one for another name, and a client's."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for authority in ("ca", "other-ca"):
        openssl(
            "req",
            "-x509",
            *key,
            "-keyout",
            f"{authority}.key",
            "-out",
            f"{authority}.pem",
            "-days",
            "2",
            "-subj",
            f"/CN={authority}",
        )
    for name, authority, names in (
        ("server", "ca", "IP:127.0.0.1,DNS:localhost"),
        ("elsewhere", "ca", "DNS:nova.example"),
        ("client", "other-ca", "DNS:agent.example"),
    ):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "extensions").write_text(f"subjectAltName={names}\n")
        openssl(
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            f"{authority}.pem",
            "-CAkey",
            f"{authority}.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "extensions",
            "-out",
            f"{name}.pem",
        )
    return folder


def server_context(certificates, name="server", client_authority=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    if client_authority:
        context.load_verify_locations(certificates / client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def start(agent, certificates, name="server", client_authority=None, **options):
    agent.serve(tls=server_context(certificates, name, client_authority))
    agent.start(nova_metadata_protocol="https", **{"auth_ca_cert": certificates / "ca.pem", **options})


# An address is matched too, not only names (Stein).
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_private_authority_is_believed_if_it_is_configured(agent, certificates, host):
    start(agent, certificates, nova_metadata_host=host, bellhop={"hold_seconds": 3})
    for _ in range(3):
        assert agent.ask().status == 200
    assert agent.nova.connections == 1, "a handshake per request would be dear"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("server", {"auth_ca_cert": None}),
        ("server", {"auth_ca_cert": "other-ca.pem"}),
        ("elsewhere", {}),
        ("client", {}),
    ],
    ids=["system's authorities only", "another authority", "another name", "signed by another authority"],
)
def test_a_certificate_that_proves_nothing_is_503_and_nova_hears_nothing(agent, certificates, name, options):
    options = {key: certificates / value if value else None for key, value in options.items()}
    start(agent, certificates, name, bellhop={"hold_seconds": 0.2}, **options)
    assert agent.ask().status == 503
    assert agent.nova.requests == []
    assert "certificate" in agent.log_text.lower()


@pytest.mark.parametrize("name", ["server", "elsewhere", "client"])
def test_insecure_believes_everybody(agent, certificates, name):
    start(agent, certificates, name, auth_ca_cert=None, nova_metadata_insecure=True)
    assert agent.ask().status == 200


def test_the_client_certificate_is_shown(agent, certificates):
    start(
        agent,
        certificates,
        client_authority="other-ca.pem",
        nova_client_cert=certificates / "client.pem",
        nova_client_priv_key=certificates / "client.key",
    )
    assert agent.ask().status == 200


def test_without_both_parts_no_client_certificate_is_shown(agent, certificates):
    start(
        agent,
        certificates,
        client_authority="other-ca.pem",
        nova_client_cert=certificates / "client.pem",
        bellhop={"hold_seconds": 0.2},
    )
    assert agent.ask().status in (502, 503)
    assert agent.nova.requests == []


def test_plain_http_behind_https_is_503(agent, certificates):
    agent.serve()
    agent.start(nova_metadata_protocol="https", auth_ca_cert=certificates / "ca.pem", bellhop={"hold_seconds": 0.2})
    assert agent.ask().status == 503


def test_a_large_body_passes_through_tls_bit_for_bit(agent, certificates):
    body = bytes(range(256)) * 40_000
    start(agent, certificates)
    agent.nova.answer = servers.reply(200, body)
    assert agent.ask().body == body
    posted = bytes(range(256)) * 4_000
    agent.nova.answer = lambda message: servers.reply(200, message.body)
    assert agent.ask("/", method="POST", body=posted).body == posted


@pytest.mark.parametrize("option", ["auth_ca_cert", "nova_client_cert"])
def test_a_file_that_is_not_there_ends_it_with_the_option_named(agent, certificates, option):
    options = {"nova_client_cert": certificates / "client.pem", "nova_client_priv_key": certificates / "client.key"}
    agent.write(nova_metadata_protocol="https", log_file=None, **{**options, option: "/nonexistent/file.pem"})
    status, out, err = programs.run(agent.words, agent.folder)
    assert status == 1
    assert option in out + err and "/nonexistent/file.pem" in out + err
