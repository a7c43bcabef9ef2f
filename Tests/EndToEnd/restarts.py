"""The chain of the restart tests: both of our namespace proxies hand their listeners over to the agent.

    guests of the router's network -> neutron-ns-metadata-proxy --(listener)--> agent
    guests of the isolated network -> haproxy, which is ours    --(listener)--> agent
"""

import os
import pathlib
import shutil

from chain import Chain
from haproxy_file import haproxy_file
from Harness import personality, programs
from Harness.programs import eventually
from storm import Storm, Storms

TARGET = "/latest/meta-data/local-ipv4"


class AgentLife:
    """An agent that is started again and again, with one configuration and one log."""

    agent_program = programs.AGENT
    # Where the present agent's part of the log begins.
    _log_start = 0

    def start_agent(self):
        """Returns when the agent's sockets are open; listeners are handed over in the next moment."""
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        words = [self.agent_program, "--config-file", self.folder / "metadata_agent.ini"]
        self.agent = self.program(words, "agent")
        self.wait_for_log("Listening ", 1)

    @property
    def fresh_log(self):
        """What the agent has written since its last start."""
        if not self.log.exists():
            return ""
        with open(self.log) as file:
            file.seek(self._log_start)
            return file.read()

    def wait_for_log(self, text, count, seconds=15):
        """Until the agent has said it `count` times since its last start."""
        self.agent.wait_until(lambda: self.fresh_log.count(text) >= count, seconds, f"{count} times {text!r}")

    def wait_until_handed_over(self, ids, seconds=15):
        """Until the present agent serves the guests of these networks and routers itself."""

        def handed_over():
            lines = [line for line in self.fresh_log.splitlines() if "Listeners taken over" in line]
            return all(any(each in line for line in lines) for each in ids)

        self.agent.wait_until(handed_over, seconds, "the listeners of all networks")


class RestartChain(AgentLife, Chain):
    def __init__(self, lab, folder):
        super().__init__(lab, folder, "our proxy")
        self.haproxy = personality.install(folder / "bin")

    def start_agent(self):
        """With holding and draining as they are by default, which must fit each other."""
        configuration = self.folder / "metadata_agent.ini"
        configuration.write_text(configuration.read_text().replace("hold_seconds = 5\n", ""))
        super().start_agent()

    def wait_until_handed_over(self, seconds=15):
        super().wait_until_handed_over([self.identity(place) for place in ("router", "dhcp")], seconds)

    def upgraded_program(self):
        """The same program under another path: what a package's new version is to the running one."""
        folder = self.folder / "upgrade"
        folder.mkdir(exist_ok=True)
        return pathlib.Path(shutil.copy2(programs.AGENT, folder / "neutron-metadata-agent"))

    def stop(self):
        if self.nova:
            # Killed, it would leave a folder behind.
            self.nova.stop()
        super().stop()

    # MARK: The proxies

    def identity(self, place):
        return self.lab.router_id if place == "router" else self.lab.isolated_network_id

    def start_front(self, place):
        if place == "router":
            super().start_front(place)
        else:
            self.start_haproxy_of(self.haproxy)

    def start_haproxy_of(self, program):
        """Any haproxy, in the DHCP namespace, as the DHCP agent does. It has bound its addresses when this returns."""
        identity, namespace = self.identity("dhcp"), self.lab.dhcp
        pid_file = self.folder / f"{identity}.pid.haproxy"
        pid_file.unlink(missing_ok=True)
        configuration = self.folder / f"{identity}.conf"
        binds = ["169.254.169.254:80", "fe80::a9fe:a9fe:80 interface tap-1"]
        configuration.write_text(haproxy_file(identity, "Network", binds, self.socket, pid_file))
        words = [*namespace.prefix, "env", f"PROCESS_TAG=haproxy-{identity}", program, "-f", configuration]
        status, out, err = programs.run(words, self.folder, seconds=30)
        assert status == 0, out + err
        eventually(lambda: pid_file.exists() and pid_file.read_text().strip(), 10, "the pid file")
        self.daemons["dhcp"] = int(pid_file.read_text())

    def waits(self, place):
        """Whether the proxy has become the small program that only waits. The old command line has none."""
        return is_waiting(self.daemons[place])

    def established(self, place, guest):
        """A guest's connections that the agent has accepted."""
        namespace = self.lab.router if place == "router" else self.lab.dhcp
        lines = namespace.run("ss", "-Hntp", "state", "established").stdout.splitlines()
        return [line for line in lines if f" {guest.address}:" in line and f"pid={self.agent.pid}," in line]

    def listeners(self):
        """How many sockets listen for IPv4 guests in the DHCP namespace, whoever has them open."""
        return self.lab.dhcp.run("ss", "-Hltn").stdout.count("169.254.169.254:80 ")

    # MARK: The guests

    def storms(self, guests=None, rate=250, kept=2, **order):
        """A boot storm of each known guest, or of those given; `rate` is per guest."""
        guests = guests or [*self.lab.routed[:2], self.lab.isolated[0]]
        return Storms([self.storm(guest, rate=rate, kept=kept, **order) for guest in guests])

    def storm(self, guest, **order):
        order = {"target": TARGET, "expected": guest.address, **order}
        return Storm(guest.prefix, where=["169.254.169.254", 80], **order)


def has_ended(pid):
    """With all its threads: the first may be a zombie while another still has the sockets open."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return True
    return not any(map(programs.is_alive, threads))


def is_waiting(pid):
    return "/standby/" in os.readlink(f"/proc/{pid}/exe")
