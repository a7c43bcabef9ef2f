"""Our programs under haproxy's name, laid out as `make install` does, and Debian's, the control of many tests: what it
does with the agents' files is what agents and operators rely on.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from . import haproxy_file, lab, programs, servers, wire
from .programs import eventually

STANDBY = programs.BIN / "haproxy-standby"
TOOLS = programs.ROOT / ".build/tools"


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
        self.port = wire.free_port("::")
        self.where, self.where_v6 = ("127.0.0.1", self.port), ("::1", self.port)
        self.log = SyslogSocket(self.folder / "log")
        self.agent = None
        self.prefix = []

    # MARK: Its file

    def text(self, **settings):
        return haproxy_file.text(self, **settings)

    def kept(self, path):
        return haproxy_file.kept(path, self)

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
