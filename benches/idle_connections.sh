#!/usr/bin/env bash
# What does an idle keep-alive connection cost the server in resident memory?
#
#   benches/idle_connections.sh         settings by environment: CONNECTIONS CLOAKROOM
set -euo pipefail
cd "$(dirname "$0")/.."

CONNECTIONS=${CONNECTIONS:-10000}

scratch=$(mktemp -d)
server_pid=
stop() {
    if [ -n "$server_pid" ] && kill "$server_pid" 2>/dev/null; then
        wait "$server_pid" 2>/dev/null || true
    fi
}
trap 'stop; rm -rf "$scratch"' EXIT

if [ -z "${CLOAKROOM:-}" ]; then
    cargo build --release --locked --bin cloakroom
    CLOAKROOM=$PWD/target/release/cloakroom
fi

"$CLOAKROOM" serve --memory-only --http rest-sessions=127.0.0.1:0 \
    >"$scratch/listening" 2>"$scratch/server.log" &
server_pid=$!
for _ in $(seq 100); do
    grep -q '^ready' "$scratch/listening" && break
    kill -0 "$server_pid" || { cat "$scratch/server.log" >&2; exit 1; }
    sleep 0.05
done
server=$(awk '/^listening/ { print $3 }' "$scratch/listening")
"$CLOAKROOM" bench --workload idle --connections "$CONNECTIONS" --duration 5s \
    --url "http://$server" --pid "$server_pid"
