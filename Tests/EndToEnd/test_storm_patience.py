"""Simulated guests and Debian's cloud-init against the same faulty service: the same requests, and the same losses.

Each fault has a namespace of its own, without any link, so all of them run at once. Debian 12 has release 22.4.
"""

import concurrent.futures
import json
import pathlib
import secrets
import shutil
import subprocess
import tempfile

import pytest

from chain import cloud_init_environment
from Harness import namespaces, programs

VERSION = "/openstack/2018-08-27"
TREE = "/latest/meta-data/"
DOCUMENTS = {
    "/openstack": "2018-08-27\nlatest",
    f"{VERSION}/meta_data.json": json.dumps({"uuid": "f2b1c0de-0000-4000-8000-000000000010", "name": "web"}),
    f"{VERSION}/user_data": "#cloud-config\n",
    f"{VERSION}/vendor_data.json": "{}",
    f"{VERSION}/vendor_data2.json": "{}",
    f"{VERSION}/network_data.json": '{"links": [], "networks": [], "services": []}',
    TREE: "ami-id\nplacement/\npublic-keys/",
    f"{TREE}placement/": "availability-zone",
    f"{TREE}placement/availability-zone": "nova",
    f"{TREE}public-keys/": "0=alice\n1=bob",
    f"{TREE}public-keys/0/openssh-key": "ssh-ed25519 AAAA alice",
    f"{TREE}public-keys/1/openssh-key": "ssh-ed25519 BBBB bob",
    f"{TREE}ami-id": "ami-1",
}
GOOD = {"body": "fine"}
FILES = {"uuid": "u", "files": [{"path": "/a", "content_path": "/content/0000"}], "name": "x"}


def failing(status, times=99):
    return [{"status": status}] * times


# What differs from a service without faults: target to answers.
FAULTS = {
    "none": {},
    "first question 503": {"/openstack": failing(503)},
    "first question 404": {"/openstack": failing(404)},
    "first question empty": {"/openstack": [{"body": ""}]},
    "first question closed": {"/openstack": [{"closes": True}]},
    "list of versions fails": {
        "/openstack": [{"body": "2018-08-27"}, {"status": 500}],
        **{target.replace("2018-08-27", "latest"): [{"body": body}] for target, body in DOCUMENTS.items()},
    },
    "unknown versions": {
        "/openstack": [{"body": "2030-01-01\n 2013-04-04 \n"}],
        **{target.replace("2018-08-27", "2013-04-04"): [{"body": body}] for target, body in DOCUMENTS.items()},
    },
    "metadata 500": {f"{VERSION}/meta_data.json": failing(500)},
    "metadata broken": {f"{VERSION}/meta_data.json": [{"body": "{"}]},
    "metadata without id": {f"{VERSION}/meta_data.json": [{"body": "{}"}]},
    "files": {
        f"{VERSION}/meta_data.json": [{"body": json.dumps({**FILES, "network_config": {"content_path": "/c/1"}})}],
        "/openstack/content/0000": [GOOD],
        "/openstack/c/1": [GOOD],
    },
    "file missing": {f"{VERSION}/meta_data.json": [{"body": json.dumps(FILES)}]},
    "user data 500": {f"{VERSION}/user_data": failing(500)},
    "user data closed twice": {f"{VERSION}/user_data": [{"closes": True}, {"closes": True}, GOOD]},
    "user data closed": {f"{VERSION}/user_data": [{"closes": True}]},
    "user data cut": {f"{VERSION}/user_data": [{"body": "#cloud-config\n", "cut": 4}]},
    "vendor data broken": {f"{VERSION}/vendor_data.json": [{"body": "{"}]},
    "network data 503": {f"{VERSION}/network_data.json": failing(503)},
    "network data a number": {f"{VERSION}/network_data.json": [{"body": "7"}]},
    "tree missing": {TREE: failing(404)},
    "item of the tree once 503": {f"{TREE}ami-id": [*failing(503, 1), GOOD]},
    "item of the tree 500": {f"{TREE}placement/availability-zone": failing(500)},
    "odd names in the tree": {
        TREE: [{"body": "a b\nx=y\nsecurity-credentials/\n\n  c/\r\nc/\n"}],
        f"{TREE}a%20b": [GOOD],
        f"{TREE}x%3Dy": [GOOD],
        f"{TREE}c/": [{"body": ""}],
    },
}


class Place:
    """A namespace with the service's address on its own loopback, and the service with one fault."""

    names = []

    def __init__(self, folder, number, fault):
        self.folder = folder / str(number)
        self.folder.mkdir()
        self.table = {target: [{"body": body}] for target, body in DOCUMENTS.items()} | FAULTS[fault]
        self.namespace = namespaces.Namespace(f"bh-{secrets.token_hex(3)}-{number}", self)
        self.namespace.ip("addr", "add", f"{namespaces.METADATA}/32", "dev", "lo")

    def with_service(self, name, ask):
        """What `ask` returns, and the targets that were asked for meanwhile."""
        table, log = self.folder / f"{name}.json", self.folder / f"{name}.log"
        table.write_text(json.dumps(self.table))
        words = ["/usr/bin/python3", pathlib.Path(__file__).with_name("faulty_service.py"), table, log]
        service = programs.Program(words, self.folder, name, before=self.namespace.prefix)
        try:
            service.wait_until(lambda: ":80 " in self.namespace.run("ss", "-Hltn").stdout)
            told = ask()
        finally:
            service.kill()
        return told, log.read_text().splitlines()

    def cloud_init(self):
        script = pathlib.Path(__file__).with_name("default_boot.py")
        words = [*self.namespace.prefix, "/usr/bin/python3", script, self.folder]
        done = subprocess.run(words, capture_output=True, env=cloud_init_environment(), timeout=120)
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        return json.loads(done.stdout)

    def simulated(self):
        words = [programs.BELLHOP, "storm", "--quiet", "--expect-user-data", f"--namespace={self.namespace.name}"]
        details = self.folder / "boots.jsonl"
        subprocess.run([*words, "--seconds=100", "--details", details], capture_output=True, timeout=120)
        boot = json.loads(details.read_text())
        found = boot["outcome"] != "no data source"
        return {"found": found, "lost": boot["lost"] if found else []}


@pytest.fixture(scope="module")
def stories():
    """For each fault what cloud-init made of it and what the simulated guest did: (told, targets) each."""
    if cloud_init_environment() is None:
        pytest.skip("Debian's cloud-init is not there: run `make setup`")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-"))
    try:
        try:
            places = {fault: Place(folder, number, fault) for number, fault in enumerate(FAULTS)}
        except namespaces.Unavailable as reason:
            pytest.skip(f"no namespaces here: {reason}")

        def tell(place):
            return place.with_service("real", place.cloud_init), place.with_service("simulated", place.simulated)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            yield dict(zip(places, pool.map(tell, places.values())))
    finally:
        for name in Place.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        Place.names.clear()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("fault", FAULTS)
def test_both_ask_the_same_and_lose_the_same(stories, fault):
    (real, real_targets), (simulated, simulated_targets) = stories[fault]
    assert simulated_targets == real_targets
    assert simulated == {"found": real["found"], "lost": sorted(real["lost"])}
