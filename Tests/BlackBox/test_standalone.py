"""`bellhop`: a complete metadata service for a lab in one command, and its helpers for operators."""

import base64
import json
import re
import signal
import time

import pytest

from Harness import lab, programs, servers, wire
from Harness.wire import Client, get, request


class Standalone:
    def __init__(self, folder, start):
        self.folder, self._start = folder, start
        self.inventory = folder / "lab.yaml"
        self.port = wire.free_port()
        self.where = ("127.0.0.1", self.port)
        self.write()

    def write(self):
        door = f"listeners:\n  - {{listen: '127.0.0.1:{self.port}', network: lo}}\n"
        self.inventory.write_text(lab.INVENTORY + door)

    def start(self, *words, where=None):
        program = self._start([programs.BELLHOP, "serve", "--inventory", self.inventory, *words], "bellhop")
        program.wait_until(lambda: wire.accepts(where or self.where), what="the service")
        self.program = program
        return program

    def text(self, target, where=None, **keywords):
        answer = get(where or self.where, target, **keywords)
        assert answer.status == 200, (target, answer.status, answer.body)
        return answer.body.decode()


@pytest.fixture
def standalone(folder, start):
    return Standalone(folder, start)


OPENSTACK_VERSIONS = [
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "2025-04-04",
    "latest",
]
EC2_VERSIONS = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "latest",
]


def test_the_openstack_tree_is_served(standalone):
    standalone.start()
    assert standalone.text("/openstack").split("\n") == OPENSTACK_VERSIONS
    data = json.loads(standalone.text("/openstack/latest/meta_data.json"))
    assert data["uuid"] == lab.LOOPBACK
    assert data["hostname"] == "loopback.lab.example"
    assert data["public_keys"] == {"alice": lab.ALICE_KEY}
    assert data["project_id"] == lab.PROJECT
    assert len(base64.b64decode(data["random_seed"])) == 512
    network = json.loads(standalone.text("/openstack/latest/network_data.json"))
    assert network["links"][0]["ethernet_mac_address"] == "fa:16:3e:00:00:30"
    assert standalone.text("/openstack/2012-08-10") == "meta_data.json"
    names = standalone.text("/openstack/latest").split("\n")
    assert names == ["meta_data.json", "password", "vendor_data.json", "network_data.json", "vendor_data2.json"]
    for name in names:
        assert get(standalone.where, f"/openstack/latest/{name}").status == 200


def test_the_ec2_tree_is_served(standalone):
    standalone.start()
    assert standalone.text("/").split("\n") == EC2_VERSIONS
    assert standalone.text("/latest") == "meta-data/"
    names = standalone.text("/latest/meta-data/")
    assert standalone.text("/latest/meta-data") == names and not names.endswith("\n")
    for name in names.split("\n"):
        assert get(standalone.where, f"/latest/meta-data/{name.split('=')[0]}").status == 200
    assert standalone.text("/latest/meta-data/local-ipv4") == "127.0.0.1"
    assert re.fullmatch(r"i-[0-9a-f]{8}", standalone.text("/latest/meta-data/instance-id"))
    assert standalone.text("/2009-04-04/meta-data/public-keys/") == "0=alice"
    assert standalone.text("/latest/meta-data/public-keys/0/openssh-key") == lab.ALICE_KEY


@pytest.mark.parametrize(
    "target",
    [
        "/openstack/1999-01-01",
        "/openstack/latest/user_data",
        "/openstack/latest/nothing.json",
        "/openstack/2012-08-10/vendor_data.json",
        "/openstack/latest/content",
        "/latest/user-data",
        "/latest/dynamic/instance-identity/document",
        "/latest/meta-data/hostname/more",
        "/latest/api/token",
        "/favicon.ico",
    ],
)
def test_what_does_not_exist_is_404(standalone, target):
    standalone.start()
    assert get(standalone.where, target).status == 404


def test_binary_user_data_arrives_bit_for_bit(standalone):
    text = lab.INVENTORY.replace(
        "fixed_ip: 127.0.0.1", f"fixed_ip: 127.0.0.1\n    user_data_base64: {lab.USER_DATA_BASE64}"
    )
    standalone.inventory.write_text(text + f"listeners:\n  - {{listen: '127.0.0.1:{standalone.port}', network: lo}}\n")
    standalone.start()
    assert get(standalone.where, "/openstack/latest/user_data").body == lab.USER_DATA
    assert get(standalone.where, "/latest/user-data").body == lab.USER_DATA


def test_a_password_is_stored_once(standalone):
    standalone.start()
    path = "/openstack/latest/password"
    assert get(standalone.where, path).body == b""
    assert get(standalone.where, path, method="POST", body=b"x" * 1021).status == 400
    assert get(standalone.where, path, method="POST", body=b"cipher==").status == 200
    assert get(standalone.where, path).body == b"cipher=="
    assert get(standalone.where, path, method="POST", body=b"again").status == 409
    assert get(standalone.where, path, method="PUT", body=b"again").status == 400
    assert get(standalone.where, path).body == b"cipher=="


def test_an_address_of_no_instance_is_404(standalone):
    standalone.start("--hold-seconds", "0.3")
    assert get(standalone.where, "/", source="127.0.0.9").status == 404


def test_a_listener_can_be_given_on_the_command_line(standalone):
    port = wire.free_port()
    standalone.start("--listen", f"127.0.0.1:{port}=lo", where=("127.0.0.1", port))
    assert standalone.text("/latest/meta-data/local-ipv4", ("127.0.0.1", port)) == "127.0.0.1"


def test_identity_headers_of_a_guest_change_nothing(standalone):
    standalone.start()
    forged = {
        "X-Forwarded-For": lab.WEB_IP,
        "X-Neutron-Network-ID": lab.RED,
        "X-Instance-ID": lab.WEB,
        "X-Tenant-ID": lab.OTHER_PROJECT,
        "X-Instance-ID-Signature": lab.signature(lab.WEB),
    }
    data = json.loads(standalone.text("/openstack/latest/meta_data.json", headers=forged))
    assert data["uuid"] == lab.LOOPBACK


def test_many_requests_on_one_connection(standalone):
    standalone.start()
    with Client(standalone.where) as guest:
        guest.send(b"".join(request("/latest/meta-data/local-ipv4") for _ in range(50)))
        assert {guest.response().body for _ in range(50)} == {b"127.0.0.1"}


def test_sigterm_ends_it_with_0(standalone):
    program = standalone.start()
    assert standalone.text("/openstack")
    assert program.stop() == 0
    assert not wire.accepts(standalone.where)


def test_sigint_ends_it_as_well(standalone):
    program = standalone.start()
    assert standalone.text("/openstack")
    assert program.stop(signal.SIGINT) == 0


def test_a_signal_right_after_the_start_is_a_clean_stop_too(standalone):
    for _ in range(5):
        assert standalone.start().stop() == 0


def test_sighup_takes_a_changed_inventory_into_use(standalone):
    standalone.start()
    assert json.loads(standalone.text("/openstack/latest/meta_data.json"))["name"] == "loopback"
    standalone.inventory.write_text(standalone.inventory.read_text().replace("  loopback:", "  renamed:"))
    standalone.program.send_signal(signal.SIGHUP)
    programs.eventually(
        lambda: json.loads(standalone.text("/openstack/latest/meta_data.json"))["name"] == "renamed", 15
    )


def test_a_port_that_is_taken_is_told_and_ends_it_with_1(standalone):
    with servers.ScriptedServer(port=standalone.port):
        words = [programs.BELLHOP, "serve", "--inventory", standalone.inventory]
        status, out, err = programs.run(words, standalone.folder, seconds=60)
    assert status == 1
    assert str(standalone.port) in out + err


def test_a_taken_port_for_nova_is_told_and_ends_it_as_well(standalone):
    """A part that fails while the others serve already ends them all, instead of waiting for a signal."""
    with servers.ScriptedServer() as taken:
        words = [programs.BELLHOP, "serve", "--inventory", standalone.inventory]
        words += ["--secret", lab.SECRET, "--nova-listen", f"127.0.0.1:{taken.port}"]
        status, out, err = programs.run(words, standalone.folder, seconds=60)
    assert status == 1
    assert str(taken.port) in out + err


# MARK: As Nova for other agents


def nova_headers(instance=lab.WEB, project=lab.PROJECT, secret=lab.SECRET):
    return {
        "X-Instance-ID": instance,
        "X-Tenant-ID": project,
        "X-Instance-ID-Signature": lab.signature(instance, secret),
        "X-Forwarded-For": lab.WEB_IP,
    }


@pytest.fixture
def nova(standalone):
    where = ("127.0.0.1", wire.free_port())
    standalone.start("--nova-listen", f"127.0.0.1:{where[1]}", "--secret", lab.SECRET, where=where)
    return where


def test_as_nova_it_serves_who_is_signed_for(nova):
    data = json.loads(get(nova, "/openstack/latest/meta_data.json", nova_headers()).body)
    assert data["uuid"] == lab.WEB and data["meta"] == {"role": "web"}
    assert get(nova, "/latest/user-data", nova_headers()).body == lab.USER_DATA


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (nova_headers(secret="wrong"), 403),
        ({**nova_headers(), "X-Instance-ID-Signature": lab.signature(lab.TWIN)}, 403),
        ({**nova_headers(), "X-Instance-ID-Signature": ""}, 403),
        ({**nova_headers(), "X-Instance-ID-Signature": lab.signature(lab.WEB).upper()}, 403),
        (nova_headers(project=lab.OTHER_PROJECT), 404),
        (nova_headers(instance="00000000-0000-4000-8000-00000000dead"), 404),
        ({"X-Tenant-ID": lab.PROJECT}, 400),
        ({"X-Instance-ID": lab.WEB, "X-Tenant-ID": lab.PROJECT}, 400),
        ({"X-Instance-ID": lab.WEB, "X-Instance-ID-Signature": lab.signature(lab.WEB)}, 400),
        ({**nova_headers(), "X-Metadata-Provider": "lb"}, 400),
    ],
    ids=["secret", "other's", "empty", "upper case", "project", "unknown", "no id", "no signature", "no project", "lb"],
)
def test_as_nova_it_refuses_everybody_else(nova, headers, status):
    assert get(nova, "/openstack/latest/meta_data.json", headers).status == status
    assert lab.signature(lab.WEB).encode() not in get(nova, "/openstack", headers).body


def test_as_nova_and_agent_in_one_it_serves_a_namespace_proxy(standalone):
    socket = standalone.folder / "metadata_proxy"
    standalone.start("--metadata-proxy-socket", socket, where=str(socket))
    headers = {"X-Forwarded-For": lab.WEB_IP, "X-Neutron-Network-ID": lab.RED}
    data = json.loads(get(socket, "/openstack/latest/meta_data.json", headers).body)
    assert data["uuid"] == lab.WEB


# MARK: check, sample-config


def test_check_accepts_a_good_inventory(standalone):
    status, out, err = programs.run([programs.BELLHOP, "check", "--inventory", standalone.inventory], standalone.folder)
    assert status == 0, out + err


def test_the_example_inventory_is_good():
    status, out, err = programs.run(
        [programs.BELLHOP, "check", "--inventory", programs.ROOT / "examples/lab.yaml"], programs.ROOT
    )
    assert status == 0, out + err


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("networks:\n  red: {cidr: 10.0.0.0/99}\n", 2, "networks[red].cidr"),
        ("networks:\n  red: {cidr: 10.0.0.0/24}\ninstances:\n  a:\n    fixd_ip: 10.0.0.5\n", 5, "fixd_ip"),
        ("networks:\n  red: {cidr: 10.0.0.0/24}\ninstances:\n  a: {fixed_ip: 10.9.0.5}\n", 4, "instances[a]"),
        ("networks:\n  red: {cidr: 10.0.0.0/24}\ninstances:\n  a: {network: reed, fixed_ip: 10.0.0.5}\n", 4, "reed"),
        ("instances: [\n", 2, ""),
        ("- a\n- b\n", 1, ""),
        ("keys:\n  alice: no-key\n", 2, "keys[alice]"),
    ],
    ids=["prefix", "unknown key", "outside", "no such network", "no YAML", "no mapping", "key"],
)
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_mistake_in_the_inventory_is_told_with_line_and_key(standalone, command, text, line, key):
    standalone.inventory.write_text(text)
    words = [programs.BELLHOP, command, "--inventory", standalone.inventory]
    status, out, err = programs.run(words, standalone.folder)
    assert status == 1
    told = [each for each in (out + err).splitlines() if f"lab.yaml:{line}" in each or key == ""]
    assert [each for each in told if key in each and "lab.yaml" in each], out + err


def test_all_mistakes_of_an_inventory_are_told_at_once(standalone):
    standalone.inventory.write_text("networks:\n  a: {cidr: x}\n  b: {mtu: big}\nkeys:\n  c: d\n")
    status, out, err = programs.run([programs.BELLHOP, "check", "--inventory", standalone.inventory], standalone.folder)
    assert status == 1
    for line in (2, 3, 5):
        assert f"lab.yaml:{line}" in out + err


def test_a_missing_inventory_is_named(standalone):
    status, out, err = programs.run(
        [programs.BELLHOP, "check", "--inventory", "/nonexistent/lab.yaml"], standalone.folder
    )
    assert status == 1
    assert "/nonexistent/lab.yaml" in out + err


def test_the_sample_configuration_is_accepted_by_the_agent(agent):
    status, sample, err = programs.run([programs.BELLHOP, "sample-config"], agent.folder)
    assert status == 0, err
    assert "#metadata_proxy_shared_secret" in sample.replace("# ", "#")
    agent.serve()
    agent.write()
    whole = agent.folder / "sample.ini"
    whole.write_text(sample)
    agent.program = agent._start(
        [programs.AGENT, "--config-file", whole, "--config-file", agent.configuration], "agent"
    )
    agent.program.wait_until(lambda: wire.accepts(agent.socket))
    assert agent.ask().status == 200


def test_every_option_of_the_sample_can_be_switched_on(agent):
    """Each line taken out of its comment is a valid assignment of the default."""
    _, sample, _ = programs.run([programs.BELLHOP, "sample-config"], agent.folder)
    lines = []
    for line in sample.splitlines():
        match = re.match(r"# ?([a-z_]+ = .+)$", line)
        lines.append(match.group(1) if match and "<" not in match.group(1) else line)
    assert sum(1 for line in lines if re.match(r"[a-z_]+ = ", line)) > 30
    agent.serve()
    agent.write()
    whole = agent.folder / "sample.ini"
    whole.write_text("\n".join(lines) + "\n")
    agent.program = agent._start(
        [programs.AGENT, "--config-file", whole, "--config-file", agent.configuration], "agent"
    )
    agent.program.wait_until(lambda: wire.accepts(agent.socket))
    assert agent.ask().status == 200


def test_an_unknown_command_is_an_error(standalone):
    status, _, err = programs.run([programs.BELLHOP, "frobnicate"], standalone.folder)
    assert status not in (0, 1) and "frobnicate" in err


def test_it_is_ready_within_seconds(standalone):
    before = time.monotonic()
    standalone.start()
    assert time.monotonic() - before < 3
