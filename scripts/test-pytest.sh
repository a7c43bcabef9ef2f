#!/bin/sh
# Runs one of the layers that start real programs: `test-pytest.sh BlackBox` or `test-pytest.sh EndToEnd`. Further
# words go to pytest, for example `-k pid_file`. BELLHOP_BIN names the folder of the programs under test.
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
if [ "$(id -u)" != 0 ] && [ "$layer" = EndToEnd ] && sudo -n true 2>/dev/null; then
    set -- sudo -n env "BELLHOP_BIN=$BELLHOP_BIN" PYTHONDONTWRITEBYTECODE=1 "$@"
fi
exec "$@"
