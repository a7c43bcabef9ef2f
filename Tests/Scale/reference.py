"""The chain of today: Debian's haproxy in each namespace, and Neutron's agent in Python."""

from Harness import programs, wire
from Harness.programs import Program
from memory import family

AGENT = "/usr/bin/neutron-metadata-agent"


def start_agent(folder, workers):
    """Without a message bus it can answer nobody, but it starts, serves its socket and has its size."""
    socket = folder / "reference"
    configuration = folder / "reference.ini"
    configuration.write_text(
        f"[DEFAULT]\nstate_path = {folder}\nmetadata_proxy_socket = {socket}\nmetadata_workers = {workers}\n"
        f"nova_metadata_host = 127.0.0.1\nlog_file = {folder}/reference.log\n"
        "transport_url = rabbit://nobody:nothing@127.0.0.1:1/\n"
    )
    program = Program([AGENT, "--config-file", configuration], folder, "reference")
    program.wait_until(lambda: wire.accepts(socket), 60, "the socket of Neutron's agent")
    return program


def stop_agent(agent):
    """With its workers, which may not hear of it in time while they look for their message bus."""
    members = family(agent.pid)
    agent.kill()
    for pid in members:
        programs.end_process(pid)
