"""Our programs under haproxy's name, laid out as `make install` does, and the files that Neutron's agents write for it.

The same files drive Debian's haproxy, the control of many tests: what it does with them is what agents and operators
rely on.
"""

import grp
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

from . import lab, programs, servers, wire
from .programs import eventually

# Whom to become when the listeners are open; only root can become somebody else.
USER, GROUP = ("nobody", "nogroup")
if os.geteuid() != 0:
    USER, GROUP = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name

STANDBY = programs.BIN / "haproxy-standby"
TOOLS = programs.ROOT / ".build/tools"
# What the generators of several releases wrote, kept as text beside the reader's unit tests.
KEPT = sorted((programs.ROOT / "Tests/HaproxyConfigTests/Configurations").glob("*.conf"))
KEPT_ID = "21dc7e74-24bc-4b34-8c4d-0e9fc87debd9"


def install(folder):
    """The path of our `haproxy` in `folder`, with its standby program beside it.

    Hard links where possible: agents and rootwrap look at the name of the file that runs, which a symbolic link
    would not change.
    """
    folder = pathlib.Path(folder)
    (folder / "standby").mkdir(parents=True, exist_ok=True)
    program = folder / "haproxy"
    for source, target in ((programs.PROXY, program), (STANDBY, folder / "standby/haproxy")):
        target.unlink(missing_ok=True)
        try:
            os.link(os.path.realpath(source), target)
        except OSError:
            target.write_bytes(source.read_bytes())
            target.chmod(0o755)
    return program


def debian_haproxy():
    """Debian's own program, unpacked by `make setup` or installed; None if there is none."""
    unpacked = TOOLS / "haproxy/usr/sbin/haproxy"
    found = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    return str(unpacked) if unpacked.exists() else found


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
        lines = [f"    http-request track-sc{n} src table {name}_rate_limiter" for n, name in ((0, "base"), (1, "burst"))]
        for name, (_, count) in (("base", self.base), ("burst", self.burst)):
            rate = f"src_http_req_rate({name}_rate_limiter)"
            lines.append(f"    http-request deny deny_status 429 if {{ {rate} gt {count} }}")
        return lines


TIMES = {"http-request": "30s", "connect": "30s", "client": "32s", "server": "32s", "http-keep-alive": "30s"}


class SyslogSocket:
    """Stands for /dev/log: the datagrams that came, as text."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(os.fspath(path))
        self.socket.setblocking(False)
        os.chmod(path, 0o666)
        self.lines = []

    def read(self):
        while True:
            try:
                self.lines.append(self.socket.recv(65_536).decode("latin-1"))
            except BlockingIOError:
                return self.lines

    def requests(self):
        """Those about requests: haproxy writes others of its own when it starts and stops."""
        return [line for line in self.read() if re.search(r"\] listener listener/", line)]

    def close(self):
        self.socket.close()
        pathlib.Path(self.path).unlink(missing_ok=True)


class HaproxySetup:
    """One namespace proxy under haproxy's name: its file, its pid file, its guests' address, and an agent behind it."""

    def __init__(self, folder, program, name="haproxy"):
        self.folder = folder / name
        self.folder.mkdir(mode=0o755)
        self.program = str(program)
        self.identity = lab.RED
        self.header = "X-Neutron-Network-ID"
        self.socket = folder / "metadata_proxy"
        self.path = self.folder / f"{self.identity}.conf"
        self.pid_file = self.folder / f"{self.identity}.pid.haproxy"
        self.port = wire.free_port()
        self.where, self.where_v6 = ("127.0.0.1", self.port), ("::1", self.port)
        self.log = SyslogSocket(self.folder / "log")
        self.agent = None
        self.prefix = []

    # MARK: Its file

    def text(
        self,
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
                f"    log         {self.log.path} local0 {level}",
                f"    log-tag     haproxy-metadata-proxy-{self.identity}",
                f"    user        {user}",
                f"    group       {group}",
                f"    maxconn     {maxconn}",
                "    nbthread    2",
                f"    pidfile     {self.pid_file}",
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
                *[f"    bind {bind}" for bind in binds or [f"127.0.0.1:{self.port}"]],
                *(limits.rules if limits else []),
                *[f"    {line}" for line in more],
                f"    server metadata {self.socket}",
                f"    http-request set-header {self.header} {self.identity}",
                "",
            ]
        )

    def kept(self, path):
        """A kept file with the places of this test instead of a host's."""
        text = path.read_text().replace(KEPT_ID, self.identity)
        for pattern, here in (
            (r"/dev/log", str(self.log.path)),
            (r"/var/lib/neutron/external/pids/\S+", str(self.pid_file)),
            (r"/var/lib/neutron/metadata_proxy", str(self.socket)),
            (r"^(\s+user\s+)neutron$", rf"\1{USER}"),
            (r"^(\s+group\s+)neutron$", rf"\1{GROUP}"),
            (r"bind (0\.0\.0\.0|169\.254\.169\.254):\d+", f"bind 127.0.0.1:{self.port}"),
            (r"bind :::\d+", f"bind :::{self.port}"),
        ):
            text = re.sub(pattern, here, text, flags=re.MULTILINE)
        return text

    def write(self, text=None, **settings):
        self.path.write_text(self.text(**settings) if text is None else text)
        return self.path

    # MARK: Its life

    def run(self, *words, seconds=30.0, **keywords):
        """The program with these arguments, to the end of the process that was started."""
        return programs.run([*self.prefix, self.program, *words], self.folder, seconds, **keywords)

    def start(self, text=None, words=None, **settings):
        """As the agents do, and the pid of what serves then."""
        self.write(text, **settings)
        status, out, err = self.run(*(words or ("-f", self.path)))
        assert status == 0, out + err
        return self.pid

    @property
    def pid(self):
        return int(self.pid_file.read_text())

    @property
    def processes(self):
        """Ours, by the path of the file in their command lines: nobody else has it."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and entry.name != str(os.getpid()):
                try:
                    command = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if os.fsencode(self.path) in command and b"python" not in command.split(b"\0")[0]:
                    found.append(int(entry.name))
        return found

    def stop(self, number=signal.SIGTERM):
        for pid in self.processes:
            os.kill(pid, number)
        eventually(lambda: not [pid for pid in self.processes if programs.is_alive(pid)], 15, "the end of the proxy")

    def close(self):
        for pid in self.processes:
            programs.end_process(pid)
        if self.agent:
            self.agent.stop()
        self.log.close()

    # MARK: Around it

    def serve(self, answer=None, **keywords):
        """A stand-in for an agent that takes no listeners."""
        self.agent = servers.ScriptedServer(answer, path=self.socket, **keywords)
        return self.agent

    def get(self, target="/", **keywords):
        return wire.get(self.where, target, **keywords)


# The guests of tests on loopback, for an agent that looks them up.
GUEST = "f2b1c0de-0000-4000-8000-000000000077"
INVENTORY = f"""\
networks:
  red: {{id: {lab.RED}, subnets: [127.0.0.0/8, "::/64"]}}
instances:
  guest:
    uuid: {GUEST}
    project: {lab.PROJECT}
    network: red
    mac: "fa:16:3e:00:00:77"
    fixed_ips: [127.0.0.1, 127.0.0.2, 127.0.0.3, 127.0.0.4, "::1"]
"""


class Handover:
    """Our agent, and our `haproxy` that hands it its listeners."""

    def __init__(self, agent, haproxy):
        self.agent, self.haproxy = agent, haproxy
        agent.inventory.write_text(INVENTORY)
        self.where, self.where_v6 = haproxy.where, haproxy.where_v6

    def serve(self, answer=None, **keywords):
        """A stand-in for Nova."""
        return self.agent.serve(answer, **keywords)

    def start_agent(self, **options):
        return self.agent.start(**{"metadata_proxy_user": USER, "metadata_proxy_group": GROUP, **options})

    def start_proxy(self, *words, **settings):
        """The pid of a process that waits while the agent serves its guests."""
        pid = self.haproxy.start(*words, **settings)
        eventually(lambda: stands_by(pid), 10, "the small program")
        return pid

    def start(self, *words, agent=None, **settings):
        self.start_agent(**(agent or {}))
        return self.start_proxy(*words, **settings)

    def get(self, target="/", **keywords):
        return wire.get(self.where, target, **keywords)

    @property
    def access_lines(self):
        return [line for line in self.agent.log_text.splitlines() if " eventlet.wsgi.server " in line]

    def served_by_agent(self, target):
        """Whether the agent itself had the guest's connection for this request."""
        line = next((line for line in self.access_lines if f" {target} " in line), None)
        return line is not None and ",<local>" not in line


def executable(pid):
    return pathlib.Path(os.readlink(f"/proc/{pid}/exe"))


def status(pid):
    """/proc/PID/status as a dictionary."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def private_kib(pid):
    """Memory that nobody else uses: what the process costs while many like it run."""
    return int(status(pid)["RssAnon"].split()[0])


def stands_by(pid):
    """Whether the process has become the small program that waits while the agent serves the guests."""
    try:
        return executable(pid).parent.name == "standby"
    except OSError:
        return False


def listeners(port, prefix=()):
    """How many sockets listen on the port, in the namespace of the command before."""
    done = subprocess.run(
        [*prefix, "ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, timeout=10, check=True
    )
    return len(done.stdout.splitlines())


def bind_alone(port, seconds, host="127.0.0.1"):
    """Binds and listens without SO_REUSEPORT, as soon as that works: it does when nobody listens there any more."""
    deadline = time.monotonic() + seconds
    while True:
        successor = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        successor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            successor.bind((host, port))
            successor.listen(16)
            return successor
        except OSError as failure:
            successor.close()
            if time.monotonic() > deadline:
                raise AssertionError(f"port {port} was not free within {seconds} s: {failure}") from None
            time.sleep(0.01)
