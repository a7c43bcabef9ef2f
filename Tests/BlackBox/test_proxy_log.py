"""The namespace proxy's log: oslo.log's line, its file, and logrotate without a signal."""

import re

from Harness import lab, programs, servers, wire

LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) [\w.]+ \[-\] .+$")


def test_lines_have_the_form_of_oslo_log(proxy):
    proxy.serve()
    log = proxy.folder / "proxy.log"
    proxy.start("--debug", "--log-file", log)
    assert wire.get(proxy.where, "/one").status == 200
    programs.eventually(lambda: log.read_text().count("\n") >= 5)
    for line in log.read_text().splitlines():
        assert LINE.match(line), line


def test_a_log_file_is_put_into_the_log_dir(proxy):
    proxy.serve()
    (proxy.folder / "logs").mkdir()
    proxy.start("--debug", "--log-dir", proxy.folder / "logs", "--log-file", f"proxy-{lab.RED}.log")
    programs.eventually(lambda: (proxy.folder / "logs" / f"proxy-{lab.RED}.log").exists())


def test_a_renamed_log_is_opened_anew(proxy):
    proxy.serve()
    log = proxy.folder / "proxy.log"
    proxy.start("--debug", "--log-file", log)
    assert wire.get(proxy.where, "/one").status == 200
    programs.eventually(lambda: log.exists() and log.stat().st_size)
    log.rename(proxy.folder / "proxy.log.1")

    def reopened():
        wire.get(proxy.where, "/again")
        return log.exists() and log.stat().st_size > 0

    programs.eventually(reopened, 20, "a new log file")


def test_bodies_and_secrets_are_not_logged_even_at_debug(proxy):
    """Neutron's Pike wrote whole user data, keys included, to its debug log."""
    proxy.serve(servers.reply(200, b"user-data-with-a-password"))
    log = proxy.folder / "proxy.log"
    proxy.start("--debug", "--log-file", log)
    answer = wire.get(proxy.where, "/password", method="POST", body=b"guest-password-cipher", headers={"Cookie": "c00"})
    assert answer.body == b"user-data-with-a-password"
    text = log.read_text()
    assert "user-data-with-a-password" not in text and "guest-password-cipher" not in text and "c00" not in text


def test_an_impossible_log_file_ends_with_1(proxy):
    status, out, err = programs.run(
        proxy.words("--nodaemonize", "--log-file", "/nonexistent/x/proxy.log"), proxy.folder
    )
    assert status == 1
    assert "/nonexistent/x/proxy.log" in out + err
