"""What a node needs to run the programs: Debian's own libraries and nothing of Swift's."""

import re
import subprocess

import pytest

from Harness import programs

PROGRAMS = [programs.AGENT, programs.PROXY, programs.BELLHOP]
BY_NAME = pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
IS_RELEASE = pytest.mark.skipif(
    "release" not in str(programs.BIN.resolve()), reason="only a release build carries the Swift runtime inside"
)


def libraries(program):
    """The names and paths of the shared libraries that the loader would take."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^\s*(\S+) => (.*?)(?: \(0x[0-9a-f]+\))?$", listed, re.MULTILINE)


@IS_RELEASE
@BY_NAME
def test_only_libraries_of_debian_are_linked(program):
    for name, path in libraries(program):
        assert path.startswith(("/lib/", "/usr/lib/")), f"{name} comes from {path}"
        assert not re.match(r"lib(swift|Foundation|_Foundation|dispatch|BlocksRuntime)", name), name
        # Upgrading and security fixes come with the package; a file no package owns would get none.
        candidates = {path, path.removeprefix("/usr"), "/usr" + path}
        owners = [subprocess.run(["dpkg", "-S", one], capture_output=True).returncode for one in candidates]
        assert 0 in owners, f"{path} belongs to no Debian package"


@IS_RELEASE
def test_the_namespace_proxy_contains_neither_foundation_nor_nio():
    symbols = subprocess.run(["nm", programs.PROXY], capture_output=True, text=True).stdout
    if not symbols:
        pytest.skip("the program is stripped")
    for module in ("20FoundationEssentials", "10Foundation", "7NIOCore", "8NIOPosix"):
        assert not re.search(rf"\$s{module}", symbols), f"the proxy exists once per network and links {module}"


@BY_NAME
def test_version_is_printed_with_the_name_of_the_program(program, folder):
    status, out, err = programs.run([program, "--version"], folder)
    assert status == 0, err
    assert re.search(r"\d+\.\d+", out), out
    assert err == ""


@BY_NAME
def test_help_names_the_options_and_ends_well(program, folder):
    status, out, err = programs.run([program, "--help"], folder)
    assert status == 0, err
    expected = {
        programs.AGENT: ["--config-file", "--config-dir", "--state_path", "--log-file", "--debug"],
        programs.PROXY: ["--network_id", "--router_id", "--pid_file", "--metadata_port", "--metadata_proxy_socket"],
        programs.BELLHOP: ["serve", "check", "sample-config"],
    }[program]
    for word in expected:
        assert word in out
