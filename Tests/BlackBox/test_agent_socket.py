"""The agent's UNIX socket: its path, its mode, and who had it before."""

import os
import socket
import stat
import subprocess

import pytest

from Harness import lab, programs, servers, wire
from Harness.marks import as_root


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


# Ignored since Neutron 2025.1, so that proxies of other users could not connect.
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 0o644),
        ({"metadata_proxy_socket_mode": "user"}, 0o644),
        ({"metadata_proxy_socket_mode": "group"}, 0o664),
        ({"metadata_proxy_socket_mode": "all"}, 0o666),
        ({"metadata_proxy_socket_mode": "deduce"}, 0o644),
        ({"metadata_proxy_user": "0"}, 0o644),
        ({"metadata_proxy_user": "root"}, 0o644),
        ({"metadata_proxy_group": "nogroup"}, 0o644),
        ({"metadata_proxy_user": "daemon"}, 0o664),
        ({"metadata_proxy_user": "daemon", "metadata_proxy_group": "EGID"}, 0o664),
        ({"metadata_proxy_user": "daemon", "metadata_proxy_group": "daemon"}, 0o666),
        ({"metadata_proxy_user": "1", "metadata_proxy_group": "1"}, 0o666),
        ({"metadata_proxy_user": "EUID", "metadata_proxy_group": "nogroup"}, 0o644),
        ({"metadata_proxy_user": "daemon", "metadata_proxy_socket_mode": "user"}, 0o644),
    ],
    ids=lambda value: (
        " ".join(f"{k.removeprefix('metadata_proxy_')}={v}" for k, v in value.items()) or "nothing set"
        if isinstance(value, dict)
        else ""
    ),
)
def test_the_mode_of_the_socket_follows_the_options(agent, options, expected):
    numbers = {"EUID": str(os.geteuid()), "EGID": str(os.getegid())}
    agent.start(**{key: numbers.get(value, value) for key, value in options.items()})
    assert oct(mode(agent.socket)) == oct(expected)


@pytest.mark.parametrize("umask", ["000", "077", "777"])
def test_the_umask_does_not_change_the_mode_of_the_socket(agent, umask):
    agent.start(before=["sh", "-c", f'umask {umask}; exec "$@"', "sh"], metadata_proxy_socket_mode="all", log_file=None)
    assert oct(mode(agent.socket)) == oct(0o666)


def test_a_missing_folder_is_made_with_mode_0755(agent):
    agent.socket = agent.folder / "a" / "b" / "metadata_proxy"
    agent.start(before=["sh", "-c", 'umask 022; exec "$@"', "sh"])
    assert oct(mode(agent.folder / "a")) == oct(mode(agent.folder / "a" / "b")) == oct(0o755)
    agent.serve()
    assert agent.ask().status in (200, 503)


def test_the_folder_that_is_made_obeys_the_umask(agent):
    agent.socket = agent.folder / "a" / "metadata_proxy"
    agent.start(before=["sh", "-c", 'umask 027; exec "$@"', "sh"])
    assert oct(mode(agent.folder / "a")) == oct(0o750)


def test_a_socket_left_by_a_dead_agent_is_replaced(agent):
    agent.serve()
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(os.fspath(agent.socket))
    stale.close()
    agent.start()
    assert agent.ask().status == 200


def test_a_plain_file_in_the_place_of_the_socket_is_replaced(agent):
    agent.serve()
    agent.socket.write_text("old")
    agent.start()
    assert agent.ask().status == 200


def test_a_folder_in_the_place_of_the_socket_ends_it_with_1(agent):
    (agent.socket / "inside").mkdir(parents=True)
    agent.write(log_file=None)
    status, out, err = programs.run(agent.words, agent.folder)
    assert status == 1
    assert str(agent.socket) in out + err


def test_a_path_too_long_for_a_socket_ends_it_with_1(agent):
    agent.socket = agent.folder / ("long" * 40)
    agent.write(log_file=None)
    status, out, err = programs.run(agent.words, agent.folder)
    assert status == 1
    assert "longlong" in out + err


def test_the_socket_is_removed_at_the_end(agent):
    agent.serve()
    program = agent.start()
    assert agent.ask().status == 200
    assert program.stop() == 0
    assert not agent.socket.exists()


def test_the_socket_of_a_successor_stays(agent):
    program = agent.start()
    agent.socket.unlink()
    with servers.ScriptedServer(path=agent.socket):
        program.stop()
        assert wire.get(agent.socket).body == b"hello"


@as_root
def test_another_user_can_connect_only_if_the_mode_says_so(agent):
    agent.serve()
    agent.start(metadata_proxy_user="nobody", metadata_proxy_group="nogroup")
    command = [
        *["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"],
        *["curl", "-sS", "--unix-socket", str(agent.socket), "-o", "/dev/null", "-w", "%{http_code}"],
        *["-H", f"X-Forwarded-For: {lab.WEB_IP}", "-H", f"X-Neutron-Network-ID: {lab.RED}", "http://m/"],
    ]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "200"
    agent.program.stop()
    agent.start(metadata_proxy_socket_mode="user")
    assert subprocess.run(command, capture_output=True, text=True).returncode == 7
