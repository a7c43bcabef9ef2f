"""`make install`: which files come where, with which owner and mode, and what of the host's own stays as it is."""

import configparser
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from Harness import personality, programs, wire
from Harness.handover import Handover
from Harness.programs import eventually

# The directories of the three layouts that docs/operations.md names.
LAYOUTS = {
    "default": ({}, "/usr/local", "/etc", "/etc/neutron/rootwrap.d"),
    "package": ({"prefix": "/usr"}, "/usr", "/etc", "/usr/share/neutron/rootwrap"),
    "apart": (
        {"prefix": "/opt/bellhop", "sysconfdir": "/opt/bellhop/etc"},
        "/opt/bellhop",
        "/opt/bellhop/etc",
        "/opt/bellhop/etc/neutron/rootwrap.d",
    ),
}
IS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to a group")


@pytest.fixture(scope="module")
def stripped(tmp_path_factory):
    """The programs without debug information, so that a dozen installations do not copy gigabytes."""
    folder = tmp_path_factory.mktemp("programs")
    for program in (programs.AGENT, programs.PROXY, personality.STANDBY, programs.BELLHOP):
        subprocess.run(["strip", "-o", folder / program.name, program], check=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def install(folder, stripped):
    """Runs `make install` into `folder`; what the calling `make` was told does not count."""

    def installer(umask=0o022, built=stripped, **variables):
        variables = {"DESTDIR": folder / "root", "STRIP": "", **variables}
        names = ("MAKE", "MFLAGS", "DESTDIR", "prefix", "sysconfdir", "STRIP")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(names)}
        return subprocess.run(
            ["make", "--no-print-directory", "install"] + [f"{key}={value}" for key, value in variables.items()],
            cwd=programs.ROOT,
            env={**environment, "BELLHOP_BIN": str(built)},
            umask=umask,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return installer


@pytest.fixture
def root(folder):
    """Stands for `/` of the host."""
    return folder / "root"


def mode(path):
    return path.stat().st_mode & 0o7777


def modes(root):
    """The modes of all files, by their path on the host."""
    return {f"/{path.relative_to(root)}": mode(path) for path in root.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_exactly_these_files_are_installed(install, root, layout):
    variables, prefix, sysconfdir, filters = LAYOUTS[layout]
    # A strict umask is that of whoever installs, and not a wish.
    done = install(umask=0o077, **variables)
    assert done.returncode == 0, done.stderr
    assert modes(root) == {
        f"{prefix}/bin/bellhop": 0o755,
        f"{prefix}/bin/neutron-metadata-agent": 0o755,
        f"{prefix}/bin/neutron-ns-metadata-proxy": 0o755,
        f"{prefix}/lib/bellhop/haproxy": 0o755,
        f"{prefix}/lib/bellhop/standby/haproxy": 0o755,
        f"{prefix}/lib/systemd/system/neutron-metadata-agent.service": 0o644,
        f"{prefix}/share/doc/bellhop/examples/lab.yaml": 0o644,
        f"{prefix}/share/doc/bellhop/examples/metadata_agent.ini.sample": 0o644,
        f"{prefix}/share/man/man1/bellhop.1": 0o644,
        f"{prefix}/share/man/man8/bellhop-haproxy.8": 0o644,
        f"{prefix}/share/man/man8/neutron-metadata-agent.8": 0o644,
        f"{prefix}/share/man/man8/neutron-ns-metadata-proxy.8": 0o644,
        f"{filters}/bellhop.filters": 0o644,
        f"{sysconfdir}/logrotate.d/bellhop": 0o644,
        f"{sysconfdir}/neutron/metadata_agent.ini": 0o640,
    }
    assert {mode(path) for path in root.rglob("*") if path.is_dir()} == {0o755}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_unit_and_pages_name_the_places_of_the_installation(install, root, layout):
    variables, prefix, sysconfdir, filters = LAYOUTS[layout]
    assert install(**variables).returncode == 0
    unit = (root / f"{prefix[1:]}/lib/systemd/system/neutron-metadata-agent.service").read_text()
    command = re.search(r"^ExecStart=((?:.*\\\n)*.*)$", unit, re.MULTILINE)[1].replace("\\\n", "").split()
    assert command[:3] == [
        f"{prefix}/bin/neutron-metadata-agent",
        f"--config-file={sysconfdir}/neutron/neutron.conf",
        f"--config-file={sysconfdir}/neutron/metadata_agent.ini",
    ]
    assert f"\nEnvironmentFile=-{sysconfdir}/default/neutron-metadata-agent\n" in unit
    pages = "".join(page.read_text() for page in (root / f"{prefix[1:]}/share/man").rglob("*.[18]"))
    assert f"{prefix}/share/doc/bellhop/examples/lab.yaml" in pages
    assert f"{filters}/bellhop.filters" in pages
    named = set(re.findall(r"(/\S+)/(?:examples/lab\.yaml|bellhop\.filters)", pages))
    assert named == {f"{prefix}/share/doc/bellhop", filters}
    named = set(re.findall(r"(/\S+)/haproxy\b", pages))
    assert named == {f"{prefix}/lib/bellhop", f"{prefix}/lib/bellhop/standby"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rootwraps_filters_name_the_programs_of_the_installation(install, root, layout):
    variables, prefix, _, filters = LAYOUTS[layout]
    assert install(**variables).returncode == 0
    found = read_filters(root / filters[1:] / "bellhop.filters")
    assert found == {
        "bellhop_ns_metadata_proxy": ["CommandFilter", "neutron-ns-metadata-proxy", "root"],
        "bellhop_kill_ns_metadata_proxy": ["KillFilter", "root", "neutron-ns-metadata-proxy", "-9"],
        "bellhop_haproxy": ["RegExpFilter", f"{prefix}/lib/bellhop/haproxy", "root", "haproxy", "-f", ".*"],
        "bellhop_kill_haproxy": ["KillFilter", "root", f"{prefix}/lib/bellhop/haproxy", "-9", "-15"],
        "bellhop_kill_haproxy_standby": ["KillFilter", "root", f"{prefix}/lib/bellhop/standby/haproxy", "-9", "-15"],
    }


def read_filters(path):
    """As rootwrap reads them."""
    parser = configparser.RawConfigParser()
    parser.read(path)
    return {name: [word.strip() for word in value.split(",")] for name, value in parser.items("Filters")}


def test_the_haproxy_of_the_installation_is_two_files_and_no_links(install, root):
    """Agents and rootwrap look at the name of the file that runs, and a link has another one behind it."""
    assert install().returncode == 0
    folder = root / "usr/local/lib/bellhop"
    for path in (folder / "haproxy", folder / "standby/haproxy"):
        assert path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1
    assert (folder / "haproxy").read_bytes() == (root / "usr/local/bin/neutron-ns-metadata-proxy").read_bytes()


@pytest.fixture
def installed(install, haproxy, folder):
    """`haproxy`, from an installation whose paths are real."""
    here = folder / "here"
    done = install(DESTDIR="", prefix=here, sysconfdir=here / "etc", STRIP="strip", built=programs.BIN)
    assert done.returncode == 0, done.stderr
    haproxy.program = str(here / "lib/bellhop/haproxy")
    haproxy.filters = here / "etc/neutron/rootwrap.d/bellhop.filters"
    return haproxy


def test_the_installed_haproxy_serves_and_stands_by(installed, agent):
    handover = Handover(agent, installed)
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy()
    assert personality.executable(pid) == pathlib.Path(installed.program).parent / "standby/haproxy"
    assert handover.get().status == 200
    program.stop()
    eventually(lambda: not personality.stands_by(pid), 10, "the whole program")
    assert personality.executable(pid) == pathlib.Path(installed.program)
    status = subprocess.run(["readelf", "-SW", installed.program], capture_output=True, text=True).stdout
    assert ".symtab" not in status


@pytest.mark.skipif(importlib.util.find_spec("oslo_rootwrap") is None, reason="oslo.rootwrap is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rootwrap_lets_the_agents_start_and_kill_both_programs(installed, agent):
    """By its own code, for the commands of Pike to Victoria."""
    from oslo_rootwrap import wrapper

    filters = wrapper.load_filters([str(installed.filters.parent)])
    # Any agent's own: it lets commands be started in namespaces, if what follows is allowed too.
    filters.append(wrapper.build_filter("IpNetnsExecFilter", "ip", "root"))
    start = ["haproxy", "-f", str(installed.path)]
    for words in (start, ["ip", "netns", "exec", "qrouter-1", *start]):
        assert wrapper.match_filter(filters, words, exec_dirs=["/usr/sbin", "/sbin", "/usr/bin", "/bin"])
    handover = Handover(agent, installed)
    handover.serve()
    program = handover.start_agent()
    pid = handover.start_proxy()

    def may_kill(number):
        try:
            return wrapper.match_filter(filters, ["kill", number, str(pid)]).name
        except wrapper.NoFilterMatched:
            return None

    assert [may_kill(number) for number in ("-9", "-15", "-1")] == ["bellhop_kill_haproxy_standby"] * 2 + [None]
    program.stop()
    eventually(lambda: not personality.stands_by(pid), 10, "the whole program")
    assert [may_kill(number) for number in ("-9", "-15", "-1")] == ["bellhop_kill_haproxy"] * 2 + [None]
    # After an upgrade the file that runs is no longer there under its name.
    os.rename(installed.program, installed.program + ".new")
    os.rename(installed.program + ".new", installed.program)
    assert may_kill("-9") == "bellhop_kill_haproxy"
    with pytest.raises(wrapper.NoFilterMatched):
        wrapper.match_filter(filters, ["kill", "-9", str(os.getpid())])
    assert wire.accepts(installed.where)


def test_what_is_installed_works(install, root, folder):
    """With the debug information taken out on the way, as by default."""
    done = install(built=programs.BIN, STRIP="strip")
    assert done.returncode == 0, done.stderr
    local = root / "usr/local"
    for name in ("neutron-metadata-agent", "neutron-ns-metadata-proxy", "bellhop"):
        status, out, err = programs.run([local / "bin" / name, "--version"], folder)
        assert (status, err) == (0, "") and out
        sections = subprocess.run(["readelf", "-SW", local / "bin" / name], capture_output=True, text=True).stdout
        assert ".text" in sections and ".debug_info" not in sections and ".symtab" not in sections
    status, _, err = programs.run(
        [local / "bin/bellhop", "check", "--inventory", local / "share/doc/bellhop/examples/lab.yaml"], folder
    )
    assert status == 0, err
    status, sample, _ = programs.run([local / "bin/bellhop", "sample-config"], folder)
    assert status == 0 and sample.startswith("[DEFAULT]\n")
    assert (root / "etc/neutron/metadata_agent.ini").read_text() == sample
    assert (local / "share/doc/bellhop/examples/metadata_agent.ini.sample").read_text() == sample


def test_what_the_operator_has_changed_stays(install, root):
    for path, text, permissions in (
        ("etc/neutron/metadata_agent.ini", "[DEFAULT]\nmetadata_proxy_shared_secret = mine\n", 0o600),
        ("etc/logrotate.d/bellhop", "# mine\n", 0o604),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(permissions)
    # The directory of Neutron's secrets is closed to others in some distributions.
    (root / "etc/neutron").chmod(0o750)
    done = install()
    assert done.returncode == 0, done.stderr
    assert (root / "etc/neutron/metadata_agent.ini").read_text().endswith("= mine\n")
    assert mode(root / "etc/neutron/metadata_agent.ini") == 0o600
    assert (root / "etc/logrotate.d/bellhop").read_text() == "# mine\n"
    assert mode(root / "etc/logrotate.d/bellhop") == 0o604
    assert mode(root / "etc/neutron") == 0o750
    for path in ("etc/neutron/metadata_agent.ini", "etc/logrotate.d/bellhop"):
        assert f"install: {root / path} is there and stays" in done.stdout


def test_a_link_in_the_place_of_the_configuration_stays(install, root):
    """A tool that keeps configurations elsewhere may not have put the file there yet."""
    path = root / "etc/neutron/metadata_agent.ini"
    path.parent.mkdir(parents=True)
    path.symlink_to("/nonexistent/metadata_agent.ini")
    assert install().returncode == 0
    assert path.is_symlink() and not path.exists()


def test_a_second_installation_replaces_what_is_ours(install, root):
    assert install().returncode == 0
    before = modes(root)
    ours = [
        "usr/local/bin/bellhop",
        "usr/local/lib/bellhop/haproxy",
        "usr/local/lib/bellhop/standby/haproxy",
        "usr/local/lib/systemd/system/neutron-metadata-agent.service",
        "usr/local/share/man/man1/bellhop.1",
        "etc/neutron/rootwrap.d/bellhop.filters",
    ]
    contents = [(root / path).read_bytes() for path in ours]
    for path in ours:
        (root / path).write_text("an older version\n")
    done = install()
    assert done.returncode == 0, done.stderr
    assert [(root / path).read_bytes() for path in ours] == contents
    assert modes(root) == before
    assert "is there and stays" not in done.stdout


@IS_ROOT
def test_a_new_configuration_belongs_to_the_group_of_the_service(install, root):
    # Any group that is there does; it is not root's, so that the test can fail.
    assert install(service_group="daemon").returncode == 0
    status = (root / "etc/neutron/metadata_agent.ini").stat()
    group = subprocess.run(["getent", "group", "daemon"], capture_output=True, text=True, check=True).stdout
    assert (status.st_uid, status.st_gid) == (0, int(group.split(":")[2]))
    assert status.st_gid != 0


def test_a_host_without_that_group_gets_a_closed_configuration(install, root):
    done = install(service_group="bellhop-no-such-group")
    assert done.returncode == 0, done.stderr
    status = (root / "etc/neutron/metadata_agent.ini").stat()
    assert (status.st_gid, status.st_mode & 0o777) == (os.getegid(), 0o640)


def test_without_programs_nothing_is_installed(install, root, folder):
    done = install(built=folder)
    assert done.returncode != 0
    assert "run 'make build' first" in done.stderr
    assert not root.exists()
