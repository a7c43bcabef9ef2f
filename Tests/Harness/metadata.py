"""A metadata service that is scripted target by target, and `bellhop storm` against it."""

import json

from . import programs
from .servers import ScriptedServer, reply

OLD, NEW = "cloud-init-22.4", "cloud-init-26"
VERSION = "/openstack/2018-08-27"
METADATA, USER_DATA = f"{VERSION}/meta_data.json", f"{VERSION}/user_data"
TREE = "/latest/meta-data/"
INSTANCE = "f2b1c0de-0000-4000-8000-000000000010"
# What Nova says of an instance with one key.
DOCUMENTS = {
    "/openstack": "2012-08-10\n2018-08-27\n2020-10-14\nlatest",
    METADATA: json.dumps({"uuid": INSTANCE, "files": [], "meta": {}}),
    USER_DATA: "#cloud-config\n",
    f"{VERSION}/vendor_data.json": "{}",
    f"{VERSION}/vendor_data2.json": "{}",
    f"{VERSION}/network_data.json": '{"links": []}',
    TREE: "ami-id\nplacement/\npublic-keys/\nhostname",
    f"{TREE}placement/": "availability-zone",
    f"{TREE}placement/availability-zone": "nova",
    f"{TREE}public-keys/": "0=alice",
    f"{TREE}public-keys/0/openssh-key": "ssh-ed25519 AAAA alice",
    f"{TREE}ami-id": "ami-1",
    f"{TREE}hostname": "web",
}
BOOT = ["/openstack", *DOCUMENTS]


class Metadata(ScriptedServer):
    """A service that answers from DOCUMENTS, but for targets in `changed`: bytes, Steps, or a list of them in turn."""

    def __init__(self, changed=None):
        self.changed = changed or {}
        super().__init__(self._respond)

    def _respond(self, message):
        target = message.target.decode()
        answer = self.changed.get(target)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is not None:
            return answer
        return reply(body=DOCUMENTS[target].encode()) if target in DOCUMENTS else reply(404)

    @property
    def at(self):
        return f"--at={self.host}:{self.port}"

    @property
    def targets(self):
        return [message.target.decode() for message in self.requests]


def storm(folder, *words, seconds=60.0):
    """Exit status, report and what went to standard error."""
    command = [programs.BELLHOP, "storm", "--report", "json", *words]
    status, out, err = programs.run(command, folder, seconds=seconds)
    return status, json.loads(out) if out else None, err


def outcomes(path):
    """The boots of a details file by port of their target."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {int(line["target"].rpartition(":")[2]): line for line in lines}
