"""Runs a program under valgrind's callgrind, and reads what it wrote."""

import collections
import pathlib
import re
import shutil
import subprocess

from .workshop import BenchError


def words(files):
    """What to put before a program's words. `files` is where its numbers go."""
    return ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={files}.%p"]


def control(order, pid):
    done = subprocess.run(["callgrind_control", order, str(pid)], capture_output=True, text=True)
    if "OK" not in done.stdout:
        raise BenchError(f"callgrind_control {order} {pid}: {done.stdout}{done.stderr}")


def dump_file(files, pid, number):
    return pathlib.Path(f"{files}.{pid}.{number}")


def self_costs(path):
    """{function: instructions}, without those of the functions it calls.

    The format is in valgrind's manual. Names are written once and referred to by number; the line after `calls=` is
    the cost of the call, which is the other function's.
    """
    names, costs = {}, collections.Counter()
    function, is_call = None, False
    with open(path) as file:
        for line in file:
            if line.startswith(("fn=", "cfn=")):
                number, name = re.match(r"c?fn=\((\d+)\)(?: (.*))?", line).groups()
                if name:
                    names[number] = name
                if line.startswith("fn="):
                    function = names[number]
            elif line.startswith("calls="):
                is_call = True
            elif function and (cost := re.match(r"[+\-*\d]\S* (\d+)", line)):
                if not is_call:
                    costs[function] += int(cost[1])
                is_call = False
    return costs


def demangled(names):
    """Swift's names as a person writes them, if the toolchain is there."""
    if not shutil.which("swift"):
        return names
    done = subprocess.run(["swift", "demangle", "-simplified"], input="\n".join(names), capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else names
