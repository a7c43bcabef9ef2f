"""What processes cost: their memory, themselves and their threads, by /proc."""

import dataclasses
import os
import pathlib


@dataclasses.dataclass(frozen=True)
class Cost:
    """Memory in KiB. `private` is what no other process has mapped; `dirty` is that of it which is not in a file, the
    part that grows with each process, while files' pages are private only to the first that maps them; PSS counts
    shared pages by share, so it is the one that can be added up over processes that were forked from one."""

    processes: int = 0
    threads: int = 0
    private: int = 0
    dirty: int = 0
    pss: int = 0

    def __add__(self, other):
        return Cost(*(mine + theirs for mine, theirs in zip(dataclasses.astuple(self), dataclasses.astuple(other))))


def cost(pids):
    """Of all of them together."""
    total = Cost()
    for pid in pids:
        fields = {}
        for file in ("status", "smaps_rollup"):
            for line in pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines():
                name, colon, value = line.partition(":")
                if colon and value.split() and value.split()[0].isdigit():
                    fields[name] = int(value.split()[0])
        dirty = fields["Private_Dirty"]
        total += Cost(1, fields["Threads"], fields["Private_Clean"] + dirty, dirty, fields["Pss"])
    return total


def family(pid):
    """A process and all its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = pathlib.Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1]
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(int(parent), []).append(int(entry))
    found, new = [], [pid]
    while new:
        found += new
        new = [child for parent in new for child in children.get(parent, [])]
    return found
