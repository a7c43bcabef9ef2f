"""What a contender costs, from the kernel's own books: CPU time and memory of all its processes."""

import pathlib
import time


def cpu_seconds(pids):
    """User and system time of these processes so far, with all their threads, ended ones included.

    The kernel's clock of another process (`clock_getcpuclockid`), which is as exact as its scheduler: nanoseconds,
    where /proc/PID/stat counts ticks.
    """
    return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in pids) / 1e9


def thread_seconds(pid):
    """The same for each living thread: {thread id: (name, seconds)}."""
    result = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        nanoseconds = int((task / "schedstat").read_text().split()[0])
        result[int(task.name)] = ((task / "comm").read_text().strip(), nanoseconds / 1e9)
    return result


def memory_kib(pids):
    """Memory that only these processes use, and their share of what they share with others, in KiB."""
    total = {"private": 0, "pss": 0}
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, value = line.split(":")
            if name in ("Private_Clean", "Private_Dirty"):
                total["private"] += int(value.split()[0])
            elif name == "Pss":
                total["pss"] += int(value.split()[0])
    return total


def context_switches(pids):
    """Voluntary ones of all threads so far: how often they went to sleep."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
    return total
