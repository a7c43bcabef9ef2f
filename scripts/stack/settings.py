"""Where a stack lives and how its parts reach each other. Made at the first start, kept in its folder afterwards."""

import dataclasses
import json
import os
import pathlib
import secrets
import socket
import urllib.parse

from .releases import RELEASES, chosen_name

DEFAULT_FOLDER = "/tmp/bellhop-stack"
# Below the range that kernels take ports for outgoing connections from, and no service's well-known port.
DEFAULT_FIRST_PORT = 25670
PORTS = ("rabbitmq", "erlang", "epmd", "keystone", "neutron", "nova")

# Debian's programs find Debian's Python packages; another Python or a proxy of the caller's must not get between.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "no_proxy": "*",
    "NO_PROXY": "*",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class StackError(Exception):
    """What went wrong, on what, and what to do."""


@dataclasses.dataclass
class Settings:
    """One stack. Two can run beside each other with other folders and ports."""

    folder: pathlib.Path
    first_port: int = DEFAULT_FIRST_PORT
    # Part of the names of namespaces, so that two stacks never share one.
    tag: str = dataclasses.field(default_factory=lambda: "bhs" + secrets.token_hex(3))
    host: str = "stack-host"
    shared_secret: str = "the stack's shared secret"
    rabbit_user: str = "openstack"
    # Has to be percent-encoded in a URL. (Not a slash: oslo.messaging's own URL to the broker breaks at one.)
    rabbit_password: str = "rabbit:p@ss word"
    vhost: str = "cloud"
    admin_password: str = "admin-password"
    neutron_password: str = "neutron-password"
    nova_password: str = "nova-password"
    # Seconds. Short, so that an agent is seen to go down within a test; the server wants at least twice the interval.
    report_interval: int = 3
    agent_down_time: int = 9
    release_name: str = "zed"

    @property
    def source(self):
        """The folder of these scripts."""
        return pathlib.Path(__file__).resolve().parent

    @property
    def release(self):
        """Where Neutron and Nova come from."""
        return RELEASES[self.release_name]

    @property
    def ports(self):
        return {name: self.first_port + offset for offset, name in enumerate(PORTS)}

    @property
    def etc(self):
        return self.folder / "etc"

    @property
    def logs(self):
        return self.folder / "log"

    @property
    def run(self):
        return self.folder / "run"

    @property
    def data(self):
        return self.folder / "data"

    @property
    def transport_url(self):
        password = urllib.parse.quote(self.rabbit_password, safe="")
        return f"rabbit://{self.rabbit_user}:{password}@127.0.0.1:{self.ports['rabbitmq']}/{self.vhost}"

    @property
    def keystone_url(self):
        return f"http://127.0.0.1:{self.ports['keystone']}/v3"

    @property
    def neutron_url(self):
        return f"http://127.0.0.1:{self.ports['neutron']}"

    @property
    def nova_url(self):
        return f"http://127.0.0.1:{self.ports['nova']}"

    @property
    def database_socket(self):
        return self.run / "mariadb.sock"

    def database_url(self, name):
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={self.database_socket}&charset=utf8"

    @property
    def environment(self):
        programs = self.release.programs
        path = [str(programs)] if programs else []
        return {**ENVIRONMENT, "HOME": str(self.data), "PATH": ":".join([*path, ENVIRONMENT["PATH"]])}

    def refuse_another_release(self):
        """A stack cannot change its release: its databases are of that one."""
        if chosen_name() not in (None, self.release_name):
            raise StackError(
                f"the stack in {self.folder} is of the release {self.release_name}, and BELLHOP_STACK_RELEASE names"
                f" {chosen_name()}: set BELLHOP_STACK to another folder, or take the stack down with --purge first"
            )

    def save(self):
        values = {**dataclasses.asdict(self), "folder": str(self.folder)}
        _file(self.folder).write_text(json.dumps(values, indent=1) + "\n")


def _file(folder):
    return folder / "stack.json"


def chosen_folder():
    """The folder that the environment names, or the default one."""
    return pathlib.Path(os.environ.get("BELLHOP_STACK") or DEFAULT_FOLDER)


def chosen_release():
    """The release that the environment names, or Debian's."""
    name = chosen_name() or Settings.release_name
    if name not in RELEASES:
        raise StackError(f"BELLHOP_STACK_RELEASE is {name!r}; there are {', '.join(RELEASES)}")
    return RELEASES[name]


def exists(folder):
    return _file(folder).exists()


def load(folder):
    """The settings of the stack in `folder`."""
    if not exists(folder):
        raise StackError(f"there is no stack in {folder}: run `make stack-up`, or set BELLHOP_STACK to its folder")
    _refuse_strangers(folder)
    values = json.loads(_file(folder).read_text())
    return Settings(**{**values, "folder": folder})


def create(folder, first_port=None):
    """Makes the folder, and the settings for a new stack in it. A folder with other things in it is refused."""
    try:
        folder.mkdir(mode=0o755, parents=True)
    except FileExistsError:
        _refuse_strangers(folder)
        if any(folder.iterdir()):
            raise StackError(f"{folder} is not empty and no stack: set BELLHOP_STACK to another folder") from None
    # Another user's proxy has to pass through, whatever the umask.
    folder.chmod(0o755)
    port = first_port or int(os.environ.get("BELLHOP_STACK_PORT") or DEFAULT_FIRST_PORT)
    made = Settings(folder, port, release_name=chosen_release().name)
    taken = [number for number in made.ports.values() if not _is_free(number)]
    if taken:
        raise StackError(f"port {taken[0]} is taken: set BELLHOP_STACK_PORT to the first of {len(PORTS)} free ports")
    made.save()
    return made


def _refuse_strangers(folder):
    """Processes of root's read what is in here, so nobody else may have put it there."""
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise StackError(f"{folder} belongs to another user: set BELLHOP_STACK to a folder of your own")


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_first_port():
    """The first of as many free ports in a row as a stack needs."""
    for _ in range(200):
        port = 20000 + secrets.randbelow(1000) * 10
        if all(_is_free(port + offset) for offset in range(len(PORTS))):
            return port
    raise StackError("no free ports between 20000 and 30000")
