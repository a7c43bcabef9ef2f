"""What a stack runs, in which order, and how one sees that a service is ready.

MariaDB and the broker come first, then Keystone, neutron-server and Nova's metadata API. Each can be stopped, started
and restarted alone, as an operator would: tests of failures do.
"""

import http.client
import shutil
import socket
import urllib.error
import urllib.request

from . import processes
from .processes import Service
from .settings import ENVIRONMENT, StackError

# In the order of starting; stopped the other way round. epmd is the broker's own name server.
NAMES = ("mariadb", "epmd", "rabbitmq", "keystone", "neutron-server", "nova")
NEUTRON_FILES = ("neutron.conf", "ml2_conf.ini")

# A program of each Debian package that a stack needs.
PROGRAMS = {
    "mariadbd": "mariadb-server-core",
    "mariadb": "mariadb-client-core",
    "epmd": "rabbitmq-server",
    "/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server",
    "keystone-manage": "keystone",
    "uwsgi_python3": "keystone",
    "neutron-server": "neutron-api",
    "neutron-metadata-agent": "neutron-metadata-agent",
    "neutron-l3-agent": "neutron-l3-agent",
    "neutron-dhcp-agent": "neutron-dhcp-agent",
    "neutron-linuxbridge-agent": "neutron-linuxbridge-agent",
    "nova-metadata-wsgi": "nova-api",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "iptables": "iptables",
}


def missing_packages():
    path = ENVIRONMENT["PATH"]
    return sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)})


# uWSGI closes after each answer; without this header pooled connections of clients are reset now and then.
CLOSES = ("--add-header", "Connection: close")


def _uwsgi(port, application, processes_count, more=()):
    """As Debian starts its API services, with fewer processes: Content-Length is removed there, so it is here."""
    return [
        *["uwsgi_python3", "--master", "--lazy-apps", "--no-orphans", "--die-on-term", "--enable-threads"],
        *["--thunder-lock", "--buffer-size", "65535", "--rem-header", "Content-Length"],
        *["--processes", processes_count, "--threads", "8", *more],
        *["--http-socket", f"127.0.0.1:{port}", *application],
    ]


class Services:
    def __init__(self, settings):
        self.settings = settings
        parts = {"neutron-server": ("neutron-api",)} if settings.release.neutron_api else {}
        self.processes = {name: Service(settings, name, parts.get(name, ())) for name in NAMES}

    def __getitem__(self, name):
        if name not in self.processes:
            raise StackError(f"there is no service {name!r}; there are {', '.join(NAMES)}")
        return self.processes[name]

    # MARK: Each service

    def commands(self, name):
        """The command line and the environment of each of the service's processes."""
        if name == "neutron-server":
            return self._neutron_server()
        return [self._command(name)]

    def _command(self, name):
        settings = self.settings
        if name == "mariadb":
            return ["mariadbd", f"--defaults-file={settings.etc / 'mariadb.cnf'}"], {}
        if name == "epmd":
            return ["epmd", "-address", "127.0.0.1", "-port", settings.ports["epmd"]], self.broker_environment
        if name == "rabbitmq":
            # Its script then becomes the broker, instead of staying as its parent.
            return ["/usr/lib/rabbitmq/bin/rabbitmq-server"], {
                **self.broker_environment,
                "RUNNING_UNDER_SYSTEMD": "true",
            }
        if name == "keystone":
            application = ["--wsgi-file", "/usr/bin/keystone-wsgi-public"]
            words = _uwsgi(settings.ports["keystone"], application, 2, CLOSES)
            return words, {"OS_KEYSTONE_CONFIG_DIR": str(settings.etc / "keystone")}
        if name == "nova":
            # One process, so that there is one cache: each has its own, which would answer tests at random.
            words = _uwsgi(settings.ports["nova"], settings.release.nova_metadata, 1)
            return words, {"OS_NOVA_CONFIG_DIR": str(settings.etc / "nova"), **settings.release.nova_environment}
        raise StackError(f"there is no service {name!r}; there are {', '.join(NAMES)}")

    def _neutron_server(self):
        """One program, or one for the RPC and the API under uWSGI."""
        settings = self.settings
        if not settings.release.neutron_api:
            return [(["neutron-server", *self.neutron_files], {})]
        files = {
            "OS_NEUTRON_CONFIG_DIR": str(settings.etc / "neutron"),
            "OS_NEUTRON_CONFIG_FILES": ";".join(NEUTRON_FILES),
        }
        api = _uwsgi(settings.ports["neutron"], settings.release.neutron_api, 1, CLOSES)
        return [(["neutron-rpc-server", *self.neutron_files], {}), (api, files)]

    @property
    def neutron_files(self):
        folder = self.settings.etc / "neutron"
        return [word for file in NEUTRON_FILES for word in ("--config-file", folder / file)]

    @property
    def broker_environment(self):
        """Keeps the broker, and rabbitmqctl, away from a broker of the system's."""
        settings = self.settings
        etc, data = settings.etc / "rabbitmq", settings.data / "rabbitmq"
        loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "HOME": str(data),
            "RABBITMQ_NODENAME": f"{settings.tag}@localhost",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(etc / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(etc / "none.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(etc / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(settings.logs),
            "RABBITMQ_PID_FILE": str(data / "erlang.pid"),
            "RABBITMQ_DIST_PORT": str(settings.ports["erlang"]),
            "ERL_EPMD_PORT": str(settings.ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{loopback} +S 2:2 +sbwt none",
            "RABBITMQ_CTL_ERL_ARGS": loopback,
        }

    def is_ready(self, name):
        """Whether the service answers what it is there for, and not only its port."""
        settings = self.settings
        if name == "mariadb":
            return self._database_answers()
        if name == "epmd":
            return _accepts(settings.ports["epmd"])
        if name == "rabbitmq":
            return _accepts(settings.ports["rabbitmq"])
        if name == "keystone":
            return _status(settings.keystone_url) == 200
        if name == "neutron-server":
            return _status(settings.neutron_url + "/") == 200 and self._rpc_has_consumers()
        return _status(settings.nova_url + "/") == 200

    # MARK: Life

    def launch(self, name):
        """Starts without waiting; False if it runs already."""
        return self[name].start(self.commands(name))

    def wait(self, name, seconds=90.0):
        self[name].wait_until(lambda: self.is_ready(name), seconds)

    def start(self, name, seconds=90.0):
        started = self.launch(name)
        self.wait(name, seconds)
        return started

    def stop(self, name, seconds=20.0):
        return self[name].stop(seconds)

    def restart(self, name, seconds=90.0):
        self.stop(name)
        self.start(name, seconds)

    def stop_all(self):
        """The names of those that ran."""
        return [name for name in reversed(NAMES) if self.stop(name)]

    # MARK: Tools

    def rabbitmqctl(self, *words):
        """Runs `rabbitmqctl` against this broker, and returns its output."""
        command = ["/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", *words]
        return processes.run(self.settings, command, environment=self.broker_environment, timeout=60)

    def sql(self, statement, database="mysql"):
        words = ["mariadb", "--no-defaults", "-uroot", f"--socket={self.settings.database_socket}", "-N", "-B"]
        return processes.run(self.settings, [*words, database, "-e", statement], timeout=60)

    def queue_consumers(self):
        """{queue name: number of consumers} of the cloud's virtual host."""
        lines = self.rabbitmqctl("list_queues", "-p", self.settings.vhost, "--no-table-headers", "name", "consumers")
        return {name: int(count) for name, count in (line.split("\t") for line in lines.splitlines() if "\t" in line)}

    def _database_answers(self):
        try:
            self.sql("select 1")
            return True
        except StackError:
            return False

    def _rpc_has_consumers(self):
        """neutron-server's API answers some seconds before its RPC workers listen."""
        try:
            consumers = self.queue_consumers()
        except StackError:
            return False
        return consumers.get("q-plugin", 0) > 0 and consumers.get("q-reports-plugin", 0) > 0


def _accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        return True
    except OSError:
        return False


def _status(url):
    """The status of a GET; 0 if there was no answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return 0
