#!/usr/bin/env bash
# cloakroom beside Redis and Valkey that do what redis-sessions does, and beside nginx, memcached and
# bare echo servers as floors. README.md says what each scenario measures and how to read it.
#
#   benches/peers/run.sh create|mixed|lookup|restart|snapshot [options]        over HTTP; --help lists them
#   benches/peers/run.sh binary-get|binary-mixed|growth|open-loop|neighbours   by the binary protocol
#   benches/peers/run.sh binary|all                                            the last line, or everything
#   benches/peers/run.sh report --json FILE [--chart FILE] [--markdown FILE]   draws what was found before
#
# Peers: redis-server, nginx, memcached from the PATH, else Debian's packages unpacked below target/,
# so that no service is installed or started; valkey-server where it is on the PATH. Others by
# REDIS_SERVER, VALKEY_SERVER, NGINX, MEMCACHED, CLOAKROOM.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/../.."

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

cache=${CARGO_TARGET_DIR:-$PWD/target}/peers
PATH=$PATH:/usr/sbin

# Unpacks packages of Debian into a folder, which is then as if it were the root.
unpack() { # FOLDER PACKAGE...
    local folder=$1
    shift
    [ -e "$folder/complete" ] && return
    command -v apt-get >/dev/null || die "install $1: there is no apt-get to fetch it with"
    mkdir -p "$folder"
    (
        cd "$folder"
        apt-get download -q "$@" >/dev/null 2>&1 ||
            { apt-get update -q >/dev/null && apt-get download -q "$@" >/dev/null 2>&1; } ||
            die "install $1: apt-get cannot fetch $*"
        for package in ./*.deb; do dpkg-deb -x "$package" .; done
        rm ./*.deb
        touch complete
    )
}

# A program that finds the libraries it was unpacked with.
wrap() { # FOLDER BINARY NAME
    cat >"$1/$3" <<WRAPPER
#!/bin/sh
export LD_LIBRARY_PATH=$1/usr/lib/$(uname -m)-linux-gnu
exec "$1/$2" "\$@"
WRAPPER
    chmod +x "$1/$3"
    printf '%s\n' "$1/$3"
}

find_redis() {
    command -v redis-server && return
    unpack "$cache/redis" redis-tools libjemalloc2 liblzf1 libatomic1
    # The package of the tools has the server, under the name of its checker.
    ln -sf redis-check-rdb "$cache/redis/usr/bin/redis-server"
    wrap "$cache/redis" usr/bin/redis-server redis-server
}

find_memcached() {
    command -v memcached && return
    unpack "$cache/memcached" memcached libevent-2.1-7 libsasl2-2
    wrap "$cache/memcached" usr/bin/memcached memcached
}

find_nginx() {
    command -v nginx && return
    unpack "$cache/nginx" nginx
    wrap "$cache/nginx" usr/sbin/nginx nginx
}

over_http=
case ${1:-} in
create | mixed | lookup | restart | snapshot | all) over_http=yes ;;
binary-get | binary-mixed | growth | open-loop | neighbours | binary) ;;
report) exec python3 benches/peers/side_by_side.py "$@" ;;
*) exec python3 benches/peers/side_by_side.py --help ;;
esac

REDIS_SERVER=${REDIS_SERVER:-$(find_redis)}
VALKEY_SERVER=${VALKEY_SERVER:-$(command -v valkey-server || true)}
MEMCACHED=${MEMCACHED:-$(find_memcached)}

if [ -z "${CLOAKROOM:-}" ]; then
    cargo build --release --locked --bin cloakroom
    CLOAKROOM=${CARGO_TARGET_DIR:-$PWD/target}/release/cloakroom
fi
if [ -n "$over_http" ]; then
    NGINX=${NGINX:-$(find_nginx)}
    if [ -z "${REDIS_LOAD:-}" ]; then
        cargo build --release --locked --example redis_load
        REDIS_LOAD=${CARGO_TARGET_DIR:-$PWD/target}/release/examples/redis_load
    fi
    export NGINX REDIS_LOAD
fi
export CLOAKROOM REDIS_SERVER VALKEY_SERVER MEMCACHED

exec python3 benches/peers/side_by_side.py "$@"
