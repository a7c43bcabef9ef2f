#!/bin/sh
# Starts `bellhop serve` with an inventory in the foreground, asks it one question as a guest would, and prints what to
# try next. Ctrl-C stops it. The address is the one that the example inventory listens on.
set -eu

cd "$(dirname "$0")/.."
inventory=${1:-examples/lab.yaml}
program=${BELLHOP_BIN:-.build/release}/bellhop
base=http://127.0.0.1:8169

# Through a proxy of the environment, this host would be another one.
ask() { curl --silent --noproxy '*' "$@"; }

if ask --output /dev/null --max-time 2 "$base/"; then
    echo "run: something answers at $base already; stop that first" >&2
    exit 1
fi

"$program" serve --inventory "$inventory" &
server=$!
trap 'kill -TERM $server 2>/dev/null || true' INT TERM

attempts=0
until ask --output /dev/null --max-time 2 "$base/"; do
    kill -0 $server 2>/dev/null || { wait $server; exit $?; }
    attempts=$((attempts + 1))
    if [ $attempts -ge 100 ]; then
        echo "run: nothing answers at $base" >&2
        kill -TERM $server
        exit 1
    fi
    sleep 0.1
done

cat <<END

  A guest asks: curl $base/openstack/latest/meta_data.json

$(ask --max-time 5 "$base/openstack/latest/meta_data.json")

  Try, in another terminal:

      curl $base/openstack/latest/user_data
      curl --interface 127.0.0.2 $base/latest/meta-data/

  The second one asks as another instance: the address tells who is asking.

  All answers come from $inventory. Ctrl-C stops the service.

END
# A signal ends the first wait; the second one hears how the server ended.
wait $server || wait $server
