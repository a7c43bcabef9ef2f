"""The namespace proxy's command line: oslo.config's rules, as the L3 and DHCP agents rely on them."""

import pytest

from Harness import lab, programs, servers, wire


def run(proxy, *options, identity=("--network_id", lab.RED)):
    return programs.run(proxy.words(*options, identity=identity), proxy.folder)


def test_an_unknown_option_ends_with_2_and_usage(proxy):
    status, _, err = run(proxy, "--nodaemonize", "--no-such-option")
    assert status == 2
    assert "usage" in err.lower()
    assert "--no-such-option" in err


def test_a_positional_word_ends_with_2(proxy):
    status, _, err = run(proxy, "--nodaemonize", "surplus")
    assert status == 2
    assert "surplus" in err


def test_without_network_and_router_it_does_not_start(proxy):
    status, _, err = run(proxy, "--nodaemonize", identity=())
    assert status == 1
    assert "network_id and router_id are None. One must be provided." in err


@pytest.mark.parametrize("value", ["-1", "65536", "eighty"])
def test_a_port_outside_the_range_is_refused(proxy, value):
    words = [programs.PROXY, "--network_id", lab.RED, "--nodaemonize", "--metadata_port", value]
    status, _, err = programs.run(words, proxy.folder)
    assert status == 1
    assert "metadata_port" in err and value in err


def test_of_both_ids_the_router_is_told_to_the_agent(proxy):
    agent = proxy.serve()
    proxy.start(identity=("--network_id", lab.RED, "--router_id", lab.EDGE))
    assert wire.get(proxy.where).status == 200
    assert agent.last.all("X-Neutron-Router-ID") == [lab.EDGE]
    assert agent.last.all("X-Neutron-Network-ID") == []


def test_options_with_equals_sign_and_with_dashes_are_understood(proxy):
    agent = proxy.serve()
    words = [
        programs.PROXY,
        f"--router-id={lab.EDGE}",
        f"--metadata-port={proxy.port}",
        f"--metadata_proxy_socket={proxy.socket}",
        f"--state-path={proxy.folder}",
        "--nodaemonize",
        "--nometadata_proxy_watch_log",
    ]
    program = proxy._start(words, "proxy")
    program.wait_until(lambda: wire.accepts(proxy.where))
    assert wire.get(proxy.where).status == 200
    assert agent.last["X-Neutron-Router-ID"] == lab.EDGE


def test_an_option_in_an_explicit_config_file_is_read(proxy):
    agent = proxy.serve()
    file = proxy.folder / "proxy.ini"
    file.write_text(f"[DEFAULT]\nrouter_id = {lab.EDGE}\n")
    proxy.start("--config-file", file, identity=())
    assert wire.get(proxy.where).status == 200
    assert agent.last["X-Neutron-Router-ID"] == lab.EDGE


def test_the_later_of_command_line_and_config_file_wins(proxy):
    agent = proxy.serve()
    file = proxy.folder / "proxy.ini"
    file.write_text(f"[DEFAULT]\nnetwork_id = {lab.BLUE}\n")
    proxy.start("--config-file", file, "--network_id", lab.RED, identity=())
    assert wire.get(proxy.where).status == 200
    assert agent.last["X-Neutron-Network-ID"] == lab.RED


def test_a_missing_config_file_is_named(proxy):
    status, _, err = run(proxy, "--nodaemonize", "--config-file", "/nonexistent/proxy.ini")
    assert status == 1
    assert "/nonexistent/proxy.ini" in err


# neutron.conf.d once leaked into the proxy (Pike, LP 1661106).
def test_default_config_files_and_folders_are_not_read(proxy):
    agent = proxy.serve()
    home = proxy.folder / "home"
    (home / ".neutron" / "neutron.conf.d").mkdir(parents=True)
    bad = "[DEFAULT]\nmetadata_port = 1\nthis line is no assignment\n"
    for name in (
        ".neutron/neutron.conf",
        ".neutron/neutron-ns-metadata-proxy.conf",
        ".neutron/neutron.conf.d/00.conf",
        "neutron.conf",
    ):
        (home / name).write_text(bad)
    proxy.start(environment={"HOME": str(home)})
    assert wire.get(proxy.where).status == 200
    assert agent.last["X-Neutron-Network-ID"] == lab.RED


def test_the_dump_of_all_options_at_debug_hides_secrets(proxy):
    proxy.serve()
    file = proxy.folder / "proxy.ini"
    file.write_text("[DEFAULT]\nmetadata_proxy_shared_secret = horse-battery\ntransport_url = rabbit://u:staple@h/\n")
    log = proxy.folder / "proxy.log"
    proxy.start("--debug", "--log-file", log, "--config-file", file)
    programs.eventually(lambda: log.exists() and "metadata_port" in log.read_text())
    text = log.read_text()
    assert "*" * 80 in text
    assert f"metadata_port{' ' * (30 - len('metadata_port'))} = {proxy.port}" in text
    assert "horse-battery" not in text and "staple" not in text


def test_nothing_is_dumped_without_debug(proxy):
    proxy.serve()
    log = proxy.folder / "proxy.log"
    proxy.start("--log-file", log)
    assert wire.get(proxy.where).status == 200
    assert "*" * 80 not in (log.read_text() if log.exists() else "")


def test_a_port_that_is_taken_is_waited_for(proxy):
    """Neutron's L3 agent starts a successor while the old proxy may still hold the port."""
    proxy.serve()
    blocker = servers.ScriptedServer(port=proxy.port)
    program = proxy._start(proxy.words("--nodaemonize"), "proxy")
    try:
        programs.eventually(lambda: program.process.poll() is None, 1)
        assert wire.get(proxy.where).body == b"hello"
    finally:
        blocker.stop()
    program.wait_until(lambda: wire.accepts(proxy.where))
    wire.get(proxy.where)
    assert proxy.agent.requests
