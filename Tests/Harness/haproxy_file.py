"""The files that Neutron's L3, DHCP and OVN agents write for haproxy, with a test's own paths and ports."""

import grp
import os
import pwd
import re

from . import programs

# What the generators of several releases wrote, kept as text beside the reader's unit tests.
KEPT = sorted((programs.ROOT / "Tests/HaproxyConfigTests/Configurations").glob("*.conf"))
KEPT_ID = "21dc7e74-24bc-4b34-8c4d-0e9fc87debd9"

# Whom to become when the listeners are open; only root can become somebody else.
USER, GROUP = ("nobody", "nogroup")
if os.geteuid() != 0:
    USER, GROUP = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name


class Limits:
    """Neutron's `[metadata_rate_limiting]`: two windows, each (seconds, requests)."""

    def __init__(self, base=(10, 10), burst=(10, 10), version=4):
        self.base, self.burst, self.version = base, burst, version

    @property
    def tables(self):
        expiry = max(self.base[0], self.burst[0])
        kind = "ip" if self.version == 4 else "ipv6"
        lines = []
        for name, (seconds, _) in (("base", self.base), ("burst", self.burst)):
            lines += [
                f"backend {name}_rate_limiter",
                f"    stick-table type {kind} size 10k expire {expiry}s store http_req_rate({seconds}s)",
                "",
            ]
        return lines

    @property
    def rules(self):
        names = enumerate(("base", "burst"))
        lines = [f"    http-request track-sc{number} src table {name}_rate_limiter" for number, name in names]
        for name, (_, count) in (("base", self.base), ("burst", self.burst)):
            rate = f"src_http_req_rate({name}_rate_limiter)"
            lines.append(f"    http-request deny deny_status 429 if {{ {rate} gt {count} }}")
        return lines


TIMES = {"http-request": "30s", "connect": "30s", "client": "32s", "server": "32s", "http-keep-alive": "30s"}


def text(
    setup,
    binds=None,
    limits=None,
    times=None,
    maxconn=1024,
    user=USER,
    group=GROUP,
    level="info",
    options=("httplog", "dontlognull", "http-server-close", "forwardfor"),
    more=(),
):
    """In the shape of 2025.2's; `more` are lines for the section that listens."""
    return "\n".join(
        [
            "",
            "global",
            f"    log         {setup.log.path} local0 {level}",
            f"    log-tag     haproxy-metadata-proxy-{setup.identity}",
            f"    user        {user}",
            f"    group       {group}",
            f"    maxconn     {maxconn}",
            "    nbthread    2",
            f"    pidfile     {setup.pid_file}",
            "    daemon",
            "",
            "defaults",
            "    log global",
            "    mode http",
            *[f"    option {option}" for option in options],
            "    retries                 3",
            *[f"    timeout {name:15} {time}" for name, time in {**TIMES, **(times or {})}.items()],
            "",
            *(limits.tables if limits else []),
            "listen listener",
            *[f"    bind {bind}" for bind in binds or [f"127.0.0.1:{setup.port}"]],
            *(limits.rules if limits else []),
            *[f"    {line}" for line in more],
            f"    server metadata {setup.socket}",
            f"    http-request set-header {setup.header} {setup.identity}",
            "",
        ]
    )


def kept(path, setup):
    """A kept file with the places of this test instead of a host's."""
    text = path.read_text().replace(KEPT_ID, setup.identity)
    for pattern, here in (
        (r"/dev/log", str(setup.log.path)),
        (r"/var/lib/neutron/external/pids/\S+", str(setup.pid_file)),
        (r"/var/lib/neutron/metadata_proxy", str(setup.socket)),
        (r"^(\s+user\s+)neutron$", rf"\1{USER}"),
        (r"^(\s+group\s+)neutron$", rf"\1{GROUP}"),
        (r"bind (0\.0\.0\.0|169\.254\.169\.254):\d+", f"bind 127.0.0.1:{setup.port}"),
        (r"bind :::\d+", f"bind :::{setup.port}"),
    ):
        text = re.sub(pattern, here, text, flags=re.MULTILINE)
    return text
