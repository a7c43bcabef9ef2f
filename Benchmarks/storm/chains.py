"""The two chains that guests meet: Bellhop, and what a node has today. Both get the same files, bus, Nova and CPU.

Each network has its own namespace proxy with a file of the shape that Neutron's agents write. Under haproxy's name ours
hands its listener to the agent; Debian's haproxy relays to the Python agent's socket.
"""

import os
import pathlib
import shutil
import time

from cloud import SECRET, Program, StormError, children, programs, wire
from Harness import haproxy_file, personality

REFERENCE = "/usr/bin/neutron-metadata-agent"

PROXY = """\
global
    log         {folder}/log local0 info
    log-tag     haproxy-metadata-proxy-{network}
{account}    maxconn     1024
    pidfile     {pid_file}
    daemon

defaults
    log global
    mode http
    option httplog
    option dontlognull
    option http-server-close
    option forwardfor
    retries                 3
    timeout http-request    30s
    timeout connect         30s
    timeout client          32s
    timeout server          32s
    timeout http-keep-alive 30s

listen listener
    bind {address}:{port}
    http-request set-header X-Neutron-Network-ID {network}
    server metadata {socket}
"""


class Chain:
    """Agent and proxies for one storm. Leaving it stops them all."""

    key = ""
    title = ""

    def __init__(self, folder, plan, nova, neutron, cpus=(), namespace=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.plan, self.nova, self.neutron = plan, nova, neutron
        self.socket = self.folder / "metadata_proxy"
        self.pinned = ["taskset", "-c", ",".join(map(str, cpus))] if cpus else []
        self.inside = ["ip", "netns", "exec", namespace] if namespace else []
        self.agent = None
        self.proxies = []
        # CPU seconds of agents that have ended.
        self._past = 0.0

    def __enter__(self):
        try:
            self.log = personality.SyslogSocket(self.folder / "log")
            self.write()
            self.start_agent()
            self.start_proxies()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for pid in self.proxies:
            programs.end_process(pid)
        if self.agent:
            # The Python agent's workers would outlive it for a while, and so would its own way of stopping.
            workers = children(self.agent.pid)
            self.agent.kill()
            for pid in workers:
                programs.end_process(pid, 0.1)
        self.log.close()

    # MARK: The agent

    def options(self):
        return {
            "state_path": self.folder,
            "metadata_proxy_socket": self.socket,
            "metadata_proxy_shared_secret": SECRET,
            "metadata_proxy_user": haproxy_file.USER,
            "metadata_proxy_group": haproxy_file.GROUP,
            "metadata_proxy_socket_mode": "all",
            "metadata_workers": 1,
            "nova_metadata_host": "127.0.0.1",
            "nova_metadata_port": self.nova.port,
            "transport_url": self.neutron.url,
            "log_file": self.folder / "agent.log",
        }

    def more(self):
        """Further sections."""
        return ""

    def write(self):
        lines = [f"{name} = {value}" for name, value in self.options().items()]
        (self.folder / "agent.ini").write_text("[DEFAULT]\n" + "\n".join(lines) + "\n" + self.more())

    @property
    def program(self):
        raise NotImplementedError

    def start_agent(self):
        self.socket.unlink(missing_ok=True)
        words = [self.program, "--config-file", self.folder / "agent.ini"]
        self.agent = Program(words, self.folder, "agent", before=self.pinned)
        self.agent.wait_until(lambda: wire.accepts(self.socket), 60, "the agent's socket")

    def restart_agent(self):
        self._past += cpu_seconds([self.agent.pid, *children(self.agent.pid)])
        self.agent.stop(seconds=60)
        self.start_agent()

    # MARK: The proxies

    @property
    def haproxy(self):
        raise NotImplementedError

    def start_proxies(self):
        user, group = haproxy_file.USER, haproxy_file.GROUP
        account = f"    user        {user}\n    group       {group}\n" if os.geteuid() == 0 else ""
        for network in range(self.plan.networks):
            name = self.plan.network_id(network)
            pid_file, path = self.folder / f"{name}.pid.haproxy", self.folder / f"{name}.conf"
            place = {"address": self.plan.listen_address(network), "port": self.plan.port}
            text = PROXY.format(
                folder=self.folder, network=name, account=account, pid_file=pid_file, socket=self.socket, **place
            )
            path.write_text(text)
            words = [*self.pinned, *self.inside, self.haproxy, "-f", path]
            status, out, err = programs.run(words, self.folder, 30)
            if status != 0:
                raise StormError(f"{self.title}: the proxy of network {network} ended with {status}:\n{out}{err}")
            programs.eventually(lambda: pid_file.exists() and pid_file.read_text().strip(), 10, "the pid file")
            self.proxies.append(int(pid_file.read_text().split()[0]))

    # MARK: What it costs

    def cpu_seconds(self):
        return self._past + cpu_seconds([self.agent.pid, *children(self.agent.pid), *self.proxies])


class Ours(Chain):
    key = "ours"
    title = "Bellhop"
    program = programs.AGENT

    @property
    def haproxy(self):
        folder = self.folder / "bin"
        return folder / "haproxy" if folder.exists() else personality.install(folder)

    def more(self):
        return "[AGENT]\nreport_interval = 0\n[bellhop]\ndirectory = rpc\n"

    def start_proxies(self):
        super().start_proxies()
        self.wait_for_hand_over()

    def wait_for_hand_over(self):
        for pid in self.proxies:
            programs.eventually(lambda pid=pid: personality.stands_by(pid), 30, "the hand-over of a listener")


class Control(Chain):
    key = "control"
    title = "haproxy + Neutron's agent"
    program = REFERENCE

    @property
    def haproxy(self):
        found = personality.debian_haproxy()
        if not found:
            raise StormError("haproxy is not there: run `make setup`")
        return found

    def more(self):
        return "[agent]\nreport_interval = 0\n"


def cpu_seconds(pids):
    """User and system time of these processes' threads so far, by the scheduler's own nanoseconds."""
    total = 0
    for pid in pids:
        for thread in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(thread.read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total / 1e9


def missing():
    """The Debian packages that are needed and not there."""
    wanted = {REFERENCE: "neutron-metadata-agent", "cc": "gcc", "taskset": "util-linux"}
    wanted["/usr/lib/rabbitmq/bin/rabbitmq-server"] = "rabbitmq-server"
    absent = {package for program, package in wanted.items() if not shutil.which(program)}
    return sorted(absent | (set() if personality.debian_haproxy() else {"haproxy"}))


def settle(seconds=0.3):
    """Lets what was just started come to rest."""
    time.sleep(seconds)
