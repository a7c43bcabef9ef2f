"""Our agent and our `haproxy` together: guests on loopback, looked up in an inventory."""

import pathlib

from . import lab, wire
from .handing import path_of
from .haproxy_file import GROUP, USER
from .personality import stands_by
from .programs import eventually

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

    def start_agent(self, takes_listeners=True, **options):
        bellhop = {"take_listeners": str(takes_listeners).lower()}
        program = self.agent.start(
            **{"metadata_proxy_user": USER, "metadata_proxy_group": GROUP, "bellhop": bellhop, **options}
        )
        if takes_listeners:
            program.wait_until(self.desk.exists, what="the socket for listeners")
        return program

    @property
    def desk(self):
        """The agent's socket for listeners."""
        return pathlib.Path(path_of(self.haproxy.socket))

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
