#!/bin/sh
# What the watchdog adds to a call of an HTTP function: `wrk` against the function itself and through the watchdog, in
# turns, on loopback with connections kept alive. Needs wrk. SECONDS_EACH=10 and ROUNDS=3 by default.
set -eu
cd "$(dirname "$0")/../.."
cargo build --release --quiet -p faas-lab-watchdog --bin faas-lab-watchdog --example function
target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
folder=$(mktemp -d)
function_port=${FUNCTION_PORT:-38101}
port=${PORT:-38102}

env TMPDIR="$folder" mode=http fprocess="$target/release/examples/function 127.0.0.1:$function_port" \
    upstream_url="http://127.0.0.1:$function_port" port="$port" watchdog_address=127.0.0.1 metrics_port=0 \
    "$target/release/faas-lab-watchdog" >"$folder/log" 2>&1 &
watchdog=$!
trap 'kill -9 $watchdog; rm -rf "$folder"' EXIT
until curl -sf "http://127.0.0.1:$port/_/ready"; do sleep 0.05; done

measure() { # name, port, connections
    wrk -t1 -c"$3" -d"${SECONDS_EACH:-10}s" --latency "http://127.0.0.1:$2/" >"$folder/out"
    awk -v name="$1" -v n="$3" '/50%/ {p50=$2} /99%/ {p99=$2} /Requests\/sec/ {rate=$2} /Non-2xx|Socket errors/ {bad=$0}
        END {printf "%-9s %4d connections: p50 %9s  p99 %9s  %10.0f requests/s %s\n", name, n, p50, p99, rate, bad}' "$folder/out"
}
for round in $(seq "${ROUNDS:-3}"); do
    for connections in 1 100; do
        measure direct "$function_port" "$connections"
        measure watchdog "$port" "$connections"
    done
done
grep VmRSS "/proc/$watchdog/status"
