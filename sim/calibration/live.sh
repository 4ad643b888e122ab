#!/usr/bin/env bash
# Whether a calibration holds: starts the platform of this project, calibrates its functions, and holds the scenarios that
# come of it against loads that the fits have not seen (another rate, bursts, another law of service times, starts from zero,
# a timeout that bites, work on shared cores, an emulated Raspberry Pi 4). Each hold-out writes its part of a page.
#
#   live.sh [--repeat N] [--markdown FILE] [--only "a b …"] [--state DIR]
#
#   --repeat N       measure each so many times, and judge medians (5)
#   --markdown FILE  the page (docs/validation.md)
#   --only LIST      of steady bursty per-request timeouts work limit pi (all of them)
#   --state DIR      keep what was calibrated and measured there (a folder that is removed)
#
# Takes about 25 minutes with five runs. All load goes to 127.0.0.1. A machine that does something else meanwhile spoils it.
set -euo pipefail
cd "$(dirname "$0")/../.."

repeat=5 markdown=docs/validation.md only='steady bursty per-request timeouts work limit pi' work=''
while [ $# -gt 0 ]; do
    case "$1" in
        --repeat) repeat=$2 ;;
        --markdown) markdown=$2 ;;
        --only) only=$2 ;;
        --state) work=$2 ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
    esac
    shift 2 || { echo "$1 wants a value" >&2; exit 2; }
done

cargo build --release --quiet
lab=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/faas-lab
port=${PORT:-18680}
gateway=http://127.0.0.1:$port
pid=''
keep=$work
work=${work:-$(mktemp -d)}
mkdir -p "$work"
down() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; pid=''; }; }
trap 'down; [ -n "$keep" ] || rm -rf "$work"' EXIT

# up [ARGUMENT…]: the platform, with functions whose service times are known
up() {
    down
    "$lab" up --functions scenarios/live.yml --port "$port" --metrics-port $((port + 1)) --state "$work/up" "$@" >"$work/up.log" 2>&1 &
    pid=$!
    for _ in $(seq 200); do curl -fs "$gateway/healthz" >/dev/null && break; sleep 0.1; done
    FAAS_LAB_LOGIN=admin:$(cat "$work/up/basic-auth-password")
    export FAAS_LAB_LOGIN
}

# calibrated NAME FUNCTION [ARGUMENT…]: a scenario from an experiment
calibrated() {
    local name=$1 function=$2
    shift 2
    [ -f "$work/$name.toml" ] || "$lab" calibrate --gateway "$gateway" --function "$function" --out "$work/$name.toml" "$@"
}

missed=0
# held NAME SCENARIO [ARGUMENT…]: a hold-out
held() {
    local name=$1 scenario=$2
    shift 2
    "$lab" validate "$work/$scenario.toml" --gateway "$gateway" --metrics "http://127.0.0.1:$((port + 1))/metrics" \
        --set "name=$name" --repeat "$repeat" --results "$work/$name" --markdown "$markdown" "$@" || missed=1
}
wanted() { [[ " $only " == *" $1 "* ]]; }

up
calls_of_20ms=(--data 20ms --service-time 20ms --budget 60s)
if wanted steady || wanted bursty; then calibrated sleep sleep "${calls_of_20ms[@]}"; fi
if wanted steady; then
    held sleep-steady sleep --data 20ms --set duration=20s --set 'workload.sleep.arrivals={ poisson = "40/s" }'
fi
if wanted bursty; then
    held sleep-bursty sleep --data '{wait}' --set duration=20s --set 'function.sleep.wait={ exponential = "30ms" }' \
        --set 'workload.sleep.arrivals={ renewal = { hyperexponential = { mean = "25ms", cv = 3 } } }'
fi
if wanted per-request; then
    calibrated nap nap "${calls_of_20ms[@]}"
    held nap-per-request nap --data '{wait}' --set duration=40s --set 'function.nap.wait={ exponential = "60ms" }' \
        --set 'workload.nap.arrivals={ poisson = "8/s" }'
fi
if wanted timeouts; then
    calibrated short-nap short-nap "${calls_of_20ms[@]}"
    held short-nap-timeouts short-nap --data '{wait}' --set duration=40s --set 'function.short-nap.wait={ exponential = "60ms" }' \
        --set 'workload.short-nap.arrivals={ poisson = "8/s" }'
fi
if wanted work || wanted limit; then calibrated work work --service-time 20ms --no-cold --budget 40s; fi
# The function works on a thread for each core, which its author knows; more calls wait in line.
threads=$(nproc)
if wanted work; then
    held work-shared-cores work --path '/?ms={demand_ms}' --set duration=30s --set "function.work.concurrency=$threads" \
        --set 'function.work.demand={ exponential = "20ms" }' --set 'workload.work.arrivals={ poisson = "30/s" }'
fi
if wanted limit; then
    # What a CPU limit would do, told from the function that has none.
    sed 's/\bwork\b/limited/g' "$work/work.toml" >"$work/limited.toml"
    held work-limited limited --path '/?ms={demand_ms}' --set duration=30s --set function.limited.cpu_limit=0.5 \
        --set "function.limited.concurrency=$threads" \
        --set 'function.limited.demand={ exponential = "30ms" }' --set 'workload.limited.arrivals={ poisson = "8/s" }'
fi
if wanted pi; then
    up --emulate raspberry-pi-4
    # Calls carry what the reference machine would need, and take as much longer as was measured: no other law of them is set.
    calibrated work-pi work --no-cold --budget 60s
    held work-on-emulated-pi work-pi --set duration=40s --set 'workload.work.arrivals={ poisson = "10/s" }'
    calibrated sleep-pi sleep "${calls_of_20ms[@]}"
    held sleep-on-emulated-pi sleep-pi --data '{wait}' --set duration=20s --set 'function.sleep.wait={ exponential = "30ms" }' \
        --set 'workload.sleep.arrivals={ poisson = "20/s" }'
fi
# The page is for readers elsewhere, who have neither this folder nor the reports in it.
sed -i -e "s|$work/||g" -e '/^The curves over each other/,+1d' "$markdown"
exit "$missed"
