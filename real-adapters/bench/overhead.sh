#!/usr/bin/env bash
# What the platform adds to a warm call, and what it carries: wrk against the function itself, through a watchdog, and
# through gateway and watchdog, in turns within one run, so that all see the same machine. The gateway is the real
# one, with its embedded provider, which starts the watchdog and the function as it does for users.
#
# The yardstick are two processes that only copy bytes between TCP connections: what two hops cost at the least. On a
# virtual machine that is mostly the waking of idle cores, and changes with the neighbours; the ratio stays.
#
#   overhead.sh [--seconds N] [--rounds N] [--connections "1 100"] [--minutes N] [--build-dir DIR]
#
#   --seconds N      of each measurement (5)
#   --rounds N       best of so many (5): lowest p50, highest rate, lowest CPU time
#   --minutes N      afterwards, so many minutes of load through everything, and the slope of the memory (0)
#   --build-dir DIR  measure these binaries instead of building; for before and after
#
# All load goes to 127.0.0.1. CPU is what the kernel accounted to a process's threads, per request; it says more than
# latencies where the machine has other work. Needs wrk and curl (Debian packages of these names).
set -euo pipefail

seconds=5 rounds=5 minutes=0 connections_list="1 100" build=''
while [ $# -gt 0 ]; do
    case "$1" in
        --seconds) seconds=$2 ;;
        --rounds) rounds=$2 ;;
        --minutes) minutes=$2 ;;
        --connections) connections_list=$2 ;;
        --build-dir) build=$2 ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
    esac
    shift 2 || { echo "$1 wants a value" >&2; exit 2; }
done
for tool in wrk curl; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install $tool" >&2; exit 2; }
done
cd "$(dirname "$0")/../.."
if [ -z "$build" ]; then
    cargo build --release --quiet -p faas-lab-gateway -p faas-lab-watchdog -p faas-lab-functions --bins
    cargo build --release --quiet -p faas-lab-http --example forwarder
    build=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release
fi
build=$(cd "$build" && pwd)

base=${PORT:-18480}
direct_port=$base watchdog_port=$((base + 1)) gateway_port=$((base + 2)) metrics_port=$((base + 3))
near_port=$((base + 4)) far_port=$((base + 5))
work=$(mktemp -d)
pids=()
cleanup() {
    kill "${pids[@]}" 2>/dev/null || true
    wait "${pids[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

# until_true COMMAND…: waits for it up to 15 s
until_true() {
    for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done
    echo "timed out waiting for: $*" >&2
    cat "$work"/*.log >&2
    exit 1
}
child_of() { cat "/proc/$1"/task/*/children 2>/dev/null | tr ' ' '\n' | grep -m1 .; }

"$build/faas-lab-functions" hello --port "$direct_port" 2>"$work/function.log" & function=$!; pids+=("$function")
"$build/examples/forwarder" "$near_port" "$far_port" 2>"$work/near.log" & near=$!; pids+=("$near")
"$build/examples/forwarder" "$far_port" "$direct_port" 2>"$work/far.log" & far=$!; pids+=("$far")
env TMPDIR="$work" mode=http fprocess="$build/faas-lab-functions hello --socket $work/hello.sock" \
    upstream_url="unix:$work/hello.sock" watchdog_address=127.0.0.1 port="$watchdog_port" metrics_port=0 \
    "$build/faas-lab-watchdog" 2>"$work/watchdog.log" & watchdog=$!; pids+=("$watchdog")
mkdir "$work/hello"
printf 'fprocess = "%s hello"\nmode = "http"\nlisten = "socket"\n' "$build/faas-lab-functions" >"$work/hello/function.toml"
env port="$gateway_port" metrics_port="$metrics_port" state="$work/state" watchdog="$build/faas-lab-watchdog" \
    "$build/faas-lab-gateway" 2>"$work/gateway.log" & gateway=$!; pids+=("$gateway")
until_true curl -fs "http://127.0.0.1:$gateway_port/healthz"
curl -fsS "http://127.0.0.1:$gateway_port/system/functions" -o /dev/null --json "{\"service\": \"hello\",
    \"image\": \"$work/hello\", \"labels\": {\"com.openfaas.scale.min\": \"1\", \"com.openfaas.scale.max\": \"1\"}}"

direct_url=http://127.0.0.1:$direct_port/
forwarders_url=http://127.0.0.1:$near_port/
watchdog_url=http://127.0.0.1:$watchdog_port/
gateway_url=http://127.0.0.1:$gateway_port/function/hello
for url in "$direct_url" "$forwarders_url" "$watchdog_url" "$gateway_url"; do until_true curl -fs "$url"; done
chain_watchdog=$(child_of "$gateway")
chain_function=$(child_of "$chain_watchdog")

# cpu PID…: nanoseconds that each has run so far
cpu() { for pid in "$@"; do cat "/proc/$pid"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f ", sum }'; done; }
rss() { for pid in "$@"; do awk '/^VmRSS/ { printf "%.1f ", $2 / 1024 }' "/proc/$pid/status"; done; }
# own PID…: what of it is not mapped from files, and so not shared with others that run the same program
own() { for pid in "$@"; do awk '/^RssAnon/ { printf "%.1f ", $2 / 1024 }' "/proc/$pid/status"; done; }

# measure PATH CONNECTIONS URL PID…: one line "PATH CONNECTIONS p50 p99 rate errors cpu…" more among the results
measure() {
    local path=$1 connections=$2 url=$3; shift 3
    local before after
    before=$(cpu "$@")
    wrk -t1 -c"$connections" -d"${seconds}s" --latency "$url" >"$work/wrk"
    after=$(cpu "$@")
    awk -v path="$path" -v n="$connections" -v before="$before" -v after="$after" '
        function us(text,  u) { u = text; gsub(/[0-9.]/, "", u); return text * (u == "s" ? 1e6 : u == "ms" ? 1e3 : 1) }
        $1 == "50%" { p50 = us($2) } $1 == "99%" { p99 = us($2) }
        /requests in/ { total = $1 } /Requests\/sec/ { rate = $2 }
        /Non-2xx/ { bad += $NF } /Socket errors/ { gsub(/[^0-9 ]/, ""); for (i = 1; i <= NF; i++) bad += $i }
        END {
            printf "%s %d %.0f %.0f %.0f %d", path, n, p50, p99, rate, bad
            k = split(before, b, " "); split(after, a, " ")
            for (i = 1; i <= k; i++) printf " %.1f", (a[i] - b[i]) / 1000 / (total ? total : 1)
            print ""
        }' "$work/wrk" >>"$work/results"
}

chain=("$gateway" "$chain_watchdog" "$chain_function")
rss_before=$(rss "${chain[@]}") own_before=$(own "${chain[@]}")
printf '%d rounds of %d s each; %d cores, load %s\n' "$rounds" "$seconds" "$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)"
for _ in $(seq "$rounds"); do
    for connections in $connections_list; do
        measure direct "$connections" "$direct_url" "$function"
        measure forwarders "$connections" "$forwarders_url" "$near" "$far" "$function"
        measure watchdog "$connections" "$watchdog_url" "$watchdog" "$(child_of "$watchdog")"
        measure gateway "$connections" "$gateway_url" "$gateway" "$chain_watchdog" "$chain_function"
    done
done
awk -v list="$connections_list" '
    { key = $1 " " $2; bad += $6
      if (!(key in p50) || $3 < p50[key]) p50[key] = $3
      if (!(key in p99) || $4 < p99[key]) p99[key] = $4
      if ($5 > rate[key]) rate[key] = $5
      sum = 0; for (i = 7; i <= NF; i++) sum += $i
      if (!(key in cpu) || sum < cpu[key]) { cpu[key] = sum; each[key] = ""; for (i = 7; i <= NF; i++) each[key] = each[key] sprintf(" %6.1f", $i) } }
    END {
        split("direct forwarders watchdog gateway", paths, " "); n = split(list, counts, " ")
        name["direct"] = "function"; name["forwarders"] = "two forwarders"; name["watchdog"] = "watchdog"; name["gateway"] = "gateway+watchdog"
        for (c = 1; c <= n; c++) {
            printf "\n%4d conn.          p50 µs   added   p99 µs   requests/s  of direct   CPU µs/request, each process\n", counts[c]
            for (i = 1; i <= 4; i++) {
                key = paths[i] " " counts[c]; first = "direct " counts[c]
                printf "%-17s %8d %7d %8d %12d %9.0f%% %s\n", name[paths[i]], p50[key], p50[key] - p50[first], p99[key], rate[key], 100 * rate[key] / rate[first], each[key]
            }
            key = " " counts[c]; base = p50["direct" key]
            printf "gateway+watchdog add %.1f times what two forwarders add\n", (p50["gateway" key] - base) / (p50["forwarders" key] - base)
        }
        printf "\nerrors: %d. Processes from left to right: forwarders or gateway, watchdog; function.\n", bad
    }' "$work/results"
printf 'resident MB (gateway, watchdog, function): %sbefore, %safter\n' "$rss_before" "$(rss "${chain[@]}")"
printf 'of that not mapped from files:             %sbefore, %safter\n' "$own_before" "$(own "${chain[@]}")"

if [ "$minutes" -gt 0 ]; then
    echo
    wrk -t1 -c100 -d"$((minutes * 60))s" "$gateway_url" >"$work/wrk" & load=$!
    for second in $(seq 5 5 $((minutes * 60))); do
        sleep 5
        echo "$second $(rss "${chain[@]}")" >>"$work/memory"
    done
    wait "$load"
    # The first fifth is left out: pools and buffers grow to their size there.
    awk -v minutes="$minutes" '
        NR == 1 { for (i = 2; i <= 4; i++) first[i] = $i }
        $1 >= minutes * 12 { n++; x += $1; xx += $1 * $1; for (i = 2; i <= 4; i++) { y[i] += $i; xy[i] += $1 * $i; if ($i > most[i]) most[i] = $i } }
        END {
            split("x gateway watchdog function", name, " ")
            for (i = 2; i <= 4; i++)
                printf "memory of %-9s %5.1f MB after 5 s, at most %5.1f MB, slope %+.4f MB/min over the last four fifths of %d min\n",
                    name[i] ":", first[i], most[i], 60 * (n * xy[i] - x * y[i]) / (n * xx - x * x), minutes
        }' "$work/memory"
    grep -E 'requests in|Requests/sec|Socket|Non-2xx' "$work/wrk"
fi
