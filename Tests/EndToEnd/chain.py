"""The whole chain, of real parts, in namespaces made for it:

    guest -> namespace proxy (ours, or Debian's haproxy) -> UNIX socket -> neutron-metadata-agent
          -> `bellhop serve --nova-listen` as Nova, which checks every signature

The guests of a routed network come through the router's redirect, those of an isolated one over the DHCP port.
"""

import base64
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from Harness import programs, wire
from Harness.programs import Program, eventually
from haproxy_file import haproxy_file

TOOLS = programs.ROOT / ".build/tools"
SECRET = "end to end"
PROJECT = "0123456789abcdef0123456789abcdef"
ALICE_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJustATestKeyThatOpensNothingAtAllxxxxxxx alice@example"
BOB_KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABNotAKeyEither bob@example"
WEB_USER_DATA = b"#cloud-config\npackages: [nginx]\n"
# What a user compressed arrives compressed: Neutron's agent once unpacked it on the way (LP 2120723).
DATABASE_USER_DATA = gzip.compress(b"#!/bin/sh\necho database\n", mtime=0)
VENDOR_DATA = "#cloud-config\nntp: {enabled: true}\n"


def haproxy_program():
    unpacked = TOOLS / "haproxy/usr/sbin/haproxy"
    found = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    return str(unpacked) if unpacked.exists() else found


def cloud_init_environment():
    """For Debian's Python: where cloud-init is, if it is not installed."""
    unpacked = TOOLS / "cloud-init/usr/lib/python3/dist-packages"
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    environment.update(PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")
    if unpacked.exists():
        environment["PYTHONPATH"] = str(unpacked)
    probe = subprocess.run(["/usr/bin/python3", "-c", "import cloudinit"], env=environment, capture_output=True)
    return environment if probe.returncode == 0 else None


class Chain:
    """Agent and Nova, and one namespace proxy in the router's and one in the DHCP namespace."""

    def __init__(self, lab, folder, front):
        self.lab, self.folder, self.front = lab, folder, front
        self.socket = folder / "metadata_proxy"
        self.log = folder / "agent.log"
        self.inventory = folder / "lab.yaml"
        self.nova_port = wire.free_port()
        self.daemons, self.started = {}, []
        self.agent = self.nova = None

    # MARK: Life

    def start(self):
        self.write_inventory()
        (self.folder / "metadata_agent.ini").write_text(
            f"[DEFAULT]\nmetadata_proxy_socket = {self.socket}\nmetadata_proxy_shared_secret = {SECRET}\n"
            f"nova_metadata_host = 127.0.0.1\nnova_metadata_port = {self.nova_port}\nlog_file = {self.log}\n"
            "metadata_workers = 2\nmetadata_proxy_user = nobody\nmetadata_proxy_group = nogroup\n"
            f"state_path = {self.folder}\n[bellhop]\ninventory = {self.inventory}\nhold_seconds = 5\n"
            f"take_listeners = {self.front == 'our proxy'}\n"
        )
        self.start_nova()
        self.start_agent()
        for place in ("router", "dhcp"):
            self.start_front(place)

    def start_nova(self):
        words = [programs.BELLHOP, "serve", "--inventory", self.inventory, "--secret", SECRET]
        words += ["--nova-listen", f"127.0.0.1:{self.nova_port}"]
        self.nova = self.program(words, "nova")
        self.nova.wait_until(lambda: wire.accepts(("127.0.0.1", self.nova_port)), what="Nova")

    def start_agent(self):
        words = [programs.AGENT, "--config-file", self.folder / "metadata_agent.ini"]
        self.agent = self.program(words, "agent")
        self.agent.wait_until(lambda: wire.accepts(self.socket), what="the agent's socket")

    def program(self, words, name):
        program = Program(words, self.folder, name)
        self.started.append(program)
        return program

    def start_front(self, place):
        namespace = getattr(self.lab, place)
        starter = self.start_haproxy if self.front == "haproxy" else self.start_proxy
        pid_file = starter(place, namespace)
        self.daemons[place] = int(pid_file.read_text())
        port = 9697 if place == "router" else 80
        eventually(lambda: f":{port} " in namespace.run("ss", "-Hltn").stdout, 10, f"a listener in {namespace.name}")

    def stop_front(self, place):
        programs.end_process(self.daemons.pop(place))

    def start_proxy(self, place, namespace):
        """As the L3 and DHCP agents of Juno to Ocata do."""
        is_router = place == "router"
        identity = self.lab.router_id if is_router else self.lab.isolated_network_id
        pid_file = self.folder / f"{identity}.pid"
        words = [
            programs.PROXY,
            f"--pid_file={pid_file}",
            f"--metadata_proxy_socket={self.socket}",
            f"--router_id={identity}" if is_router else f"--network_id={identity}",
            f"--state_path={self.folder}",
            f"--metadata_port={9697 if is_router else 80}",
            "--metadata_proxy_user=nobody",
            "--metadata_proxy_group=nogroup",
            f"--log-file=neutron-ns-metadata-proxy-{identity}.log",
            f"--log-dir={self.folder}",
        ]
        status, out, err = programs.run([*namespace.prefix, *words], self.folder, seconds=30)
        assert status == 0, out + err
        return pid_file

    def start_haproxy(self, place, namespace):
        """As the L3 and DHCP agents of today do."""
        is_router = place == "router"
        identity = self.lab.router_id if is_router else self.lab.isolated_network_id
        kind, binds = (
            ("Router", [":::9697"])
            if is_router
            else ("Network", ["169.254.169.254:80", "fe80::a9fe:a9fe:80 interface tap-1"])
        )
        pid_file = self.folder / f"{identity}.pid.haproxy"
        configuration = self.folder / f"{identity}.conf"
        configuration.write_text(haproxy_file(identity, kind, binds, self.socket, pid_file))
        words = [*namespace.prefix, haproxy_program(), "-f", configuration]
        status, out, err = programs.run(words, self.folder, seconds=30)
        assert status == 0, out + err
        eventually(lambda: pid_file.exists() and pid_file.read_text().strip(), 10, "haproxy's pid file")
        return pid_file

    def stop(self):
        for pid in self.daemons.values():
            programs.end_process(pid)
        for program in self.started:
            program.kill()

    # MARK: What the guests are

    def write_inventory(self):
        lab = self.lab
        web, database, isolated = (*lab.routed[:2], lab.isolated[0])
        self.ids = {
            guest.address: f"f2b1c0de-0000-4000-8000-{int(guest.mac.replace(':', ''), 16):012x}"
            for guest in (web, database, isolated)
        }

        def instance(name, guest, network, more):
            return (
                f"  {name}:\n    uuid: {self.ids[guest.address]}\n    network: {network}\n"
                f"    mac: '{guest.mac}'\n    fixed_ip: {guest.address}\n{more}"
            )

        encoded = base64.b64encode(DATABASE_USER_DATA).decode()
        user_data = "    user_data: |\n" + "".join(f"      {line}\n" for line in WEB_USER_DATA.decode().splitlines())
        self.inventory.write_text(
            f"keys:\n  alice: {ALICE_KEY}\n  bob: {BOB_KEY}\n"
            f"vendor_data:\n  static:\n    cloud-init: {json.dumps(VENDOR_DATA)}\n"
            "networks:\n"
            f"  routed: {{id: {lab.routed_network_id}, cidr: 10.77.0.0/24, dhcp: false, dns: [10.77.0.3]}}\n"
            f"  isolated: {{id: {lab.isolated_network_id}, cidr: 10.78.0.0/24, gateway: none}}\n"
            f"routers:\n  edge: {{id: {lab.router_id}, networks: [routed]}}\n"
            f"defaults:\n  project: {PROJECT}\n  keys: [alice, bob]\n"
            "instances:\n"
            + instance("web", web, "routed", user_data + "    meta: {role: web}\n")
            + instance("database", database, "routed", f"    user_data_base64: {encoded}\n")
            + instance("isolated", isolated, "isolated", "    keys: [alice]\n")
        )

    # MARK: What a guest does

    def curl(self, guest, target, *words, base="http://169.254.169.254", check=True):
        """The body and the status."""
        command = [
            *guest.prefix,
            "curl",
            "-sS",
            "-g",
            "--max-time",
            "20",
            "-w",
            "\n%{http_code}",
            *words,
            base + target,
        ]
        done = subprocess.run(command, capture_output=True, timeout=40)
        if check:
            assert done.returncode == 0, done.stderr.decode()
        body, _, status = done.stdout.rpartition(b"\n")
        return body, int(status or 0)

    def document(self, guest, target, **keywords):
        body, status = self.curl(guest, target, **keywords)
        assert status == 200, (target, status, body, self.tail())
        return body

    def boot(self, guest, kind):
        """What cloud-init learns in this guest, and how many requests that took by the agent's access log."""
        environment = cloud_init_environment()
        if environment is None:
            pytest.skip("Debian's cloud-init is not there: run `make setup`")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="boot-", dir=self.folder))
        before = len(self.access_lines())
        script = pathlib.Path(__file__).with_name("guest_boot.py")
        done = subprocess.run(
            [*guest.prefix, "/usr/bin/python3", script, kind, folder], capture_output=True, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        learnt = json.loads(done.stdout)
        assert learnt["found"], (folder / "cloud-init.log").read_text()[-3000:] + self.tail()
        return learnt, self.access_lines()[before:]

    def access_lines(self):
        if not self.log.exists():
            return []
        return [line for line in self.log.read_text().splitlines() if " eventlet.wsgi.server " in line]

    def client(self, guest):
        """How the agent's access lines name a guest: relayed requests come over the UNIX socket, those at a listener
        that our proxy handed over come from the guest itself."""
        return guest.address if self.front == "our proxy" else f"{guest.address},<local>"

    def tail(self):
        return "\n" + (self.log.read_text()[-2000:] if self.log.exists() else "") + self.nova.output[-2000:]
