"""One stack from outside: up, down, and its parts."""

import concurrent.futures
import fcntl
import functools
import shutil

from . import configuration, seed, settings
from .api import Cloud
from .namespaces import Namespaces
from .node import Node
from .schemas import Schemas
from .services import NAMES, Services, missing_packages
from .settings import StackError


class Stack:
    def __init__(self, chosen):
        self.settings = chosen
        self.services = Services(chosen)

    @classmethod
    def open(cls, folder):
        return cls(settings.load(folder))

    @classmethod
    def open_or_create(cls, folder, first_port=None):
        missing = missing_packages()
        if missing:
            raise StackError(f"not installed: {', '.join(missing)}; run `scripts/setup.sh stack`")
        found = settings.load(folder) if settings.exists(folder) else None
        if found:
            found.refuse_another_release()
        release = found.release if found else settings.chosen_release()
        if not release.is_installed():
            raise StackError(f"{release.folder} is not what it should be; run `scripts/setup.sh latest`")
        return cls(found or settings.create(folder, first_port))

    @functools.cached_property
    def cloud(self):
        return Cloud(self.settings)

    @functools.cached_property
    def node(self):
        return Node(self.settings, self.cloud)

    @property
    def is_seeded(self):
        return seed.path(self.settings).exists()

    @functools.cached_property
    def seed(self):
        return seed.load(self.settings)

    @property
    def namespaces(self):
        return Namespaces(self.settings, self.seed)

    @property
    def is_running(self):
        return all(self.services[name].pid for name in NAMES) and self.is_seeded

    def up(self, say=lambda text: None):
        """Starts what does not run; what is there is left alone, so this can be repeated."""
        configuration.write(self.settings)
        with self._alone():
            self._start(say)
            seed.plant(self.settings)
            say("networks, ports and instances are there")
            self.namespaces.up()
        say(f"up, in {self.settings.folder}")

    def _start(self, say):
        schemas = Schemas(self.settings, self.services)
        schemas.install_database()
        self.services.launch("mariadb")
        self.services.start("epmd", 20)
        self.services.launch("rabbitmq")
        self.services.wait("mariadb")
        schemas.create()
        say("databases are there")
        self.services.launch("keystone")
        self.services.wait("rabbitmq")
        # neutron-server and Nova need Keystone for their first request only, so all three start side by side.
        self.services.launch("neutron-server")
        self.services.wait("keystone")
        schemas.fill_catalog()
        self.services.launch("nova")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for waiting in [pool.submit(self.services.wait, name, 120) for name in ("neutron-server", "nova")]:
                waiting.result()
        say("services are ready")

    def down(self, purge=False):
        """Stops what was started from this folder, and nothing else. Returns the names of what ran."""
        with self._alone():
            ended = self.node.down()
            if self.is_seeded:
                self.namespaces.down()
            ended += self.services.stop_all()
        if purge:
            shutil.rmtree(self.settings.folder)
        return ended

    def _alone(self):
        return _Lock(self.settings.folder / "lock")


class _Lock:
    """Two commands at a time on one stack wait for each other."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.file = open(self.path, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()
