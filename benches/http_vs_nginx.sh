#!/usr/bin/env bash
# What does the server pay for a GET of a session, next to nginx answering a constant? One keep-alive
# load on core 1, one server at a time on core 0, in turns; CPU time of the servers from /proc.
#
#   benches/http_vs_nginx.sh            settings by environment: ROUNDS TIME SESSIONS CONNECTIONS CLOAKROOM
set -euo pipefail
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-5}
TIME=${TIME:-10s}
SESSIONS=${SESSIONS:-1000000}
CONNECTIONS=${CONNECTIONS:-50}
DEPTHS=${DEPTHS:-1 16}

scratch=$(mktemp -d)
nginx_pid=
server_pid=

stop() { # a process that this script started
    if [ -n "$1" ] && kill "$1" 2>/dev/null; then
        wait "$1" 2>/dev/null || true
    fi
}
trap 'stop "$server_pid"; stop "$nginx_pid"; rm -rf "$scratch"' EXIT

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

[ "$(nproc)" -ge 2 ] || die "two cores are needed: one for the server, one for the load"

if [ -z "${CLOAKROOM:-}" ]; then
    cargo build --release --locked --bin cloakroom
    CLOAKROOM=$PWD/target/release/cloakroom
fi

# nginx as it is installed, else the Debian package unpacked here, so that no service starts.
nginx=$(PATH=$PATH:/usr/sbin command -v nginx || true)
if [ -z "$nginx" ]; then
    (
        cd "$scratch"
        chmod 755 .
        apt-get download -q nginx >/dev/null 2>&1 ||
            { apt-get update -q >/dev/null && apt-get download -q nginx >/dev/null 2>&1; } ||
            die "nginx is not installed and apt-get cannot fetch it: install the package nginx"
        dpkg-deb -x nginx_*.deb .
    )
    nginx=$scratch/usr/sbin/nginx
fi
"$nginx" -v 2>"$scratch/version" ||
    die "nginx does not start here: install the package nginx with its libraries"

start_server() {
    taskset -c 0 "$CLOAKROOM" serve --memory-only --http rest-sessions=127.0.0.1:0 \
        >"$scratch/listening" 2>"$scratch/server.log" &
    server_pid=$!
    for _ in $(seq 100); do
        grep -q '^ready' "$scratch/listening" && break
        kill -0 "$server_pid" || die "the server ended: $(cat "$scratch/server.log")"
        sleep 0.05
    done
    server=$(awk '/^listening/ { print $3 }' "$scratch/listening")
}

# Body of the reply to an HTTP/1.0 request.
fetch() { # HOST:PORT METHOD TARGET BODY
    exec 3<>"/dev/tcp/${1%:*}/${1##*:}"
    printf '%s %s HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
        "$2" "$3" "${#4}" "$4" >&3
    sed '1,/^\r$/d' <&3
    exec 3>&-
}

# The length of a reply to a get, by a session like those of the load tester.
start_server
data="{\"d\":\"$(printf 'x%.0s' $(seq 52))\"}"
token=$(fetch "$server" PUT '/bench/create/user000000123456?ip=10.100.100.100' "$data" | cut -d'"' -f4)
[ ${#token} -eq 64 ] || die "the server gave no token"
body=$(fetch "$server" GET "/bench/get/$token" '')
stop "$server_pid"
server_pid=

start_nginx() {
    for _ in $(seq 20); do
        local port=$((20000 + RANDOM % 20000))
        cat >"$scratch/nginx.conf" <<EOF
worker_processes 1;
daemon off;
pid $scratch/nginx.pid;
error_log $scratch/nginx.log;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path $scratch; proxy_temp_path $scratch; fastcgi_temp_path $scratch;
    uwsgi_temp_path $scratch; scgi_temp_path $scratch;
    default_type application/json;
    server {
        listen 127.0.0.1:$port backlog=4096;
        location / { return 200 '$(printf 'x%.0s' $(seq ${#body}))'; }
    }
}
EOF
        taskset -c 0 "$nginx" -p "$scratch/" -c "$scratch/nginx.conf" 2>>"$scratch/nginx.log" &
        nginx_pid=$!
        for _ in $(seq 40); do
            nginx_worker=$(cat "/proc/$nginx_pid/task/$nginx_pid/children" 2>/dev/null || true)
            nginx_worker=${nginx_worker%% *}
            [ -n "$nginx_worker" ] && nginx_address=127.0.0.1:$port && return
            sleep 0.05
        done
        stop "$nginx_pid"
        nginx_pid=
    done
    die "nginx did not start: $(tail -3 "$scratch/nginx.log")"
}
start_nginx

load() { # NAME DEPTH ARGUMENTS...
    local name=$1 depth=$2 report=$scratch/report.json
    shift 2
    taskset -c 1 "$CLOAKROOM" bench --json --duration "$TIME" --warm-up 2s \
        --connections "$CONNECTIONS" --pipeline "$depth" "$@" >"$report" 2>"$scratch/load.log" ||
        die "the load tester failed: $(cat "$scratch/load.log" "$report")"
    value() { awk -F'[:,]' -v key="\"$1\"" '$1 ~ key { print $2 + 0; exit }' "$report"; }
    [ "$(value errors)" = 0 ] || die "there were errors: $(cat "$report")"
    printf '%s %s %s %s %s %s\n' "$name" "$depth" "$(value server_cpu_us_per_request)" \
        "$(value throughput_per_second)" "$(value client_cpu_us_per_request)" "$(value steal_percent)" |
        tee -a "$scratch/results" |
        awk '{ printf "%-10s %2d deep  %6.2f us server CPU  %8.0f requests/s  %5.2f us client CPU  %.1f %% steal\n", $1, $2, $3, $4, $5, $6 }'
}

printf '%s, %s, Linux %s, %s\n' "$("$CLOAKROOM" --version)" "$(cut -d' ' -f3 "$scratch/version")" \
    "$(uname -r)" "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)"
printf '%s sessions, %s connections, replies with a body of %s bytes, %s rounds of %s\n\n' \
    "$SESSIONS" "$CONNECTIONS" "${#body}" "$ROUNDS" "$TIME"

path=/bench/get/$(printf 'A%.0s' $(seq 64))
for _ in $(seq "$ROUNDS"); do
    for depth in $DEPTHS; do
        load nginx "$depth" --workload url --path "$path" --url "http://$nginx_address" --pid "$nginx_worker"
        start_server
        load cloakroom "$depth" --workload get --preload "$SESSIONS" --url "http://$server" --pid "$server_pid"
        stop "$server_pid"
        server_pid=
    done
done

median() { # NAME DEPTH COLUMN
    awk -v n="$1" -v d="$2" -v c="$3" '$1 == n && $2 == d { print $c }' "$scratch/results" | sort -g |
        awk '{ v[NR] = $1 } END { printf "%.3f %.3f %.3f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}

printf '\nserver CPU per request, median (least to most), and requests/s\n'
for depth in $DEPTHS; do
    for name in nginx cloakroom; do
        read -r middle least most <<<"$(median "$name" "$depth" 3)"
        read -r rate _ _ <<<"$(median "$name" "$depth" 4)"
        printf '%-10s %2d deep  %6.2f us (%.2f to %.2f)  %8.0f requests/s\n' \
            "$name" "$depth" "$middle" "$least" "$most" "$rate"
        [ "$name" = nginx ] && nginx_middle=$middle
    done
    awk -v a="$middle" -v b="$nginx_middle" 'BEGIN { printf "%-10s          %6.3f times nginx\n", "", a / b }'
done
