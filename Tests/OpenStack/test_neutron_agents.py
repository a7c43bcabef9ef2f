"""Debian's own L3 and DHCP agents start our `haproxy`: guests get their metadata, and the agents what they expect.

The agents are unmodified; that our program comes first in their PATH is all they are told. Networks, routers and ports
are made through Neutron's API, and everything on the node by its agents.
"""

import concurrent.futures
import os
import pathlib
import signal
import time

import pytest

from Harness import programs
from Harness.programs import eventually
from agents import PROXY_GROUP, PROXY_USER
from node_fixtures import agent, debians, haproxy, networks, node, ours  # noqa: F401
from node_networks import NodeNetwork, build
from node_proxies import written_by_neutron
from stack.settings import ENVIRONMENT

both = pytest.mark.parametrize("kind", ["routed", "isolated"])
DEBIANS = pathlib.Path("/usr/sbin/haproxy")
# From docs/operations.md: another program takes over from every proxy that runs, without a gap. Both listen for a
# moment; then the old one finishes what it has.
TAKE_OVER = """
for file in "$STATE_PATH"/ns-metadata-proxy/*.conf; do
    pid=$(cat "$(awk '$1 == "pidfile" {print $2}' "$file")") || continue
    grep -Fqs "$file" "/proc/$pid/cmdline" || continue
    ip netns exec "$(ip netns identify "$pid")" "$PROGRAM" -f "$file" && kill -USR1 "$pid"
done
"""


# MARK: Guests


@both
def test_guests_get_their_metadata_over_ipv4_and_ipv6(networks, agent, kind):
    """Straight from the agent: there is no `<local>` in its access lines, so the listeners were handed over."""
    networks[kind].all_served(agent)


def test_guests_that_ask_all_at_once_get_their_own(networks):
    jobs = [(network, guest) for network in networks.values() for guest in network.guests] * 8
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda job: job[0].ask(job[1]), jobs))
    got = [(answer.status, answer.instance_id) for answer in answers]
    assert got == [(200, guest.instance_id) for _, guest in jobs]


# MARK: What the agents see


@both
def test_the_proxy_is_our_program_and_the_only_one(networks, haproxy, kind):
    """It stands by, as the agent serves; either program has the name that rootwrap's filters want."""
    proxy = networks[kind].proxy
    assert proxy.program in (haproxy, haproxy.parent / "standby/haproxy")
    assert proxy.processes() == [proxy.pid]
    assert proxy.pid_file.read_text() == f"{proxy.pid}\n"
    assert proxy.pid_file.stat().st_mode & 0o777 == 0o644


def test_listeners_have_the_addresses_that_the_agents_asked_for(networks):
    assert networks["routed"].proxy.listeners() == ["*:9697"]
    isolated = networks["isolated"]
    [device] = isolated.devices()
    assert isolated.proxy.listeners() == ["169.254.169.254:80", f"[fe80::a9fe:a9fe]%{device}:80"]


@both
def test_the_file_is_as_neutron_writes_it(openstack, networks, folder, socket, kind):
    """Neutron's own code writes it once more, elsewhere, from what the agents tell it."""
    proxy = networks[kind].proxy
    if kind == "routed":
        place = {"router_id": proxy.uuid, "network_id": None, "host": "::", "port": 9697}
        place |= {"host_v6": None, "interface": None}
    else:
        place = {"router_id": None, "network_id": proxy.uuid, "host": "169.254.169.254", "port": 80}
        place |= {"host_v6": "fe80::a9fe:a9fe", "interface": networks[kind].devices()[0]}
    place["pid_file"] = str(proxy.pid_file)
    written = written_by_neutron(openstack, folder, socket, PROXY_USER, PROXY_GROUP, place)
    assert proxy.file.read_text() == written


# MARK: Death, deletion, restarts


@both
def test_a_proxy_that_was_killed_is_started_again(networks, node, agent, haproxy, kind):
    """Its listeners went with it, though a guest keeps a connection open that came by one of them: a listener that
    somebody still holds would take connections that nobody accepts."""
    network, proxy = networks[kind], networks[kind].proxy
    before, listeners = proxy.pid, proxy.listeners()
    with network.open_connection(network.guests[1]):
        os.kill(before, signal.SIGKILL)
        proxy.wait(but=before)
        assert proxy.listeners() == listeners
        eventually(network.is_served, 30, "an answer after the kill")
        network.all_served(agent)
    assert proxy.program.is_relative_to(haproxy.parent)
    assert proxy.processes() == [proxy.pid]
    name = "l3" if kind == "routed" else "dhcp"
    assert f"Respawning metadata-proxy for uuid {proxy.uuid}" in node[name].log.read_text()


def test_rootwrap_starts_and_kills_it_by_our_filters(networks, node, haproxy, folder):
    """Where no haproxy is in exec_dirs, and for agents of Pike to Victoria, which kill through rootwrap: their own
    filter wants the program in a folder of the PATH. What `make install` does with the file is done here."""
    place = folder / "rootwrap.d"
    place.mkdir()
    filters = (programs.ROOT / "packaging/rootwrap/bellhop.filters").read_text()
    (place / "bellhop.filters").write_text(filters.replace("/usr/lib/bellhop", str(haproxy.parent)))
    configuration = folder / "rootwrap.conf"
    configuration.write_text(f"[DEFAULT]\nfilters_path = /etc/neutron/rootwrap.d,{place}\nexec_dirs = /usr/bin,/bin\n")

    def rootwrap(*words):
        path = f"{haproxy.parent}:{ENVIRONMENT['PATH']}"
        return programs.run([*node.prefix(), "neutron-rootwrap", configuration, *words], folder, 60, {"PATH": path})

    status, _, err = rootwrap("ip", "netns", "exec", "node", "haproxy", "-f", "/no/file")
    assert status == 1 and "[ALERT]" in err and "/no/file" in err, err
    network, before = networks["routed"], networks["routed"].proxy.pid
    status, _, err = rootwrap("kill", "-9", before)
    assert status == 0, err
    network.proxy.wait(but=before)
    eventually(network.is_served, 30, "an answer after the kill")


@both
def test_deleting_a_network_stops_its_proxy_and_leaves_nothing(openstack, node, agent, kind):
    """No process, no file, no namespace; not even one without a name, as a listener that is still held would keep."""
    network = NodeNetwork(openstack, f"short-{kind}", 3, "green", is_routed=kind == "routed")
    build(network)
    network.all_served(agent)
    proxy, pid, identity = network.proxy, network.proxy.pid, node.namespace_id(network.proxy.namespace)
    network.delete()
    eventually(lambda: not programs.is_alive(pid), 30, "the end of the proxy")
    eventually(lambda: proxy.namespace not in node.namespaces(), 30, "the end of the namespace's name")
    eventually(lambda: not proxy.pid_file.exists() and not proxy.file.exists(), 30, "the end of its files")
    eventually(lambda: identity not in node.namespace_ids(), 30, "the end of the namespace")


def test_a_router_without_interfaces_keeps_its_proxy_and_serves_when_they_are_back(networks, agent):
    network = networks["routed"]
    before = network.proxy.pid
    subnets = network.remove_interfaces()
    eventually(lambda: not network.devices(), 30, "the end of the router's devices")
    assert network.proxy.pid == before
    assert network.ask(network.guests[0], seconds=2).status == 0, "nobody is the guest's gateway"
    network.add_interfaces(subnets)
    network.ready()
    eventually(network.is_served, 60, "an answer from the router that is back")
    network.all_served(agent)
    assert network.proxy.processes() == [before]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_the_l3_agent_restarts_and_keeps_its_proxy(networks, node, agent, how):
    """Whoever asks meanwhile gets its answer, or none at all for a moment: an L3 agent that starts applies a router's rules
    first without and then with the redirect of metadata requests, whoever serves them."""
    network = networks["routed"]
    before, log = network.proxy.pid, node["l3"].log
    seen = log.stat().st_size

    def has_caught_up():
        return f"Finished a router update for {network.router['id']}".encode() in log.read_bytes()[seen:]

    answers = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        restart = pool.submit(node.restart, "l3", number=how)
        deadline = time.monotonic() + 90
        while not (restart.done() and has_caught_up()) and time.monotonic() < deadline:
            answers.append(network.ask(network.guests[0]).status)
        restart.result()
    assert has_caught_up()
    assert set(answers) <= {0, 200} and answers.count(200) > len(answers) // 2, answers
    assert network.proxy.processes() == [network.proxy.pid] == [before]
    assert network.proxy.listeners() == ["*:9697"]
    network.all_served(agent)


def test_the_dhcp_agent_restarts_and_replaces_its_proxy(networks, node, agent, haproxy):
    """As it does with haproxy: once for each network after its own start, so that new settings take effect."""
    network, proxy = networks["isolated"], networks["isolated"].proxy
    before, listeners = proxy.pid, proxy.listeners()
    with network.open_connection(network.guests[1]):
        node.restart("dhcp")
        proxy.wait(but=before)
        eventually(network.is_served, 30, "an answer from the next proxy")
        eventually(lambda: not programs.is_alive(before), 10, "the end of the old proxy")
        assert proxy.listeners() == listeners
        network.all_served(agent)
    assert proxy.program.is_relative_to(haproxy.parent)
    assert proxy.processes() == [proxy.pid]


def test_our_metadata_agent_restarts_and_no_guest_is_refused(networks, agent):
    """The proxies hand their listeners over again; who asks meanwhile waits."""
    agent.stop()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(network.ask, network.guests[1]) for network in networks.values()]
        agent.start()
        assert [job.result().status for job in asked] == [200, 200]
    for network in networks.values():
        guest = network.guests[0]
        eventually(lambda: network.served(agent, guest) == guest.instance_id, 20, "the hand-over")  # noqa: B023


# MARK: Debian's own program, on the same node


def test_the_path_decides_which_program_is_started(node, haproxy, folder):
    """Not exec_dirs, where ours comes first as well: rootwrap only looks there whether a program exists. Debian's sudo
    sets the PATH to its secure_path."""
    words = ["neutron-rootwrap", node.etc / "rootwrap.conf", "ip", "netns", "exec", "node", "haproxy", "-f", "/no/file"]
    said = {}
    for path in (ENVIRONMENT["PATH"], f"{haproxy.parent}:{ENVIRONMENT['PATH']}"):
        status, _, said[path] = programs.run([*node.prefix(), *words], folder, 60, {"PATH": path})
        assert status == 1 and "[ALERT]" in said[path] and "/no/file" in said[path], said[path]
    assert [f"path to executable is {DEBIANS}" in words for words in said.values()] == [True, False]


def test_a_node_is_switched_back_to_debians_haproxy_and_over_again(networks, node, agent, haproxy, debians, ours):
    """As docs/operations.md tells an operator. Debian's program is also the control: it serves the same guests."""
    routed, isolated = networks["routed"], networks["isolated"]
    before = [network.proxy.pid for network in networks.values()]
    node.configure(debians)
    node.restart("l3", "dhcp")
    # The DHCP agent has replaced its proxy; the L3 agent keeps one that runs, and replaces one that has died.
    os.kill(routed.proxy.pid, signal.SIGTERM)
    for network, pid in zip(networks.values(), before):
        network.proxy.wait(but=pid)
        eventually(lambda: not programs.is_alive(pid), 30, "the end of our proxy")  # noqa: B023
        eventually(network.is_served, 30, f"an answer on {network.name}")
        network.all_served(agent, mark="<local>")
        assert network.proxy.program == DEBIANS
        assert network.proxy.processes() == [network.proxy.pid]

    before = [network.proxy.pid for network in networks.values()]
    node.configure(ours)
    node.restart("l3", "dhcp")
    isolated.proxy.wait(but=before[1])
    node.run("env", f"STATE_PATH={node.state}", f"PROGRAM={haproxy}", "sh", "-euc", TAKE_OVER)
    for network, pid in zip(networks.values(), before):
        eventually(lambda: not programs.is_alive(pid), 30, "the end of Debian's haproxy")  # noqa: B023
        network.all_served(agent)
        assert network.proxy.program.is_relative_to(haproxy.parent)
        assert network.proxy.processes() == [network.proxy.pid]
