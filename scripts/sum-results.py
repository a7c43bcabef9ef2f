"""Adds up the JUnit files of all test layers and prints one line: N passed, N failed, N skipped.

A layer that ended badly without naming a failed test (a crash, a build error, a lint finding) counts as one failure,
and a layer of tests that ended well but left no results counts as one too: nothing may pass by not running.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

TEST_LAYERS = ("unit", "blackbox", "messagebus", "endtoend", "openstack")


def counts(path):
    """Passed, failed and skipped of one JUnit file, by its test cases (suite totals differ between writers)."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            failed += 1
        elif "skipped" in outcomes:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main():
    results = pathlib.Path(sys.argv[1])
    total = [0, 0, 0]
    for status_file in sorted(results.glob("*.status"), key=lambda path: path.stat().st_mtime):
        layer = status_file.stem
        status = int(status_file.read_text())
        layer_total = [0, 0, 0]
        for path in sorted(results.glob(f"{layer}*.xml")):
            for index, number in enumerate(counts(path)):
                layer_total[index] += number
        silent = layer in TEST_LAYERS and sum(layer_total) == 0
        if (status != 0 or silent) and layer_total[1] == 0:
            layer_total[1] = 1
        if sum(layer_total):
            print(f"  {layer:10} {layer_total[0]} passed, {layer_total[1]} failed, {layer_total[2]} skipped")
        total = [sum(pair) for pair in zip(total, layer_total)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


sys.exit(main())
