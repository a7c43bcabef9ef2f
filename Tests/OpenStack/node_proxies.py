"""What the L3 and DHCP agents of a network node have of a proxy: its configuration, its pid file, and the process."""

import json
import os
import pathlib

from Harness import programs
from Harness.programs import eventually

# The agents answer to notifications within some seconds; a machine under load takes longer.
SECONDS = 60


class Proxy:
    """The metadata proxy of a router or a network, as its agent sees it."""

    def __init__(self, node, kind, uuid):
        self.node, self.uuid = node, uuid
        self.namespace = f"{kind}-{uuid}"
        self.pid_file = node.state / f"external/pids/{uuid}.pid.haproxy"
        self.file = node.state / f"ns-metadata-proxy/{uuid}.conf"

    @property
    def pid(self):
        """None if it is not active, by the agents' own test: the process of the pid file names the uuid."""
        try:
            pid = int(self.pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if self.uuid in _command_line(pid) else None

    @property
    def program(self):
        """The file that the process runs."""
        return pathlib.Path(os.readlink(f"/proc/{self.pid}/exe"))

    def processes(self):
        """All proxies in the namespace, the pid file's and forgotten ones."""
        if self.namespace not in self.node.namespaces():
            return []
        return [pid for pid in self.node.pids(self.namespace) if str(self.file) in _command_line(pid)]

    def listeners(self):
        """The addresses in the namespace that take TCP connections at the proxy's ports."""
        lines = self.node.run("ss", "-Hltn", namespace=self.namespace).splitlines()
        addresses = [line.split()[3] for line in lines]
        return sorted(address for address in addresses if address.rpartition(":")[2] in ("80", "9697"))

    def wait(self, but=None, seconds=SECONDS):
        """Until there is one, and another than the process `but`."""
        return eventually(lambda: self.pid if self.pid != but else None, seconds, f"a proxy in {self.namespace}")


def _command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def written_by_neutron(openstack, folder, socket, user, group, place):
    """The haproxy file that Neutron's own code makes of what an agent tells it: `place` says where it listens."""
    order = {"socket": str(socket), "user": user, "group": group, "state_path": str(folder), "files": [place]}
    path = folder / "order.json"
    path.write_text(json.dumps(order))
    words = [openstack.release.python, programs.ROOT / "Tests/OpenStack/neutron_haproxy.py", path]
    status, out, err = programs.run(words, folder, 120, environment=openstack.settings.environment)
    assert status == 0, err
    return pathlib.Path(out.strip()).read_text()
