"""The two agents that the tests put behind the same socket: ours, and Neutron's own of the stack's release."""

import re
import subprocess

from Harness import programs, wire
from Harness.programs import Program, eventually

PROXY_USER, PROXY_GROUP = "nobody", "nogroup"


def ini(sections):
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {value}" for name, value in options.items() if value is not None]
    return "\n".join(lines) + "\n"


def directories():
    """Where our agent can look instances up, by its own sample file."""
    sample = subprocess.run([programs.BELLHOP, "sample-config"], capture_output=True, text=True, check=True).stdout
    section = sample.partition("[bellhop]")[2]
    return re.search(r"# Possible values: (.*)\n#directory", section.replace("\n# ", "\n# ")).group(1).split(", ")


class Agent:
    """What both have: a file, a socket, a log, and a life."""

    kind = ""
    host = ""

    def __init__(self, openstack, folder, socket):
        self.openstack, self.folder, self.socket = openstack, folder, socket
        self.configuration = folder / f"{self.kind}.ini"
        self.log = folder / f"{self.kind}.log"
        self.program = None

    def sections(self):
        raise NotImplementedError

    @property
    def words(self):
        raise NotImplementedError

    def start(self):
        self.configuration.write_text(ini(self.sections()))
        self.log.unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)
        self.program = Program(self.words, self.folder, self.kind, environment=self.environment)
        self.program.wait_until(lambda: wire.accepts(self.socket), 60, f"the socket of the {self.kind} agent")
        return self

    environment = {}

    def stop(self):
        if self.program:
            self.program.stop(seconds=50)
            self.program = None

    def kill(self):
        if self.program:
            self.program.kill()
            self.program = None

    @property
    def log_text(self):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text + (self.program.output if self.program else "")

    def access_lines(self):
        return [line for line in self.log_text.splitlines() if " eventlet.wsgi.server " in line and '"' in line]

    def wait_for_log(self, text, seconds=10.0):
        eventually(lambda: text in self.log_text, seconds, f"the log line {text!r}")

    def tail(self, size=3000):
        return "\n" + self.log_text[-size:]

    def reported(self):
        """What neutron-server says of this agent; None if it never heard of it."""
        found = self.openstack.cloud.agents(host=self.host, agent_type="Metadata agent")
        return found[0] if found else None


class OurAgent(Agent):
    kind = "ours"
    host = "bellhop-host"
    words = property(lambda self: [programs.AGENT, "--config-file", self.configuration])

    def __init__(self, openstack, folder, socket, directory, hold=8.5, cache=None, secret=None, **more):
        """`hold` and `cache` are seconds, `cache` None is the default; `more` are further options of [bellhop]."""
        super().__init__(openstack, folder, socket)
        self.directory, self.hold, self.cache, self.more = directory, hold, cache, more
        self.takes_listeners = more.get("take_listeners") != "false"
        self.secret = openstack.settings.shared_secret if secret is None else secret

    def sections(self):
        """All of our agent's configuration in these tests; only the directory's options differ."""
        settings = self.openstack.settings
        where = {
            "rest": {
                "auth_url": settings.keystone_url,
                "admin_user": "neutron",
                "admin_password": settings.neutron_password,
                "admin_tenant_name": "service",
                "endpoint_type": "internalURL",
            },
            "rpc": {"transport_url": settings.transport_url},
        }[self.directory]
        return {
            "DEFAULT": {
                "host": self.host,
                "state_path": self.folder,
                "metadata_proxy_socket": self.socket,
                "metadata_proxy_socket_mode": "all",
                # Whom the proxies run as: they may then hand their listeners over.
                "metadata_proxy_user": PROXY_USER,
                "metadata_proxy_group": PROXY_GROUP,
                "metadata_workers": 2,
                "nova_metadata_host": "127.0.0.1",
                "nova_metadata_port": settings.ports["nova"],
                "metadata_proxy_shared_secret": self.secret,
                "log_file": self.log,
                **where,
            },
            "AGENT": {"report_interval": settings.report_interval},
            "bellhop": {
                "directory": self.directory,
                "hold_seconds": self.hold,
                "lookup_cache_seconds": self.cache,
                **self.more,
            },
        }


class ReferenceAgent(Agent):
    kind = "reference"
    host = "reference-host"
    takes_listeners = False

    @property
    def words(self):
        """Since 2025.1 the socket has the mode that the umask leaves, and the proxies are another user's."""
        program = self.openstack.release.program("neutron-metadata-agent")
        return ["sh", "-c", 'umask 0; exec "$@"', "sh", program, "--config-file", self.configuration]

    def __init__(self, openstack, folder, socket, secret=None):
        super().__init__(openstack, folder, socket)
        self.environment = openstack.settings.environment
        self.secret = openstack.settings.shared_secret if secret is None else secret

    def sections(self):
        settings = self.openstack.settings
        return {
            "DEFAULT": {
                "host": self.host,
                "state_path": self.folder,
                "metadata_proxy_socket": self.socket,
                "metadata_proxy_socket_mode": "all",
                "metadata_workers": 1,
                "nova_metadata_host": "127.0.0.1",
                "nova_metadata_port": settings.ports["nova"],
                "metadata_proxy_shared_secret": self.secret,
                "transport_url": settings.transport_url,
                "log_file": self.log,
            },
            "agent": {"report_interval": settings.report_interval},
        }
