"""neutron-server's side of the message bus, played with the oslo.messaging of Debian.

As a module: `NeutronServers` starts the process and tells it what to play. As a script: reads commands from standard
input, a line of JSON each, answers each with a line, and ends with its input. One process can play many servers.
"""

import itertools
import json
import pathlib
import subprocess
import sys
import threading
import time

INTERFACE = "/usr/bin/python3"

# MARK: The tests' side


class NeutronServers:
    """The process. `start` makes a server in it."""

    def __init__(self, folder):
        self.log = pathlib.Path(folder) / "neutron-servers.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [INTERFACE, "-B", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                start_new_session=True,
                text=True,
            )
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    def command(self, **fields):
        """Sends a command and returns its answer."""
        with self._lock:
            self.process.stdin.write(json.dumps(fields) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the servers' process has ended:\n{self.log.read_text()[-3000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{fields['do']}: {answer['error']}")
        return answer["result"]

    def start(self, url, topics=("q-plugin", "q-reports-plugin"), **behaviour):
        return NeutronServer(self, f"server-{next(self._numbers)}", url, topics, behaviour)

    def kill(self):
        """All servers die as a process does, with whatever they are doing."""
        self.process.kill()
        self.process.wait()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()


class NeutronServer:
    """One server. Behaviours: see `Behaviour`; a different `exchange` or `query` options are set at the start."""

    def __init__(self, servers, name, url, topics, behaviour):
        self.servers, self.name = servers, name
        servers.command(do="start", name=name, url=url, topics=list(topics), behaviour=behaviour)

    def change(self, **behaviour):
        self.servers.command(do="change", name=self.name, behaviour=behaviour)

    def stop(self):
        """Stops as a service does: its queues stay."""
        self.servers.command(do="stop", name=self.name)

    def drop(self):
        """Stops without waiting for it; does nothing if it has stopped, or its process has ended."""
        try:
            self.servers.command(do="drop", name=self.name)
        except (RuntimeError, OSError):
            pass

    @property
    def calls(self):
        """The arguments, the context and the time of each get_ports."""
        return self.servers.command(do="calls", name=self.name, method="get_ports")

    @property
    def reports(self):
        """The same for each report_state."""
        return self.servers.command(do="calls", name=self.name, method="report_state")


# MARK: The process's side


class Behaviour:
    """What a server does; any of it can be changed while it runs, except what `Play` reads once."""

    ports = ()
    # Seconds before get_ports answers.
    delay = 0
    # get_ports waits for ever, until this is false again.
    hangs = False
    # The message of an exception that get_ports ends with.
    fails = None
    # get_ports answers null.
    says_null = False
    # get_ports answers all ports, whatever was asked.
    ignores_filters = False
    # Read once: whether the method is there, as which version, and what the exchange is called.
    offers_get_ports = True
    offers_report_state = True
    version = "1.0"
    exchange = "neutron"


def matches(port, filters):
    """Neutron's own filters: a list means any of its values, an empty list anything."""
    for name, wanted in (filters or {}).items():
        if name == "fixed_ips":
            for field, values in wanted.items():
                if values and not any(fixed.get(field) in values for fixed in port["fixed_ips"]):
                    return False
        elif wanted and port.get(name) not in wanted:
            return False
    return True


class PluginFailure(Exception):
    """What a core plugin may end with."""


class Play:
    def __init__(self, messaging, config, command):
        self.behaviour = Behaviour()
        self.calls = []
        self.change(command["behaviour"])
        conf = config.ConfigOpts()
        conf([], project="neutron", default_config_files=[])
        self.transport = messaging.get_rpc_transport(conf, url=command["url"])
        endpoints = []
        if self.behaviour.offers_get_ports:
            endpoints.append(self._ports_endpoint(messaging))
        if self.behaviour.offers_report_state:
            endpoints.append(self._reports_endpoint(messaging))
        self.servers = []
        for topic in command["topics"]:
            target = messaging.Target(exchange=self.behaviour.exchange, topic=topic, server="controller")
            server = messaging.get_rpc_server(self.transport, target, endpoints, executor="threading")
            server.start()
            self.servers.append(server)

    def change(self, behaviour):
        for name, value in behaviour.items():
            if not hasattr(Behaviour, name):
                raise ValueError(f"there is no behaviour {name!r}")
            setattr(self.behaviour, name, value)

    def stop(self):
        self.behaviour.hangs = False
        for server in self.servers:
            server.stop()
        for server in self.servers:
            server.wait()
        self.transport.cleanup()

    def _record(self, method, context, arguments):
        self.calls.append({"method": method, "context": context, "arguments": arguments, "time": time.time()})

    def _ports_endpoint(self, messaging):
        play, behaviour = self, self.behaviour

        class MetadataCallback:
            target = messaging.Target(version=behaviour.version)

            def get_ports(self, context, **arguments):
                play._record("get_ports", context, arguments)
                time.sleep(behaviour.delay)
                while behaviour.hangs:
                    time.sleep(0.05)
                if behaviour.fails:
                    raise PluginFailure(behaviour.fails)
                if behaviour.says_null:
                    return None
                filters = None if behaviour.ignores_filters else arguments.get("filters")
                return [port for port in behaviour.ports if matches(port, filters)]

        return MetadataCallback()

    def _reports_endpoint(self, messaging):
        play = self

        class ReportCallback:
            target = messaging.Target(version="1.2")

            def report_state(self, context, **arguments):
                play._record("report_state", context, arguments)
                return "alive"

        return ReportCallback()


def main():
    import logging

    import oslo_messaging as messaging
    from oslo_config import cfg

    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    plays = {}

    def run(command):
        name = command["name"]
        if command["do"] == "start":
            plays[name] = Play(messaging, cfg, command)
        elif command["do"] == "change":
            plays[name].change(command["behaviour"])
        elif command["do"] == "stop":
            plays.pop(name).stop()
        elif command["do"] == "drop":
            if name in plays:
                threading.Thread(target=plays.pop(name).stop, daemon=True).start()
        elif command["do"] == "calls":
            return [call for call in list(plays[name].calls) if call["method"] == command["method"]]
        else:
            raise ValueError(command["do"])

    for line in sys.stdin:
        try:
            answer = {"result": run(json.loads(line))}
        except Exception as error:  # the tests are told, whatever it is
            answer = {"error": repr(error)}
        print(json.dumps(answer, default=str), flush=True)


if __name__ == "__main__":
    main()
    # Threads of servers that were not stopped do not keep the process.
    sys.stdout.flush()
    import os

    os._exit(0)
