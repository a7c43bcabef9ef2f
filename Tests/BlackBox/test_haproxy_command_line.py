"""Our `haproxy`: the command lines of agents, scripts and operators, and the files of every release."""

import os

import pytest

from Harness import lab, programs, wire
from Harness.haproxy_file import KEPT
from Harness.programs import eventually


def binds_link_local(path):
    return "fe80::" in path.read_text()


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_the_file_of_every_release_is_valid(haproxy, path):
    status, out, err = haproxy.run("-c", "-f", haproxy.write(haproxy.kept(path)))
    assert (status, err) == (0, "")
    assert out == "Configuration file is valid\n"


# Those with a link-local address need an interface that has it: see test_haproxy_listeners.
@pytest.mark.parametrize(
    "path", [path for path in KEPT if not binds_link_local(path)], ids=lambda path: path.stem
)
def test_the_file_of_every_release_is_served(haproxy, path):
    agent = haproxy.serve()
    text = haproxy.kept(path)
    pid = haproxy.start(text)
    assert haproxy.get("/latest").body == b"hello"
    names = ("X-OVN-Network-ID", "X-Neutron-Router-ID", "X-Neutron-Network-ID")
    name = next(name for name in names if f"header {name} {lab.RED}" in text)
    assert agent.last.all(name) == [lab.RED]
    assert agent.last.all("X-Forwarded-For") == ["127.0.0.1"]
    tag = f"haproxy-metadata-proxy-{lab.RED}" if "log-tag" in text else "haproxy"
    line = eventually(lambda: "".join(haproxy.log.requests()), 5, "the line of the request")
    assert f" {tag}[{pid}]: 127.0.0.1:" in line


def test_the_file_is_not_changed(haproxy):
    """Agents of 2025.1 and later compare it with the one they want before they start another."""
    haproxy.serve()
    text = haproxy.write().read_bytes()
    before = haproxy.path.stat().st_mtime_ns, haproxy.path.stat().st_ino
    assert haproxy.run("-f", haproxy.path)[0] == 0
    assert haproxy.get().status == 200
    haproxy.stop()
    assert haproxy.path.read_bytes() == text
    assert (haproxy.path.stat().st_mtime_ns, haproxy.path.stat().st_ino) == before


def test_several_files_are_read_as_one(haproxy):
    haproxy.serve()
    text = haproxy.text()
    parts = text.split("\ndefaults\n"), text.split("\nlisten listener\n")
    (haproxy.folder / "1.cfg").write_text(parts[0][0] + "\n")
    (haproxy.folder / "2.cfg").write_text("defaults\n" + parts[0][1].split("\nlisten listener\n")[0] + "\n")
    haproxy.path.write_text("listen listener\n" + parts[1][1])
    words = [word for name in ("1.cfg", "2.cfg") for word in ("-f", haproxy.folder / name)] + ["-f", haproxy.path]
    status, out, err = haproxy.run(*words)
    assert status == 0, out + err
    assert haproxy.get().body == b"hello"


def test_a_folder_of_files_is_read_in_the_order_of_their_names(haproxy):
    haproxy.serve()
    text = haproxy.text()
    folder = haproxy.folder / "conf.d"
    folder.mkdir()
    start = text.index("listen listener")
    (folder / "20-listen.cfg").write_text(text[start:])
    (folder / "10-global.cfg").write_text(text[:start])
    (folder / "30-other.conf").write_text("nonsense\n")
    haproxy.path = folder  # what the processes have in their command lines
    assert haproxy.run("-f", folder)[0] == 0
    assert haproxy.get().body == b"hello"


def test_p_names_another_pid_file(haproxy):
    """As the host's metadata proxy of 2025.1 is started."""
    haproxy.serve()
    other = haproxy.folder / "other.pid"
    assert haproxy.run("-f", haproxy.write(), "-p", other)[0] == 0
    assert not haproxy.pid_file.exists()
    assert [int(other.read_text())] == haproxy.processes


def test_a_relative_pid_file_starts_where_the_command_was_given(haproxy):
    haproxy.serve()
    assert haproxy.run("-f", haproxy.write(), "-p", "relative.pid")[0] == 0
    assert [int((haproxy.folder / "relative.pid").read_text())] == haproxy.processes


def test_big_c_changes_to_a_folder_first(haproxy):
    haproxy.serve()
    haproxy.write()
    words = [haproxy.program, "-C", haproxy.folder, "-f", haproxy.path.name, "-p", "x.pid"]
    status, out, err = programs.run(words, "/")
    assert status == 0, out + err
    pid = int((haproxy.folder / "x.pid").read_text())
    try:
        assert haproxy.get().body == b"hello"
    finally:
        programs.end_process(pid)


def test_big_d_makes_a_daemon_where_the_file_does_not(haproxy):
    haproxy.serve()
    haproxy.write(haproxy.text().replace("    daemon\n", ""))
    assert haproxy.run("-D", "-f", haproxy.path)[0] == 0
    assert haproxy.processes == [haproxy.pid]


@pytest.mark.parametrize("words", [["-db"], ["-D", "-db"], ["-d"], ["-Ws"]], ids=" ".join)
def test_db_stays_in_the_foreground_without_a_pid_file(haproxy, start, words):
    haproxy.serve()
    program = start([haproxy.program, *words, "-f", haproxy.write()], "haproxy")
    program.wait_until(lambda: wire.accepts(haproxy.where), what="the listener")
    assert haproxy.get().body == b"hello"
    assert haproxy.processes == [program.pid]
    assert not haproxy.pid_file.exists()
    assert program.stop() in (0, 143, -15)


def test_the_control_writes_no_pid_file_in_the_foreground_either(control, start):
    program = start([control.program, "-db", "-f", control.write()], "control")
    program.wait_until(lambda: wire.accepts(control.where), what="the listener")
    assert not control.pid_file.exists()


# The agents stop predecessors themselves; scripts of operators may name them.
@pytest.mark.parametrize("option", ["-sf", "-st"])
def test_predecessors_may_be_named(haproxy, option):
    haproxy.serve()
    for words in ([option], [option, "1", "2"], [option, "4194303\n4194302"]):
        assert haproxy.run("-f", haproxy.write(), *words)[0] == 0
        haproxy.stop()


def test_q_says_nothing(haproxy):
    assert haproxy.run("-q", "-c", "-f", haproxy.write()) == (0, "", "")


@pytest.mark.parametrize("option", ["-v", "-vv"])
def test_v_tells_the_version_and_that_it_is_ours(haproxy, option):
    status, out, err = haproxy.run(option)
    assert (status, err) == (0, "")
    assert out.startswith("haproxy of Bellhop version ")


def test_an_unknown_keyword_ends_it_with_its_place(haproxy):
    haproxy.write(haproxy.text().replace("    daemon\n", "    daemon\n    maxcon 5\n"))
    line = haproxy.path.read_text().splitlines().index("    maxcon 5") + 1
    for words in (["-c"], []):
        status, out, err = haproxy.run(*words, "-f", haproxy.path)
        assert (status, out) == (1, "")
        assert f"parsing [{haproxy.path}:{line}] : unknown keyword 'maxcon' in 'global' section" in err
        assert "[ALERT]" in err
    assert not haproxy.pid_file.exists() and not wire.accepts(haproxy.where)


def test_the_control_refuses_it_as_well(control):
    control.write(control.text().replace("    daemon\n", "    daemon\n    maxcon 5\n"))
    status, _, err = control.run("-c", "-f", control.path)
    assert status == 1 and "unknown keyword 'maxcon' in 'global' section" in err


def test_a_keyword_that_would_change_answers_is_refused_not_ignored(haproxy):
    status, _, err = haproxy.run("-f", haproxy.write(more=["monitor-uri /healthy"]))
    assert status == 1 and "'monitor-uri' is not implemented here" in err


@pytest.mark.parametrize(
    "words",
    [[], ["-f"], ["-f", "/nonexistent/haproxy.conf"], ["-foo"], ["-Y"], ["file.conf"], ["-c"]],
    ids=lambda words: " ".join(words) or "nothing",
)
def test_a_wrong_command_line_ends_with_1_and_says_why(haproxy, words):
    status, out, err = haproxy.run(*words)
    assert (status, out) == (1, "")
    assert err.strip()


@pytest.mark.parametrize("option", ["user", "group"])
def test_an_unknown_account_is_found_before_anything_is_done(haproxy, control, option):
    for setup in (haproxy, control):
        setup.write(**{option: "no-such-account"})
        for words in (["-c"], []):
            status, out, err = setup.run(*words, "-f", setup.path)
            assert status == 1 and "no-such-account" in err
        assert not setup.pid_file.exists() and not setup.processes


def test_an_empty_file_and_a_binary_one_are_refused(haproxy):
    for content in (b"", os.urandom(4096), b"global\n" * 3 + b"\0"):
        haproxy.path.write_bytes(content)
        status, _, err = haproxy.run("-f", haproxy.path)
        assert status == 1 and "[ALERT]" in err


def test_the_personality_can_be_chosen_where_a_wrapper_decides_about_the_name(haproxy):
    haproxy.serve()
    flag = "--personality=haproxy"
    assert programs.run([programs.PROXY, flag, "-c", "-f", haproxy.write()], haproxy.folder)[0] == 0
    status, out, err = programs.run([haproxy.program, "--personality=neutron-ns-metadata-proxy", "--version"], "/")
    assert (status, err) == (0, "") and "haproxy" not in out
    status, _, err = programs.run([haproxy.program, "--personality=nginx"], "/")
    assert status == 2 and "neutron-ns-metadata-proxy" in err
