"""What a new stack needs once: databases and their tables, Keystone's keys, accounts and catalog."""

import concurrent.futures

from . import processes
from .api import Cloud

DATABASES = ("keystone", "neutron", "nova_api", "nova", "nova_cell0")


class Schemas:
    def __init__(self, settings, services):
        self.settings, self.services = settings, services

    def install_database(self):
        """MariaDB's own tables, before its first start."""
        folder = self.settings.data / "mariadb"
        if (folder / "mysql").exists():
            return
        words = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={folder}", "--skip-test-db"]
        words += ["--auth-root-authentication-method=normal", "--innodb-log-file-size=32M"]
        processes.run(self.settings, words, log="mariadb-install")

    def create(self):
        """All tables, side by side where one does not need the other."""
        for name in DATABASES:
            self.services.sql(f"create database if not exists {name} character set utf8mb3")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(self._once, "neutron", self._neutron), pool.submit(self._keystone_then_nova)]
            for job in jobs:
                job.result()

    def fill_catalog(self):
        """The service project, its accounts and Neutron's endpoints; Keystone must run."""
        self._once("catalog", lambda: Cloud(self.settings).fill_catalog())

    def _once(self, name, work):
        done = self.settings.data / f"{name}.done"
        if not done.exists():
            work()
            done.touch()

    def _keystone_then_nova(self):
        self._once("keystone", self._keystone)
        self._once("nova", self._nova)

    def _run(self, log, *words):
        return processes.run(self.settings, words, log=log)

    def _neutron(self):
        self._run("neutron-schema", "neutron-db-manage", *self.services.neutron_files, "upgrade", "heads")

    def _keystone(self):
        settings = self.settings
        manage = ["keystone-manage", "--config-file", settings.etc / "keystone/keystone.conf"]
        for keys in ("fernet_setup", "credential_setup"):
            self._run("keystone-schema", *manage, keys, "--keystone-user", "root", "--keystone-group", "root")
        self._run("keystone-schema", *manage, "db_sync")
        urls = [f"--bootstrap-{kind}-url={settings.keystone_url}" for kind in ("admin", "internal", "public")]
        account = ["--bootstrap-password", settings.admin_password, "--bootstrap-region-id", "RegionOne"]
        self._run("keystone-schema", *manage, "bootstrap", *account, *urls)

    def _nova(self):
        settings = self.settings
        manage = ["nova-manage", "--config-file", settings.etc / "nova/nova.conf"]
        self._run("nova-schema", *manage, "api_db", "sync")
        cell0 = f"--database_connection={settings.database_url('nova_cell0')}"
        self._run("nova-schema", *manage, "cell_v2", "map_cell0", cell0)
        self._run("nova-schema", *manage, "db", "sync")
        if " cell1 " not in self._run("nova-schema", *manage, "cell_v2", "list_cells"):
            cell1 = ["--database_connection", settings.database_url("nova"), "--transport-url", settings.transport_url]
            self._run("nova-schema", *manage, "cell_v2", "create_cell", "--name=cell1", *cell1)
