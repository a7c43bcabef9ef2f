#!/bin/sh
# Installs the Debian packages that building, running and testing Bellhop need; nothing when all are there.
#
#   scripts/setup.sh build    what `make build` and `make run` need
#   scripts/setup.sh test     that, and what the tests outside of OpenStack need
#   scripts/setup.sh stack    that, and the OpenStack services of `make stack-up` and `make test-openstack`
#   scripts/setup.sh latest   that, and the newest Neutron and Nova, from PyPI, below .build
#   scripts/setup.sh bench    what building needs, and what `make bench` compares with and measures with
#
# No service is started, neither now nor at the next boot. haproxy and cloud-init, which would bring services along,
# are not installed at all: their packages are only unpacked under .build/tools, where the tests find them.
set -eu

cd "$(dirname "$0")/.."
tools=$PWD/.build/tools

# The Swift toolchain's own libraries, its linker's, then ours.
build_packages="
    libcurl4 libxml2 libsqlite3-0 libncurses6 libstdc++6 tzdata
    binutils libc6-dev libgcc-12-dev libstdc++-12-dev zlib1g-dev
    make git ca-certificates curl pkg-config libssl-dev librabbitmq-dev"

test_packages="
    python3 python3-pytest procps iproute2 iptables openssl util-linux shellcheck rabbitmq-server
    liblua5.3-0 libopentracing-c-wrapper0 libpcre2-8-0 libsystemd0
    python3-configobj python3-jinja2 python3-jsonpatch python3-jsonschema python3-netifaces python3-oauthlib
    python3-requests python3-serial python3-yaml"

# The services of OpenStack Zed, all of Debian 12; the stack's own scripts start them, on loopback and for a test only.
stack_packages="
    rabbitmq-server mariadb-server-core mariadb-client-core keystone neutron-api neutron-rpc-server
    neutron-metadata-agent neutron-l3-agent neutron-dhcp-agent neutron-linuxbridge-agent nova-api haproxy iproute2
    iptables procps python3-amqp python3-oslo.messaging openssl"

bench_packages="
    haproxy nginx-light neutron-metadata-agent rabbitmq-server python3-amqp python3-oslo.messaging openssl
    python3 gcc procps strace valgrind util-linux"

unpacked_packages="haproxy cloud-init"

say() { echo "setup: $*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "to install packages, run this as root or install sudo: $*" >&2
        exit 1
    fi
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

indexes_fresh=no
refresh_indexes() {
    [ $indexes_fresh = yes ] || as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
    indexes_fresh=yes
}

installed_names() { dpkg-query -W -f='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort; }

# What came with the packages just installed is not started at the next boot either. Services that were here stay.
disable_services() {
    command -v systemctl >/dev/null || return 0
    installed_names | comm -13 "$1" - | xargs -r dpkg -L 2>/dev/null |
        sed -nE 's,^(/usr)?/lib/systemd/system/([^/@]+\.(service|socket))$,\2,p' | sort -u |
        while read -r unit; do
            as_root systemctl --root=/ --quiet disable "$unit" </dev/null || true
        done
}

# A package that starts a service asks policy-rc.d first; this one says no and is taken away afterwards.
forbid_services() {
    policy=/usr/sbin/policy-rc.d
    [ ! -e $policy ] || return 0
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    trap 'exit 1' INT TERM
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
}

install_missing() {
    missing=
    for package in "$@"; do
        installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "installing$missing"
    refresh_indexes
    forbid_services
    before=$(mktemp)
    installed_names >"$before"
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null
    disable_services "$before"
    rm -f "$before"
}

unpack() {
    [ ! -e "$tools/$1.unpacked" ] || return 0
    say "unpacking $1 under .build/tools (not installed)"
    mkdir -p "$tools/$1"
    refresh_indexes
    download=$(mktemp -d)
    (cd "$download" && apt-get -qq download "$1" 2>"$download/errors") || {
        cat "$download/errors" >&2
        rm -rf "$download"
        exit 1
    }
    dpkg-deb -x "$download"/"$1"_*.deb "$tools/$1"
    rm -rf "$download"
    touch "$tools/$1.unpacked"
}

command -v apt-get >/dev/null || {
    say "this needs Debian's apt-get; elsewhere install by hand: $build_packages" >&2
    exit 1
}

case ${1:-} in
build)
    # shellcheck disable=SC2086
    install_missing $build_packages
    ;;
test | stack | latest)
    case $1 in
    test) stack_packages= ;;
    latest) stack_packages="$stack_packages python3-venv" ;;
    esac
    # shellcheck disable=SC2086
    install_missing $build_packages $test_packages $stack_packages
    for package in $unpacked_packages; do
        unpack "$package"
    done
    [ "$1" != latest ] || BELLHOP_STACK_RELEASE=latest /usr/bin/python3 -B scripts/stack install
    ;;
bench)
    # shellcheck disable=SC2086
    install_missing $build_packages $bench_packages
    ;;
*)
    echo "usage: $0 build|test|stack|latest|bench" >&2
    exit 2
    ;;
esac

command -v swift >/dev/null || {
    say "the Swift toolchain (6.2 or newer) is not in PATH; get it from https://www.swift.org/install/linux/" >&2
    say "and put its usr/bin first in PATH" >&2
    exit 1
}
