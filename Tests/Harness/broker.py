"""A RabbitMQ of one's own: loopback only, in a temporary folder, with its own name, ports and data.

It is started the way `scripts/stack` starts the one of a stack, and speaks plain AMQP on one port and TLS on another.
Virtual hosts, users and connections are changed and seen through its management API, which takes milliseconds;
`rabbitmqctl` takes seconds.
"""

import base64
import hashlib
import http.client
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

from . import programs

sys.path.insert(0, str(programs.ROOT / "scripts"))

from stack import settings as stack_settings  # noqa: E402
from stack.services import Services  # noqa: E402

# All users may do everything. The certificate's user has no password: only EXTERNAL lets it in.
ADMINISTRATOR, ADMINISTRATOR_PASSWORD = "administrator", "administrator-password"
SERVER, SERVER_PASSWORD = "neutron-server", "server-password"
AGENT = "metadata agent"
# Every character that means something in a URL.
AGENT_PASSWORD = "p@ss:w/rd%3F?#,&[€"
CERTIFICATE_USER = "certified-agent"
PASSWORDS = (ADMINISTRATOR_PASSWORD, SERVER_PASSWORD, AGENT_PASSWORD, urllib.parse.quote(AGENT_PASSWORD, safe=""))

# Both are in the certificate.
HOST, NAME = "127.0.0.1", "localhost"
# TLS is offered there too, and the certificate does not have it.
UNNAMED_HOST = "127.0.0.2"
SALT = b"bell"


def url(host, port, user=AGENT, password=AGENT_PASSWORD, vhost="/", query=""):
    """A transport_url for one host."""
    user, password, vhost = (urllib.parse.quote(part, safe="") for part in (user, password, vhost))
    return f"rabbit://{user}:{password}@{host}:{port}/{vhost}{query}"


class Broker:
    """One broker. `start` blocks until it is ready; `close` removes everything."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-bus-"))
        self.settings = stack_settings.create(self.folder, stack_settings.free_first_port())
        self.services = Services(self.settings)
        self.port = self.settings.ports["rabbitmq"]
        spare = self.settings.first_port + len(stack_settings.PORTS)
        self.tls_port, self.management_port = spare, spare + 1
        self.certificates = self.folder / "tls"
        for folder in (self.settings.logs, self.settings.run, self.settings.etc / "rabbitmq", self.certificates):
            folder.mkdir(parents=True)
        (self.settings.data / "rabbitmq").mkdir(parents=True)
        _make_certificates(self.certificates)
        self._configure()

    def _configure(self):
        folder, tls = self.settings.etc / "rabbitmq", self.certificates
        names = {ADMINISTRATOR: ADMINISTRATOR_PASSWORD, SERVER: SERVER_PASSWORD, AGENT: AGENT_PASSWORD}
        users = [
            {
                "name": name,
                "password_hash": _hashed(password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "administrator" if name == ADMINISTRATOR else "",
            }
            for name, password in {**names, CERTIFICATE_USER: uuid.uuid4().hex}.items()
        ]
        everything = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": users,
            "vhosts": [{"name": "/"}],
            "permissions": [{"user": user["name"], **everything} for user in users],
        }
        (folder / "definitions.json").write_text(json.dumps(definitions))
        (folder / "enabled_plugins").write_text("[rabbitmq_management, rabbitmq_auth_mechanism_ssl].\n")
        lines = [
            f"listeners.tcp.1 = {HOST}:{self.port}",
            f"listeners.ssl.1 = {HOST}:{self.tls_port}",
            f"listeners.ssl.2 = {UNNAMED_HOST}:{self.tls_port}",
            f"ssl_options.cacertfile = {tls / 'ca.pem'}",
            f"ssl_options.certfile = {tls / 'server.pem'}",
            f"ssl_options.keyfile = {tls / 'server.key'}",
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = false",
            "ssl_cert_login_from = common_name",
            "auth_mechanisms.1 = PLAIN",
            "auth_mechanisms.2 = AMQPLAIN",
            "auth_mechanisms.3 = EXTERNAL",
            # Milliseconds after which the management API knows of a new connection.
            "collect_statistics_interval = 300",
            f"management.tcp.ip = {HOST}",
            f"management.tcp.port = {self.management_port}",
            f"load_definitions = {folder / 'definitions.json'}",
            "log.console = true",
            "log.console.level = info",
            "log.file = false",
            "vm_memory_high_watermark.absolute = 1GB",
            "disk_free_limit.absolute = 50MB",
        ]
        (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")

    # MARK: Life

    def start(self):
        self.services.start("epmd", 30)
        self.services.launch("rabbitmq")
        self.services["rabbitmq"].wait_until(self._is_ready, 90)

    def _is_ready(self):
        try:
            return self.services.is_ready("rabbitmq") and self.ask("GET", "/health/checks/port-listener/" + str(self.port))
        except (OSError, http.client.HTTPException, BrokerError):
            return False

    def stop(self):
        """As an operator would: clients are told."""
        self.services.stop("rabbitmq")

    def kill(self):
        """As the kernel would: nobody is told."""
        self.services["rabbitmq"].signal_all(signal.SIGKILL)
        self.services.stop("rabbitmq")

    def close(self):
        self.services.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    # MARK: What an operator does

    def rabbitmqctl(self, *words):
        return self.services.rabbitmqctl(*words)

    def ask(self, method, path, body=None):
        """A request to the management API; the answer's JSON, or True if it has none."""
        connection = http.client.HTTPConnection(HOST, self.management_port, timeout=20)
        token = base64.b64encode(f"{ADMINISTRATOR}:{ADMINISTRATOR_PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json", "X-Reason": "closed by a test"}
        try:
            connection.request(method, "/api" + path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise BrokerError(answer.status, f"{method} {path}: {text[:300].decode()}")
        return json.loads(text) if text else True

    def add_vhost(self, name):
        quoted = urllib.parse.quote(name, safe="")
        self.ask("PUT", f"/vhosts/{quoted}")
        for user in (SERVER, AGENT, CERTIFICATE_USER, ADMINISTRATOR):
            permissions = {"configure": ".*", "write": ".*", "read": ".*"}
            self.ask("PUT", f"/permissions/{quoted}/{urllib.parse.quote(user)}", permissions)

    def add_user(self, name, password, vhost, configure=".*"):
        self.ask("PUT", f"/users/{urllib.parse.quote(name)}", {"password": password, "tags": ""})
        permissions = {"configure": configure, "write": ".*", "read": ".*"}
        self.ask("PUT", f"/permissions/{urllib.parse.quote(vhost, safe='')}/{urllib.parse.quote(name)}", permissions)

    def queues(self, vhost):
        """{name: what the broker says of it}, with the numbers of this moment."""
        path = f"/queues/{urllib.parse.quote(vhost, safe='')}?disable_stats=true&enable_queue_totals=true"
        return {queue["name"]: queue for queue in self.ask("GET", path)}

    def exchanges(self, vhost):
        path = f"/exchanges/{urllib.parse.quote(vhost, safe='')}"
        return {exchange["name"]: exchange for exchange in self.ask("GET", path)}

    def delete_queue(self, vhost, name):
        self.ask("DELETE", f"/queues/{urllib.parse.quote(vhost, safe='')}/{urllib.parse.quote(name, safe='')}")

    def delete_exchange(self, vhost, name):
        self.ask("DELETE", f"/exchanges/{urllib.parse.quote(vhost, safe='')}/{urllib.parse.quote(name, safe='')}")

    def connections(self, vhost):
        return [each for each in self.ask("GET", "/connections") if each.get("vhost") == vhost]


class BrokerError(Exception):
    """The management API refused, with its status and its words."""


def _hashed(password):
    return base64.b64encode(SALT + hashlib.sha256(SALT + password.encode()).digest()).decode()


def _make_certificates(folder):
    """Two authorities, the broker's certificate, and a client's in the name of a user."""

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "other-ca"):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        openssl("req", "-x509", *key, *files, "-days", "2", "-subj", f"/CN={name}")
    for name, subject, extension in (
        ("server", "broker", f"subjectAltName=DNS:{NAME},IP:{HOST}"),
        ("client", CERTIFICATE_USER, "extendedKeyUsage=clientAuth"),
    ):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        (folder / "extensions").write_text(extension + "\n")
        authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extensions")
        openssl("x509", "-req", "-in", f"{name}.csr", *authority, "-out", f"{name}.pem")


class Wire:
    """A TCP proxy in front of the broker: a network that can go silent (`freeze`) or away (`cut`)."""

    def __init__(self, target):
        self.target = target
        self.accepted = 0
        self._pairs, self._frozen, self._is_cut = [], set(), False
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()
        # Wakes the thread that accepts; closing alone would not.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def freeze(self):
        """What is connected now stays so, but no byte passes any more. New connections are not concerned."""
        self._frozen = {id(pair) for pair in self._pairs}

    def cut(self):
        """All connections end, and so does each new one at once."""
        self._is_cut = True
        self._frozen = set()
        for pair in self._pairs:
            _shut(pair)

    def restore(self):
        self._is_cut = False

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            try:
                far = socket.create_connection((HOST, self.target))
            except OSError:
                near.close()
                continue
            self.accepted += 1
            pair = (near, far)
            self._pairs.append(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._pump, args=(pair, source, sink), daemon=True).start()

    def _pump(self, pair, source, sink):
        try:
            while data := source.recv(1 << 16):
                while id(pair) in self._frozen:
                    time.sleep(0.05)
                sink.sendall(data)
        except OSError:
            pass
        _shut(pair)


def _shut(pair):
    for end in pair:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
