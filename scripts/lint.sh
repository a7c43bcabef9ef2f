#!/bin/sh
# Checks what a machine can check without building: formatting, shell scripts, Python syntax, and the rules of the
# source tree. Every finding is one line that says what to do; the exit status is 1 if there was any.
set -u

cd "$(dirname "$0")/.." || exit 1
findings=0

finding() {
    echo "lint: $*" >&2
    findings=1
}

"${SWIFT:-swift}" format lint --strict --parallel --recursive "$@" || finding "run 'make format'"

if command -v shellcheck >/dev/null; then
    shellcheck scripts/*.sh .ci/run Fuzz/run || finding "see shellcheck's advice above"
else
    echo "lint: shellcheck is not installed; the shell scripts were not checked" >&2
fi

/usr/bin/python3 -B - scripts Tests Benchmarks <<'PYTHON' || finding "a Python file does not parse"
import ast, pathlib, sys
for root in sys.argv[1:]:
    for path in pathlib.Path(root).rglob("*.py"):
        ast.parse(path.read_text(), str(path))
PYTHON

# Programs are built from versions of the day that satisfy Package.swift; a committed list would go stale unseen.
if git ls-files --error-unmatch Package.resolved >/dev/null 2>&1; then
    finding "Package.resolved is not to be committed: git rm --cached Package.resolved"
fi

# One process of the data plane runs per network: Foundation and SwiftNIO would cost each of them megabytes.
for target in MetadataModel HTTPWire RelayLoop RequestPath LinuxHost OsloConfig OsloLog NamespaceProxy \
    HaproxyConfig ListenerHandover Standby; do
    [ -d "Sources/$target" ] || continue
    if grep -rnE '^[a-z@() ]*import (Foundation|FoundationEssentials|NIO[A-Za-z]*)$' "Sources/$target"; then
        finding "Sources/$target may not import Foundation or SwiftNIO"
    fi
done

# What guests, files and servers send must never stop a process.
if grep -rnE '(^|[^A-Za-z])(try!|fatalError\(|preconditionFailure\()' Sources; then
    finding "bad input may not reach a stop of the process: throw an error instead"
fi

exit $findings
