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
    """Memory that each of these processes has for itself, and their share of all that they use, in KiB.

    Pages of program files are not counted as private even while nobody else maps them: the kernel can drop them, and
    the next process of the kind shares them. They are in the share (PSS).
    """
    total = {"private": 0, "pss": 0}
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, value = line.split(":")
            if name == "Private_Dirty":
                total["private"] += int(value.split()[0])
            elif name == "Pss":
                total["pss"] += int(value.split()[0])
    return total

