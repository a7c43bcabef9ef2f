#!/bin/sh
# Runs every check, one layer after another, and ends with one line that counts all of them.
#
# A layer that fails does not keep the later ones from running, as long as they can; the exit status is 0 only if
# everything passed. Each layer leaves JUnit files in .build/test-results; scripts/sum-results.py adds them up.
set -u

cd "$(dirname "$0")/.." || exit 1
results=.build/test-results
rm -rf $results
mkdir -p $results
started=$(date +%s)

# layer NAME COMMAND...: runs the command; a failure without a failed test of its own counts as one.
layer() {
    name=$1
    shift
    echo
    echo "== $name"
    before=$(date +%s)
    "$@"
    status=$?
    echo "$status" >"$results/$name.status"
    echo "== $name: exit $status after $(($(date +%s) - before)) s"
    return $status
}

layer setup scripts/setup.sh stack || exit 1
layer lint scripts/lint.sh Sources Tests Fuzz Package.swift
layer unit scripts/test-unit.sh
# Long enough to replay the corpus and to show that the target still builds; `make fuzz` searches.
layer fuzz make --no-print-directory fuzz FUZZ_SECONDS=20
if layer release "${SWIFT:-swift}" build --configuration release --static-swift-stdlib; then
    layer blackbox scripts/test-pytest.sh BlackBox
    layer messagebus scripts/test-pytest.sh MessageBus
    layer endtoend scripts/test-pytest.sh EndToEnd
    layer openstack scripts/test-pytest.sh OpenStack
fi

echo
echo "all layers: $(($(date +%s) - started)) s"
exec /usr/bin/python3 -B scripts/sum-results.py $results
