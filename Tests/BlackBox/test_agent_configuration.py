"""The agent's options: everything that is wrong is told at once, with file, line and option, before it starts."""

import pytest

from Harness import lab, programs


def run(agent, text, *words):
    agent.configuration.write_text(text)
    return programs.run([*agent.words, *words], agent.folder)


def test_bad_values_are_named_with_file_line_and_option(agent):
    status, _, err = run(agent, "[DEFAULT]\n\nmetadata_workers = two\n")
    assert status == 1
    assert f"{agent.configuration}:3" in err
    assert "metadata_workers" in err and "two" in err


def test_all_mistakes_are_told_at_once(agent):
    status, _, err = run(
        agent,
        "[DEFAULT]\n"
        "metadata_workers = two\n"
        "nova_metadata_port = 70000\n"
        "metadata_proxy_socket_mode = everybody\n"
        "nova_metadata_insecure = perhaps\n"
        "nova_metadata_host = not_a_host\n"
        "nova_metadata_protocol = gopher\n"
        "[bellhop]\n"
        "hold_seconds = soon\n",
    )
    assert status == 1
    for line, option in (
        (2, "metadata_workers"),
        (3, "nova_metadata_port"),
        (4, "metadata_proxy_socket_mode"),
        (5, "nova_metadata_insecure"),
        (6, "nova_metadata_host"),
        (7, "nova_metadata_protocol"),
        (9, "hold_seconds"),
    ):
        assert [text for text in err.splitlines() if f":{line}" in text and option in text], f"{option}:\n{err}"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[DEFAULT]\nno assignment here\n", 2, "No ':' or '=' found in assignment"),
        ("metadata_workers = 1\n", 1, "Section must be started before assignment"),
        ("[DEFAULT\n", 1, "Invalid section (must end with ])"),
        ("[]\n", 1, "Empty section name"),
        ("[DEFAULT]\n= 1\n", 2, "Key cannot be empty"),
        ("[DEFAULT]\n  continued\n", 2, "Unexpected continuation line"),
    ],
)
def test_what_is_no_configuration_file_is_told_with_its_line(agent, text, line, reason):
    status, _, err = run(agent, text)
    assert status == 1
    assert f"{agent.configuration}:{line}" in err
    assert reason in err


def test_a_missing_file_is_named(agent):
    status, _, err = programs.run([programs.AGENT, "--config-file", "/nonexistent/agent.ini"], agent.folder)
    assert status == 1
    assert "/nonexistent/agent.ini" in err


def test_a_file_of_bytes_that_are_no_text_is_refused(agent):
    agent.configuration.write_bytes(b"[DEFAULT]\nnova_metadata_host = \xff\xfe\x00\n")
    status, _, err = programs.run(agent.words, agent.folder)
    assert status == 1
    assert str(agent.configuration) in err


def test_an_unknown_option_on_the_command_line_ends_with_2(agent):
    agent.write()
    status, _, err = programs.run([*agent.words, "--frobnicate"], agent.folder)
    assert status == 2
    assert "--frobnicate" in err


# neutron.conf is shared with the server: most of it is not for the agent.
def test_options_of_other_services_are_ignored(agent):
    agent.serve()
    agent.start(
        text="[DEFAULT]\ncore_plugin = ml2\nservice_plugins = router\n[database]\nconnection = mysql://x:y@z/n\n"
        "[keystone_authtoken]\nauth_url = http://127.0.0.1:1\n[no such section]\na = b\n"
    )
    assert agent.ask().status == 200


# The alias disappeared after one release (Queens); ours stays.
def test_the_old_name_of_the_host_option_works(agent):
    agent.serve()
    agent.start(nova_metadata_host=None, nova_metadata_ip="127.0.0.1")
    assert agent.ask().status == 200
    assert 'Option "nova_metadata_ip"' in agent.log_text


def test_several_files_and_a_folder_are_read_in_their_order(agent):
    agent.serve()
    agent.write(nova_metadata_port=1)
    second = agent.folder / "second.ini"
    second.write_text("[DEFAULT]\nmetadata_proxy_shared_secret = overridden\nnova_metadata_port = 2\n")
    drop_ins = agent.folder / "conf.d"
    drop_ins.mkdir()
    (drop_ins / "10-port.conf").write_text("[DEFAULT]\nnova_metadata_port = 3\n")
    (drop_ins / "20-port.conf").write_text(f"[DEFAULT]\nnova_metadata_port = {agent.nova.port}\n")
    (drop_ins / "30-port.ignored").write_text("[DEFAULT]\nnova_metadata_port = 4\n")
    words = [*agent.words, "--config-file", second, "--config-dir", drop_ins]
    agent.program = agent._start(words, "agent")
    agent.program.wait_until(lambda: agent.socket.exists())
    assert programs.eventually(lambda: agent.ask().status == 200)
    assert agent.nova.last["X-Instance-ID-Signature"] == lab.signature(lab.WEB, "overridden")


def test_values_are_interpolated(agent):
    agent.serve()
    socket = agent.folder / "metadata_proxy"
    agent.start(metadata_proxy_socket="$state_path/metadata_proxy")
    assert socket.exists()
    assert agent.ask().status == 200


def test_a_dollar_in_the_secret_needs_two(agent):
    status, _, err = run(agent, "[DEFAULT]\nmetadata_proxy_shared_secret = pa$word\n")
    assert status == 1
    assert "metadata_proxy_shared_secret" in err
    agent.serve()
    agent.start(metadata_proxy_shared_secret="pa$$word")
    assert agent.ask().status == 200
    assert agent.nova.last["X-Instance-ID-Signature"] == lab.signature(lab.WEB, "pa$word")


def test_environment_variables_beat_files(agent):
    agent.serve()
    agent.start(nova_metadata_port=1, environment={"OS_DEFAULT__NOVA_METADATA_PORT": str(agent.nova.port)})
    assert agent.ask().status == 200


def test_an_empty_secret_is_a_legal_key(agent):
    agent.serve()
    agent.start(metadata_proxy_shared_secret="")
    assert agent.ask().status == 200
    assert agent.nova.last["X-Instance-ID-Signature"] == lab.signature(lab.WEB, "")


def test_the_dump_of_all_options_masks_every_secret(agent):
    agent.serve()
    agent.start(
        "--debug",
        metadata_proxy_shared_secret="horse-battery",
        admin_password="staple",
        transport_url="rabbit://user:paperclip@127.0.0.1/",
    )
    assert agent.ask().status == 200
    programs.eventually(lambda: "metadata_proxy_shared_secret" in agent.log_text)
    text = agent.log_text
    assert "metadata_proxy_shared_secret   = ****" in text
    assert "nova_metadata_host             = 127.0.0.1" in text
    assert "Configuration options gathered from:" in text
    for secret in ("horse-battery", "staple", "paperclip", lab.signature(lab.WEB, "horse-battery")):
        assert secret not in text


def test_an_option_without_effect_warns_once(agent):
    agent.serve()
    agent.start(
        metadata_backlog=100,
        rpc_response_max_timeout=600,
        text="[cache]\nenabled = true\nbackend = dogpile.cache.memcached\n",
    )
    assert agent.ask().status == 200
    assert agent.log_text.count("WARNING") >= 1


@pytest.mark.parametrize(
    ("inventory", "line"), [("instances: [\n", 2), ("networks: {red: {cidr: 10.0.0.0/33}}\n", 1), ("no: such key\n", 1)]
)
def test_a_bad_inventory_ends_it_with_file_and_line(agent, inventory, line):
    agent.inventory.write_text(inventory)
    agent.write(log_file=None)
    status, out, err = programs.run(agent.words, agent.folder)
    assert status == 1
    assert f"{agent.inventory}:{line}: " in out + err


def test_without_any_directory_it_says_what_to_configure(agent):
    agent.inventory = None
    agent.write(log_file=None)
    status, out, err = programs.run(agent.words, agent.folder, seconds=10)
    assert status == 1
    assert "inventory" in out + err
