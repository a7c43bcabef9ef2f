#!/bin/sh
# Runs the unit tests of every target in a debug build whose warnings are errors. Further words go to `swift test`,
# for example `scripts/test-unit.sh --filter HTTPWireTests`.
set -eu

cd "$(dirname "$0")/.."
results=.build/test-results
mkdir -p $results
export BELLHOP_STRICT=1
exec "${SWIFT:-swift}" test --disable-xctest --xunit-output "$results/unit.xml" "$@"
