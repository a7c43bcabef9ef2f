"""What stands between guests and the agent's socket: haproxy with Neutron's files, ours with the same files or with
the Python proxy's arguments, or recorded requests.

The programs run in the namespace of each router and DHCP port. All fronts of a session speak to one socket path, so
agents can be exchanged behind them.
"""

import json
import time

from Harness import personality, programs, wire
from Harness.openstack import METADATA_V6, Answer
from Harness.programs import eventually
from agents import PROXY_GROUP, PROXY_USER
from stack.namespaces import tap_name


class Front:
    """One daemon per network; `ask` sends a guest's request through it."""

    knows_ipv6 = True
    # Our agent takes its listeners over, unless it is told not to, and then has the guests' connections itself.
    hands_over = False

    def __init__(self, openstack, folder, socket):
        self.openstack, self.folder, self.socket = openstack, folder, socket
        self.pids = {}

    def start(self):
        for network in self.openstack.networks.values():
            pid_file = self.start_in(network)
            self.pids[network["name"]] = int(pid_file.read_text())
            eventually(lambda: _is_listened(network), 20, f"a listener for {network['name']}")  # noqa: B023

    def stop(self):
        """An agent lets go of what it took over a moment after the proxy's end; the next front listens there."""
        for pid in self.pids.values():
            programs.end_process(pid)
        for name in self.pids:
            network = self.openstack.networks[name]
            eventually(lambda: not _is_listened(network), 20, f"the end of the listener for {name}")  # noqa: B023
        self.pids = {}

    def start_in(self, network):
        raise NotImplementedError

    def ask(self, guest, target, *words, seconds=60):
        return guest.curl(target, *words, seconds=seconds)

    def ask_v6(self, guest, target, seconds=60):
        return guest.curl(target, base=METADATA_V6, seconds=seconds)


class Haproxy(Front):
    program = "haproxy"

    def start(self):
        """All files first: it takes seconds to load Neutron."""
        self.files = {}
        order = {
            "socket": str(self.socket),
            "user": PROXY_USER,
            "group": PROXY_GROUP,
            "state_path": str(self.folder),
            "files": [self._order(network) for network in self.openstack.networks.values()],
        }
        path = self.folder / "haproxy.json"
        path.write_text(json.dumps(order))
        words = [self.openstack.release.python, programs.ROOT / "Tests/OpenStack/neutron_haproxy.py", path]
        environment = self.openstack.settings.environment
        status, out, err = programs.run(words, self.folder, 120, environment=environment)
        assert status == 0, err
        self.files = dict(zip(self.openstack.networks, out.split()))
        super().start()

    def _order(self, network):
        common = {"pid_file": str(self._pid_file(network))}
        if network["router_id"]:
            place = {"router_id": network["router_id"], "network_id": None, "host": "::", "port": 9697}
            return {**common, **place, "host_v6": None, "interface": None}
        place = {"router_id": None, "network_id": network["network_id"], "host": "169.254.169.254", "port": 80}
        return {**common, **place, "host_v6": "fe80::a9fe:a9fe", "interface": tap_name(network)}

    def _pid_file(self, network):
        return self.folder / f"{network['router_id'] or network['network_id']}.pid.haproxy"

    def start_in(self, network):
        words = [*_prefix(network), self.program, "-f", self.files[network["name"]]]
        status, out, err = programs.run(words, self.folder, 30, environment=self.openstack.settings.environment)
        assert status == 0, out + err
        pid_file = self._pid_file(network)
        eventually(lambda: pid_file.exists() and pid_file.read_text().strip(), 10, "haproxy's pid file")
        return pid_file


class OurHaproxy(Haproxy):
    """Our program under haproxy's name, laid out as `make install` does, with the files that Neutron wrote."""

    hands_over = True

    def start(self):
        self.program = personality.install(self.folder / "our-haproxy")
        super().start()


class OurProxy(Front):
    hands_over = True
    # The command line of the Python proxy has no address to bind: it listens on 0.0.0.0 only.
    knows_ipv6 = False

    def start_in(self, network):
        """With the arguments of the L3 and DHCP agents from Kilo to Ocata."""
        identity = network["router_id"] or network["network_id"]
        pid_file = self.folder / f"{identity}.pid"
        words = [
            programs.PROXY,
            f"--pid_file={pid_file}",
            f"--metadata_proxy_socket={self.socket}",
            f"--router_id={identity}" if network["router_id"] else f"--network_id={identity}",
            f"--state_path={self.folder}",
            f"--metadata_port={port(network)}",
            f"--metadata_proxy_user={PROXY_USER}",
            f"--metadata_proxy_group={PROXY_GROUP}",
            f"--log-file=neutron-ns-metadata-proxy-{identity}.log",
            f"--log-dir={self.folder}",
        ]
        status, out, err = programs.run([*_prefix(network), *words], self.folder, 30)
        assert status == 0, out + err
        return pid_file


class Recorded(Front):
    """What the Python proxy of Havana to Ocata wrote to the agent's socket, byte for byte, without the proxy.

    It handed the guest's method, target and body to httplib2 with two headers of its own and none of the guest's.
    httplib2 turns their names to lower case and adds two; Python's http client puts Host first, sends a length even for
    an empty body, and the body in a write of its own. Recorded from that call with httplib2 0.20.4; releases of that
    era differ in the version in User-Agent.
    """

    HEAD = (
        "{method} {target} HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: {length}\r\n"
        "x-forwarded-for: {address}\r\nx-neutron-{kind}-id: {identity}\r\n"
        "user-agent: Python-httplib2/0.9.2 (gzip)\r\naccept-encoding: gzip, deflate\r\n\r\n"
    )

    def start(self):
        pass

    def ask(self, guest, target, *words, seconds=60):
        """Understands of curl's words the ones that these tests use: --data-binary, and -H, which is dropped."""
        body = words[words.index("--data-binary") + 1].encode() if "--data-binary" in words else b""
        return self._replay(guest, target, guest.address, "POST" if body else "GET", body, seconds)

    def ask_v6(self, guest, target, seconds=60):
        return self._replay(guest, target, guest.link_local, "GET", b"", seconds)

    def _replay(self, guest, target, address, method, body, seconds):
        is_router = bool(guest.network["router_id"])
        head = self.HEAD.format(
            method=method,
            target=target,
            length=len(body),
            address=address,
            kind="router" if is_router else "network",
            identity=guest.network["router_id"] or guest.network["network_id"],
        )
        began = time.monotonic()
        pieces = [head.encode()] + ([body] if body else [])
        answer = wire.exchange(self.socket, *pieces, method=method, timeout=seconds)
        return Answer(answer.status, answer.body, answer.get("Retry-After", ""), time.monotonic() - began)


KINDS = {"haproxy": Haproxy, "our haproxy": OurHaproxy, "our proxy": OurProxy, "recorded": Recorded}


def port(network):
    return 9697 if network["router_id"] else 80


def _prefix(network):
    kind = "qrouter" if network["router_id"] else "qdhcp"
    return ["ip", "netns", "exec", f"{kind}-{network['router_id'] or network['network_id']}"]


def _is_listened(network):
    listeners = programs.run([*_prefix(network), "ss", "-Hltn"], "/")[1]
    return f":{port(network)} " in listeners
