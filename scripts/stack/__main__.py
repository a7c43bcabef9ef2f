"""A real OpenStack control plane for tests.

    up                      start what is not running; make networks, ports, instances and namespaces once
    down [--purge]          stop what was started here; --purge also removes the folder
    status                  what runs, and where
    start|stop|restart SERVICE   one of mariadb, rabbitmq, keystone, neutron-server, nova
    rabbitmqctl WORDS...    the broker's own tool, against this broker
    neutron METHOD PATH [JSON]   Neutron's API as administrator, for example: neutron GET agents
    guest NAME COMMAND...   a command inside a guest's namespace; `status` lists the names
    node up [FOLDER]        start Neutron's L3, DHCP and linuxbridge agents in a network node of their own. They start
                            the `haproxy` in FOLDER, or Debian's; its metadata agent's socket is run/metadata_proxy
    node down               stop them, and what they started; `down` does that too
    node COMMAND...         a command inside the node, for example: node ip netns
    install                 what BELLHOP_STACK_RELEASE needs beyond Debian's packages: `scripts/setup.sh latest` runs it

BELLHOP_STACK is the folder (/tmp/bellhop-stack). For the first start, BELLHOP_STACK_PORT is the first of six ports in a
row (25670), and BELLHOP_STACK_RELEASE is `zed`, Debian's, or `latest`: the newest Neutron and Nova, from PyPI.
"""

import json
import os
import pathlib
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from stack import install  # noqa: E402
from stack import settings as settings_module  # noqa: E402
from stack.node_configuration import Metadata  # noqa: E402
from stack.settings import StackError  # noqa: E402
from stack.stack import Stack  # noqa: E402


def become_root():
    if os.geteuid() == 0:
        return
    names = ("BELLHOP_STACK", "BELLHOP_STACK_PORT", "BELLHOP_STACK_RELEASE")
    kept = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    try:
        os.execvp("sudo", ["sudo", "env", *kept, "/usr/bin/python3", "-B", *sys.argv])
    except OSError as error:
        raise StackError(f"namespaces and the database need root: run this as root or install sudo ({error})") from None


def show(stack):
    settings = stack.settings
    print(f"stack in {settings.folder}, release {settings.release_name}")
    for name, process in stack.services.processes.items():
        port = settings.ports.get(name.split("-")[0], "")
        print(f"  {name:15} {'pid ' + str(process.pid) if process.pid else 'not running':12} {port}")
    for name, process in stack.node.processes.items():
        if process.pid:
            print(f"  {name:15} {'pid ' + str(process.pid):12} of the network node")
    print(f"  transport_url {settings.transport_url}")
    if stack.is_seeded:
        for name, guest in stack.seed["guests"].items():
            print(f"  guest {name:12} {guest['ip']:11} {guest['instance_id']} {stack.namespaces.guest(name)}")


def main(words):
    if words == ["install"]:
        # As the caller, who owns the folder that it goes to.
        install.install(settings_module.chosen_release(), say=lambda text: print(f"stack: {text}", flush=True))
        return
    become_root()
    verb, rest = (words[0], words[1:]) if words else ("", [])
    folder = settings_module.chosen_folder()
    if verb == "up" and not rest:
        began = time.monotonic()
        stack = Stack.open_or_create(folder)
        stack.up(say=lambda text: print(f"stack: {text} ({time.monotonic() - began:.0f} s)", flush=True))
        return
    if verb == "down" and rest in ([], ["--purge"]):
        if settings_module.exists(folder):
            ended = Stack.open(folder).down(purge=bool(rest))
            print(f"stack: stopped {', '.join(ended) or 'nothing: nothing ran'}")
        else:
            print(f"stack: there is none in {folder}")
        return
    if verb == "status" and not rest:
        show(Stack.open(folder))
    elif verb in ("start", "stop", "restart") and len(rest) == 1:
        getattr(Stack.open(folder).services, verb)(rest[0])
    elif verb == "rabbitmqctl":
        print(Stack.open(folder).services.rabbitmqctl(*rest), end="")
    elif verb == "neutron" and len(rest) in (2, 3):
        body = json.loads(rest[2]) if len(rest) == 3 else None
        print(json.dumps(Stack.open(folder).cloud.neutron(rest[0], rest[1], body), indent=1))
    elif verb == "guest" and len(rest) >= 2:
        name = Stack.open(folder).namespaces.guest(rest[0])
        os.execvp("ip", ["ip", "netns", "exec", name, *rest[1:]])
    elif verb == "node" and rest:
        use_node(Stack.open(folder), rest)
    else:
        print(__doc__, file=sys.stderr)
        sys.exit(2)


def use_node(stack, words):
    node = stack.node
    if words[0] == "up" and len(words) <= 2:
        programs = pathlib.Path(words[1]).resolve() if len(words) == 2 else None
        node.up(Metadata(stack.settings.run / "metadata_proxy", programs))
    elif words == ["down"]:
        print(f"stack: stopped {', '.join(node.down()) or 'nothing: nothing ran'}")
    else:
        command = [str(word) for word in [*node.prefix(), *words]]
        os.execvp(command[0], command)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except StackError as error:
        sys.exit(f"stack: {error}")
