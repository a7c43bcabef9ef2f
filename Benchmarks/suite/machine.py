"""What the figures were measured on and with: machine, versions, commit, date, command."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

from .workshop import ROOT


def _said(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def describe(contenders, command):
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    release = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    changed = " with changes" if _said("git", "status", "--porcelain", "--", "Sources", "Package.swift") else ""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command,
        "commit": _said("git", "rev-parse", "--short", "HEAD") + changed,
        "processor": processor[1] if processor else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 1_048_576) if memory else None,
        "kernel": platform.release(),
        "system": release[1] if release else "",
        "swift": _said("swift", "--version").splitlines()[0] if _said("swift", "--version") else "",
        "congestion_control": pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        # Of the last minute before the start. Above about 0.3, somebody else was using the machine.
        "load_average": os.getloadavg()[0],
        "versions": {contender.key: contender.versions() for contender in contenders},
    }
