"""The files of the network node's agents: Debian's defaults, plus whom they talk to, and whose `haproxy` they start."""

import dataclasses
import pathlib

from .configuration import ini
from .settings import ENVIRONMENT

# rootwrap looks for programs in these, as Debian's rootwrap.conf has it.
EXEC_DIRS = ("/sbin", "/usr/sbin", "/bin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin")
# Seconds after which an agent sees that a proxy has died; 60 by default.
CHECK_INTERVAL = 1


@dataclasses.dataclass
class Metadata:
    """What an operator decides about the metadata of a network node."""

    # The metadata agent's socket.
    socket: pathlib.Path
    # Where to look for `haproxy` first; None for Debian's own.
    programs: pathlib.Path | None = None
    user: str = "nobody"
    group: str = "nogroup"


def write(settings, host, folder, state, metadata):
    """Writes all files into `folder`; what runs keeps what it has read."""
    for each in (folder, state):
        each.mkdir(parents=True, exist_ok=True)
    programs = [str(metadata.programs)] if metadata.programs else []
    (folder / "rootwrap.conf").write_text(
        ini(
            {
                "DEFAULT": {
                    "filters_path": "/etc/neutron/rootwrap.d,/usr/share/neutron/rootwrap",
                    "exec_dirs": ",".join([*programs, *EXEC_DIRS]),
                }
            }
        )
    )
    common = {
        "DEFAULT": {"host": host, "state_path": state, "transport_url": settings.transport_url},
        "agent": {
            # Without sudo, which would need rules of the system's: the agents run as root.
            "root_helper": f"neutron-rootwrap {folder / 'rootwrap.conf'}",
            "report_interval": settings.report_interval,
            "check_child_processes_interval": CHECK_INTERVAL,
        },
        "oslo_concurrency": {"lock_path": state / "lock"},
    }
    (folder / "neutron.conf").write_text(ini(common))
    proxy = {
        "interface_driver": "linuxbridge",
        "metadata_proxy_socket": metadata.socket,
        "metadata_proxy_user": metadata.user,
        "metadata_proxy_group": metadata.group,
    }
    (folder / "l3_agent.ini").write_text(ini({"DEFAULT": proxy}))
    (folder / "dhcp_agent.ini").write_text(ini({"DEFAULT": {**proxy, "enable_isolated_metadata": True}}))
    (folder / "linuxbridge_agent.ini").write_text(
        ini(
            {
                "agent": {"polling_interval": 1},
                "vxlan": {"enable_vxlan": False},
                "securitygroup": {"enable_security_group": False, "firewall_driver": "noop"},
            }
        )
    )
    # rootwrap looks in exec_dirs whether there is such a program; `ip netns exec` then takes the one from its PATH.
    (folder / "path").write_text(":".join([*programs, ENVIRONMENT["PATH"]]))
    _link(settings, folder)


def _link(settings, folder):
    """The node has no network but this: its loopback's broker port leads to the broker."""
    address = f"127.0.0.1:{settings.ports['rabbitmq']}"
    (folder / "link.cfg").write_text(
        "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n"
        f"listen broker\n    bind {address} namespace node\n    server rabbitmq {address}\n"
    )
