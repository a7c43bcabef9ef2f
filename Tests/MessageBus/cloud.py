"""One virtual host with what a test needs in it: our agent with a stand-in for Nova, and servers of two kinds.

The servers are oslo.messaging's own (`serve`), or scripted to the byte (`RawServer`) for what it does not do any more.
"""

import collections
import contextlib
import itertools
import json
import pathlib
import re
import shutil
import tempfile
import threading
import time
import urllib.parse
import uuid

import amqp
from Harness import broker as harness
from Harness import lab, programs, servers, wire
from Harness.broker import Wire  # noqa: F401 - for the tests
from Harness.programs import Program, eventually

NUMBERS = itertools.count(1)
ROUTER = "6b1f0c9a-0000-4000-8000-00000000eeee"


def port(instance=lab.WEB, address=lab.WEB_IP, network=lab.RED, **more):
    """As much of a port as neutron-server sends."""
    return {
        "id": str(uuid.uuid4()),
        "name": "",
        "device_id": instance,
        "device_owner": "compute:nova",
        "network_id": network,
        "tenant_id": lab.PROJECT,
        "project_id": lab.PROJECT,
        "mac_address": lab.WEB_MAC,
        "fixed_ips": [{"ip_address": address, "subnet_id": "6b1f0c9a-0000-4000-8000-00000000ffff"}],
        "status": "ACTIVE",
        "binding:vif_details": {"port_filter": True, "connectivity": "l2"},
        "security_groups": [],
        "allowed_address_pairs": [],
        **more,
    }


class Cloud:
    """A virtual host of its own on the shared broker. Closing it stops whatever was started in it."""

    def __init__(self, broker, neutron_servers, vhost=None):
        self.broker, self.neutron_servers = broker, neutron_servers
        self.vhost = vhost or f"cloud-{next(NUMBERS)}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-"))
        self.folder.chmod(0o755)
        self.stack = contextlib.ExitStack()
        self.agents, self.servers = [], []
        broker.add_vhost(self.vhost)
        self.nova = self.stack.enter_context(servers.ScriptedServer())

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            for agent in self.agents:
                agent.finish()
        except AssertionError:
            if kind is None:
                raise
        finally:
            for server in self.servers:
                server.drop()
            self.stack.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, host=harness.HOST, port=None, **more):
        return harness.url(host, port or self.broker.port, vhost=self.vhost, **more)

    def server_url(self, query=""):
        return self.url(user=harness.SERVER, password=harness.SERVER_PASSWORD, query=query)

    def serve(self, topics=("q-plugin", "q-reports-plugin"), query="", processes=None, **behaviour):
        """A server of oslo.messaging's that knows lab.WEB's port, unless it is told other ones."""
        behaviour.setdefault("ports", [port()])
        server = (processes or self.neutron_servers).start(self.server_url(query), topics, **behaviour)
        self.servers.append(server)
        return server

    def serve_raw(self, respond, topic="q-plugin", arguments=None):
        server = RawServer(self, respond, topic, arguments)
        self.servers.append(server)
        return server

    @contextlib.contextmanager
    def channel(self):
        """Somebody else's channel in this virtual host."""
        connection = amqp.Connection(
            host=f"{harness.HOST}:{self.broker.port}",
            userid=harness.SERVER,
            password=harness.SERVER_PASSWORD,
            virtual_host=self.vhost,
        )
        connection.connect()
        try:
            yield connection.channel()
        finally:
            connection.close()

    def start_agent(self, transport_url=None, wait=True, **options):
        agent = Agent(self, transport_url or self.url(), options)
        self.agents.append(agent)
        agent.start()
        if wait:
            agent.wait_for_log("onnected to AMQP server on")
        return agent

    # MARK: What the broker says

    @property
    def queues(self):
        return self.broker.queues(self.vhost)

    @property
    def reply_queues(self):
        return [name for name in self.queues if name.startswith("reply_")]

    def connections(self, program="neutron-metadata-agent"):
        """The agents' connections, as the broker knew them a moment ago."""
        return [
            each
            for each in self.broker.connections(self.vhost)
            if each.get("client_properties", {}).get("connection_name", "").startswith(program)
        ]

    def connection(self):
        """The only one."""
        eventually(self.connections, what="a connection of the agent's")
        time.sleep(0.7)  # for a second one
        [connection] = self.connections()
        return connection

    def consumers(self, queue):
        """Who takes the messages of a queue."""
        path = f"/consumers/{urllib.parse.quote(self.vhost, safe='')}"
        return [each for each in self.broker.ask("GET", path) if each["queue"]["name"] == queue]

    def messages(self):
        """How many messages are in any queue of the virtual host."""
        return sum(queue.get("messages", 0) for queue in self.queues.values())


class Agent:
    """`neutron-metadata-agent`, which looks instances up over the bus, at debug level."""

    def __init__(self, cloud, transport_url, options):
        self.cloud = cloud
        self.folder = cloud.folder / f"agent-{len(cloud.agents)}"
        self.folder.mkdir()
        self.socket = self.folder / "proxy"
        self.log = self.folder / "agent.log"
        self.program = None
        groups = collections.defaultdict(dict)
        groups["DEFAULT"] = {
            "transport_url": transport_url,
            "metadata_proxy_socket": self.socket,
            "metadata_proxy_shared_secret": lab.SECRET,
            "nova_metadata_host": "127.0.0.1",
            "nova_metadata_port": cloud.nova.port,
            "metadata_workers": 1,
            "log_file": self.log,
            "state_path": self.folder,
            "cache_url": "",
            "debug": True,
            # oslo.log keeps the bus at INFO, even when all else is at DEBUG.
            "default_log_levels": "oslo.messaging=DEBUG",
            "host": "compute-1",
        }
        # Without reports, unless a test is about them.
        groups["AGENT"] = {"report_interval": 0}
        groups["bellhop"] = {"hold_seconds": 8.5}
        names = {"rabbit": "oslo_messaging_rabbit", "agent": "AGENT", "bellhop": "bellhop", "default": "DEFAULT"}
        for group, values in options.items():
            groups[names[group]].update(values)
        self.configuration = self.folder / "agent.ini"
        self.write(groups)

    def write(self, groups):
        lines = []
        for group, values in groups.items():
            lines.append(f"[{group}]")
            lines += [f"{name} = {value}" for name, value in values.items() if value is not None]
        self.configuration.write_text("\n".join(lines) + "\n")

    def start(self):
        words = [programs.AGENT, "--config-file", self.configuration]
        self.program = Program(words, self.folder, "agent")
        self.program.wait_until(lambda: wire.accepts(self.socket), 30, "the agent's socket")

    def finish(self):
        """The agent still runs unless it was told to stop; it stops well; and it never told a password."""
        self.program.process.poll()
        status, told = self.program.process.returncode, self.log_text
        if status is None:
            try:
                status = self.program.stop(seconds=10)
            finally:
                self.program.kill()
        assert status == 0, f"the agent ended with {status}:\n{told[-4000:]}"
        for password in harness.PASSWORDS:
            assert password not in self.log_text, "a password is in the log"

    def headers(self, address=lab.WEB_IP, network=lab.RED, router=None):
        pairs = [("X-Forwarded-For", address)]
        return pairs + [("X-Neutron-Router-ID", router) if router else ("X-Neutron-Network-ID", network)]

    def ask(self, timeout=40.0, **identity):
        return wire.get(self.socket, "/", self.headers(**identity), timeout=timeout)

    def ask_later(self, **keywords):
        """Asks on a thread of its own."""
        return Asking(lambda: self.ask(**keywords))

    def wait_for_log(self, text, count=1, seconds=20.0):
        try:
            eventually(lambda: self.log_text.count(text) >= count, seconds, f"{text!r} in the log")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.log_text[-3000:]}") from None

    @property
    def log_text(self):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text + self.program.output

    def lines(self, *words):
        """The log lines with all of the words, without those that list the options."""
        lines = [line for line in self.log_text.splitlines() if "StartLines.swift" not in line]
        return [line for line in lines if all(word in line for word in words)]


class Asking:
    """A guest's request under way."""

    def __init__(self, ask):
        self._done, self._error, self._answer = threading.Event(), None, None
        self.started = time.monotonic()
        threading.Thread(target=self._run, args=(ask,), daemon=True).start()

    def _run(self, ask):
        try:
            self._answer = ask()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            self._error = error
        self.seconds = time.monotonic() - self.started
        self._done.set()

    @property
    def is_over(self):
        return self._done.is_set()

    def answer(self, seconds=60.0):
        assert self._done.wait(seconds), f"no answer within {seconds} s"
        if self._error:
            raise self._error
        return self._answer


class Request:
    """A request as it came to a `RawServer`, and ways to answer it."""

    def __init__(self, message, channel):
        self.channel = channel
        self.properties, self.delivery = message.properties, message.delivery_info
        self.envelope = json.loads(message.body)
        self.inner = json.loads(self.envelope["oslo.message"])
        self.time = time.monotonic()

    @property
    def method(self):
        return self.inner["method"]

    @property
    def reply_queue(self):
        return self.inner["_reply_q"]

    def reply(self, exchange="", **fields):
        """A reply as oslo.messaging writes it; `fields` change the inner message."""
        inner = {
            "result": None,
            "failure": None,
            "ending": True,
            "_msg_id": self.inner["_msg_id"],
            "_unique_id": uuid.uuid4().hex,
            **fields,
        }
        self.send(json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}), exchange)

    def send(self, body, exchange="", **properties):
        """Any body at all, to where the client waits."""
        message = amqp.Message(body, content_type="application/json", content_encoding="utf-8", **properties)
        self.channel.basic_publish(message, exchange, self.reply_queue)


class RawServer:
    """Takes the requests of a topic off the bus and lets `respond` do with them what it likes."""

    def __init__(self, cloud, respond, topic, arguments=None):
        self.respond = respond
        self.requests, self.errors = [], []
        self._ended = threading.Event()
        self.connection = amqp.Connection(
            host=f"{harness.HOST}:{cloud.broker.port}",
            userid=harness.SERVER,
            password=harness.SERVER_PASSWORD,
            virtual_host=cloud.vhost,
        )
        self.connection.connect()
        channel = self.connection.channel()
        channel.exchange_declare("neutron", "topic", durable=False, auto_delete=False)
        channel.queue_declare(topic, durable=False, auto_delete=False, arguments=arguments)
        channel.queue_bind(topic, "neutron", topic)
        channel.basic_consume(topic, no_ack=True, callback=lambda message: self._take(message, channel))
        self.thread = threading.Thread(target=self._drain, daemon=True)
        self.thread.start()

    def _take(self, message, channel):
        request = Request(message, channel)
        self.requests.append(request)
        self.respond(request)

    def _drain(self):
        while not self._ended.is_set():
            try:
                self.connection.drain_events(timeout=0.1)
            except TimeoutError:
                continue
            except Exception as error:  # the test looks at it
                if not self._ended.is_set():
                    self.errors.append(error)
                return

    def drop(self):
        self.stop()

    def stop(self):
        if self._ended.is_set():
            return
        self._ended.set()
        self.thread.join(10)
        self.connection.close()
        assert not self.errors, self.errors


class NeutronAPI(servers.ScriptedServer):
    """Neutron's REST API without credentials, which knows lab.WEB's port. `refuses` makes it refuse everybody."""

    def __init__(self, refuses=False):
        super().__init__(self._respond)
        self.refuses = refuses

    def _respond(self, message):
        if self.refuses:
            return servers.reply(403, b"{}", {"Content-Type": "application/json"})
        query = urllib.parse.parse_qs(message.target.decode().partition("?")[2])
        addresses = [value.partition("=")[2] for value in query.get("fixed_ips", [])]
        found = [port()] if not addresses or lab.WEB_IP in addresses else []
        return servers.reply(200, json.dumps({"ports": found}).encode(), {"Content-Type": "application/json"})

    @property
    def options(self):
        return {"auth_strategy": "noauth", "endpoint_url": f"http://127.0.0.1:{self.port}"}


class HeartbeatWire(Wire):
    """Counts the heartbeats that the agent sends through it."""

    FRAME = bytes([8, 0, 0, 0, 0, 0, 0, 0xCE])

    def __init__(self, target):
        self.heartbeats = 0
        super().__init__(target)

    def _pump(self, pair, source, sink):
        super()._pump(pair, self._counted(source) if source is pair[0] else source, sink)

    def _counted(self, source):
        class Counted:
            def recv(_, size):
                data = source.recv(size)
                self.heartbeats += data.count(self.FRAME)
                return data

        return Counted()


def is_reply_queue(name):
    return re.fullmatch("reply_[0-9a-f]{32}", name) is not None
