#!/usr/bin/env bash
# What the gateway adds to a warm call, and what it carries: wrk against a function directly and through the gateway, in
# turns within one run, so that both see the same machine. Needs wrk (a Debian package).
#
#   benches/overhead.sh [SECONDS per measurement, 5] [ROUNDS, 3]
set -euo pipefail
cd "$(dirname "$0")/../../.."
seconds=${1:-5} rounds=${2:-3}
cargo build --release -q -p faas-lab-gateway --example overhead
overhead=${CARGO_TARGET_DIR:-target}/release/examples/overhead
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

direct=127.0.0.1:18481 through=127.0.0.1:18480
"$overhead" function "$direct" & pids+=($!)
"$overhead" function "unix:$work/hello.sock" & pids+=($!)
"$overhead" gateway "$through" "unix:$work/hello.sock" & pids+=($!)
for url in "http://$direct/" "http://$through/function/hello"; do
    for _ in $(seq 100); do curl -fs -o /dev/null "$url" && break; sleep 0.05; done
done

# measure CONNECTIONS URL: p50 in µs and requests per second
measure() {
    wrk -t1 -c"$1" -d"${seconds}s" --latency "$2" | awk '
        $1 == "50%" { t = $2; u = t; gsub(/[0-9.]/, "", u); sub(/[a-z]+/, "", t); if (u == "ms") t *= 1000; if (u == "s") t *= 1e6 }
        /Requests\/sec/ { r = $2 } /Non-2xx|Socket errors/ { bad = $0 }
        END { printf "%.0f %.0f %s\n", t, r, bad }'
}
printf '%-12s %28s %28s %10s\n' '' 'direct: p50, requests/s' 'gateway: p50, requests/s' 'added p50'
for connections in 1 100; do
    for _ in $(seq "$rounds"); do
        read -r p50 rate bad < <(measure "$connections" "http://$direct/")
        read -r p50g rateg badg < <(measure "$connections" "http://$through/function/hello")
        printf '%-12s %16s µs %9s %16s µs %9s %7s µs %s %s\n' "$connections conn." "$p50" "$rate" "$p50g" "$rateg" $((p50g - p50)) "$bad" "$badg"
    done
done
echo "gateway: $(awk '/VmRSS/ {print $2 / 1024 " MB resident"}' "/proc/${pids[2]}/status")"
