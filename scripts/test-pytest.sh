#!/bin/sh
# Runs one of the layers that start real programs: BlackBox, MessageBus, EndToEnd or OpenStack. Further words go to
# pytest, for example `-k pid_file`. BELLHOP_BIN names the folder of the programs under test; BELLHOP_STACK a running
# stack, which the OpenStack layer then uses and leaves as it is instead of starting one of its own; and
# BELLHOP_STACK_RELEASE=latest lets that one have the newest Neutron and Nova.
set -eu

cd "$(dirname "$0")/.."
layer=$1
shift
results=$PWD/.build/test-results
mkdir -p "$results"
export BELLHOP_BIN="${BELLHOP_BIN:-$PWD/.build/release}"
export PYTHONDONTWRITEBYTECODE=1

# Debian's own Python, for Debian's pytest; another one may come first in PATH.
set -- /usr/bin/python3 -m pytest -p no:cacheprovider -rs --tb=short -q \
    --junitxml "$results/$(echo "$layer" | tr '[:upper:]' '[:lower:]').xml" "Tests/$layer" "$@"

# Namespaces and the drop of privileges need root; without it those tests skip and say so.
if [ "$(id -u)" != 0 ] && [ "$layer" != BlackBox ] && [ "$layer" != MessageBus ] && sudo -n true 2>/dev/null; then
    set -- sudo -n env "BELLHOP_BIN=$BELLHOP_BIN" "BELLHOP_STACK=${BELLHOP_STACK:-}" \
        "BELLHOP_STACK_RELEASE=${BELLHOP_STACK_RELEASE:-}" PYTHONDONTWRITEBYTECODE=1 "$@"
fi
exec "$@"
