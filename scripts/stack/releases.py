"""Where a stack's Neutron and Nova come from; its database, broker and Keystone are Debian's in either case.

    zed      Debian 12's packages of OpenStack Zed (2022.2)
    latest   the newest releases, from PyPI in a virtual environment; `install` makes it

BELLHOP_STACK_RELEASE chooses for a new stack, which then stays with its release.
"""

import os
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[2] / ".build/openstack-latest"


class Zed:
    name = "zed"
    # Runs scripts that import Neutron or Nova.
    python = "/usr/bin/python3"
    # Looked into before the system's folders.
    programs = None
    # ML2's, that exist in this release.
    mechanism_drivers = ("openvswitch", "linuxbridge")
    # What uWSGI is told to serve; None where the API is a part of the program `neutron-server`.
    neutron_api = None
    nova_metadata = ("--wsgi-file", "/usr/bin/nova-metadata-wsgi")
    # Nova patches itself for eventlet's green threads, which cannot be under uWSGI's real ones: "cannot switch to a
    # different thread", and the process hangs for good (seen after 250 requests, eight at a time).
    nova_environment = {"OS_NOVA_DISABLE_EVENTLET_PATCHING": "1"}

    def is_installed(self):
        """Beyond Debian's packages."""
        return True

    def program(self, name):
        """One of Neutron's or Nova's."""
        return pathlib.Path("/usr/bin", name)

    def configuration(self, name):
        """A file that comes with them."""
        return pathlib.Path("/etc", name)


class Latest:
    name = "latest"
    # The newest when this was written; what else they need, pip chooses. A database driver is left to the operator.
    requirements = ("neutron==29.0.0", "nova==34.0.0", "PyMySQL==1.2.4")
    folder = FOLDER
    python = FOLDER / "bin/python"
    programs = FOLDER / "bin"
    mechanism_drivers = ("openvswitch",)
    neutron_api = ("--virtualenv", FOLDER, "--wsgi", "neutron.wsgi.api:application")
    nova_metadata = ("--virtualenv", FOLDER, "--wsgi", "nova.wsgi.metadata:application")
    nova_environment = {}

    @property
    def record(self):
        """Written when all was installed."""
        return self.folder / "installed.txt"

    @property
    def recorded(self):
        """What is in the record. The folder too, because its programs name it: they do not work elsewhere."""
        return "\n".join([*self.requirements, str(self.folder), ""])

    def is_installed(self):
        return self.record.exists() and self.record.read_text() == self.recorded

    def program(self, name):
        return self.programs / name

    def configuration(self, name):
        return self.folder / "etc" / name


RELEASES = {release.name: release for release in (Zed(), Latest())}


def chosen_name():
    """The release that the environment names; None if it names none."""
    return os.environ.get("BELLHOP_STACK_RELEASE") or None
