#!/usr/bin/env python3
"""Holds the load tester against a server that knows what it did, beside wrk, hey and oha.

  known_server.py [steady] [stall] [capacity] [closed] [memory] [--seconds N] [--rounds N] [--requests N] [--build-dir DIR]

  steady     1000/s in equal gaps against a service time of 5 ms: what clients say, and when requests came
  stall      the same rate, and a server that stands still for 2 s in the middle
  capacity   Poisson arrivals at 10,000/s and more, all of the client on one core
  closed     50 users who do not think, on one core, in turns with Goose's own get()
  memory     resident memory over --requests (10 million) at 20,000/s

  --seconds N      of each measurement (15)
  --rounds N       of each measurement, of which medians are printed (3)
  --build-dir DIR  the folder of the binaries, instead of building them

The client runs on core 0 and the server on core 1, on 127.0.0.1. CPU is what the kernel accounted to the client, per
request. Where `chrt` may give real-time priority, rows with it show what the other threads of the client's core cost. wrk
and hey are Debian packages; oha is used if it is there (cargo install oha). A tool that is missing is left out. wrk has no
rate: it gets as many connections as make 1000/s at 5 ms.
"""
import argparse, base64, itertools, json, math, os, re, shutil, statistics, subprocess, sys, tempfile, time, urllib.request

PORT = int(os.environ.get("PORT", "18490"))
URL = f"http://127.0.0.1:{PORT}/"
HERE = os.path.dirname(os.path.abspath(__file__))


def ask(path):
    with urllib.request.urlopen(URL + path, timeout=10) as answer:
        return answer.read().decode()


class Server:
    def __init__(self, service_us):
        self.service_us = service_us

    def __enter__(self):
        program = os.path.join(build, "examples", "known_server")
        self.process = subprocess.Popen(["taskset", "-c", "1", program, str(PORT), str(self.service_us)])
        for _ in range(200):
            try:
                ask("report")
                return self
            except OSError:
                time.sleep(0.02)
        sys.exit("the server does not answer")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


# Puts a client before all else on its core but interrupts, where that is allowed.
FIRST = ["chrt", "-f", "10"]
if not shutil.which("chrt") or subprocess.run([*FIRST, "true"], stderr=subprocess.DEVNULL).returncode != 0:
    FIRST = None


def run(command, watch=None):
    """Runs it on core 0: its output and its CPU seconds."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(["taskset", "-c", "0", *command], stdout=out, stderr=errors)
        ended = (0, 0, None)
        while watch and ended[0] == 0:
            watch(process.pid)
            time.sleep(1)
            ended = os.wait4(process.pid, os.WNOHANG)
        _, status, usage = ended if ended[0] else os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), errors.seek(0)
        text, complaints = out.read().decode(), errors.read().decode()
        if process.returncode not in (0, 1, 3):
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{complaints}")
        return text, usage.ru_utime + usage.ru_stime


def quantile(histogram, q):
    """In milliseconds, from an HdrHistogram V2 in microseconds with three significant digits."""
    counts = base64.b64decode(histogram["hdr_v2_base64"])[40:]
    at, index, seen = 0, 0, 0
    while at < len(counts):
        word = shift = 0
        while True:
            byte, at = counts[at], at + 1
            word |= byte << shift
            shift += 7
            if byte < 128 or shift == 63:
                break
        if shift == 63 and byte >= 128:
            word, at = word | counts[at] << 63, at + 1
        # Numbers below zero are so many empty places.
        number = word >> 1 ^ -(word & 1)
        if number < 0:
            index -= number
            continue
        seen += number
        if seen >= math.ceil(q * histogram["count"]):
            bucket = max((index >> 10) - 1, 0)
            value = index if index < 2048 else ((index & 1023) + 1024) << bucket
            return (value + (1 << bucket) - 1) / 1e3
        index += 1


def faas_lab(*flags, watch=None, before=()):
    with tempfile.TemporaryDirectory() as folder:
        command = [*before, os.path.join(build, "faas-lab"), "loadtest", "--platform", "http", "--gateway", URL, "--function", "server",
                   "--json", "--warm-up", "0s", "--out", os.path.join(folder, "live"), *flags]
        text, cpu = run(command, watch)
    summary = json.loads(text)
    value = lambda key: summary["metrics"].get(key, {}).get("mean", float("nan"))
    return dict(p50=value("response_p50") * 1e3, p90=value("response_p90") * 1e3, p99=value("response_p99") * 1e3,
                mean=value("response_mean") * 1e3, lost=value("error_rate"), cpu=cpu, **summary["measurement"])


def unit(number, suffix):
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[suffix]


def wrk(seconds, connections):
    text, cpu = run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", URL])
    at = lambda q: unit(*re.search(rf"{q}%\s+([0-9.]+)(us|ms|s)", text).groups())
    mean = unit(*re.search(r"Latency\s+([0-9.]+)(us|ms|s)", text).groups())
    return dict(p50=at(50), p90=at(90), p99=at(99), mean=mean, cpu=cpu)


def hey(seconds, rate):
    text, cpu = run(["hey", "-z", f"{seconds}s", "-c", "50", "-q", str(rate // 50), URL])
    at = lambda q: float(re.search(rf"{q}% in ([0-9.]+) secs", text).group(1)) * 1e3
    return dict(p50=at(50), p90=at(90), p99=at(99), mean=float(re.search(r"Average:\s+([0-9.]+)", text).group(1)) * 1e3, cpu=cpu)


def oha(seconds, rate, correction):
    flags = ["--latency-correction"] if correction else []
    text, cpu = run([OHA, "-z", f"{seconds}s", "-c", "64", "-q", str(rate), "--no-tui", "--output-format", "json", *flags, URL])
    found = json.loads(text)
    at = lambda q: found["latencyPercentiles"][q] * 1e3
    return dict(p50=at("p50"), p90=at("p90"), p99=at("p99"), mean=found["summary"]["average"] * 1e3, cpu=cpu)


def tools(seconds, connections):
    flags = ["--rate", "1000", "--constant", "--duration", f"{seconds}s", "--timeout", "30s"]
    yield "faas-lab", lambda: faas_lab(*flags)
    yield "faas-lab --busy-poll", lambda: faas_lab(*flags, "--busy-poll")
    if FIRST:
        yield f"{' '.join(FIRST)} faas-lab", lambda: faas_lab(*flags, before=FIRST)
    if OHA:
        yield "oha -q, corrected", lambda: oha(seconds, 1000, True)
        yield "oha -q", lambda: oha(seconds, 1000, False)
    if shutil.which("hey"):
        yield "hey -c50 -q20", lambda: hey(seconds, 1000)
    if shutil.which("wrk"):
        yield f"wrk -c{connections} (closed)", lambda: wrk(seconds, connections)


# A client that sends nothing: how late the machine wakes who sleeps until a given time, and how late is who does not sleep,
# because something else has the core. No client does better.
TIMER = """
import sys, time
open("/proc/self/timerslack_ns", "w").write("1")
count, sleeps, start, late = int(sys.argv[1]), sys.argv[2] == "sleep", time.monotonic_ns(), []
for k in range(1, count + 1):
    due = start + k * 1_000_000
    while (left := due - time.monotonic_ns()) > 0:
        if sleeps:
            time.sleep(left / 1e9)
    late.append((time.monotonic_ns() - due) / 1e6)
late.sort()
print(late[count // 2], late[count * 99 // 100])
"""


def bare(how, before=()):
    text, cpu = run([*before, sys.executable, "-c", TIMER, str(seconds * 1000), how])
    p50, p99 = map(float, text.split())
    return dict(schedule_error_p50_ms=p50, schedule_error_p99_ms=p99, each=cpu * 1e3 / seconds)


def medians(rows):
    keys = [key for key, value in rows[0].items() if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return {key: statistics.median(row[key] for row in rows if row.get(key) is not None) for key in keys
            if any(row.get(key) is not None for row in rows)}


def figure(value, digits=2):
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def steady():
    found = {}
    with Server(5000):
        for _ in range(rounds):
            found.setdefault("a bare timer", []).append(bare("sleep"))
            found.setdefault("a bare timer that polls", []).append(bare("poll"))
            if FIRST:
                found.setdefault(f"{' '.join(FIRST)} a bare timer", []).append(bare("sleep", FIRST))
            for name, measure in tools(seconds, 5):
                ask("reset?rate=1000")
                row = measure()
                truth = json.loads(ask("report"))
                found.setdefault(name, []).append({**row, **truth, "sent": truth["count"] / seconds, "each": row["cpu"] * 1e6 / truth["count"]})
    print(f"1000/s for {seconds} s, service time 5 ms; medians of {rounds} rounds")
    rows = [(name, medians(rows)) for name, rows in found.items()]
    print("Of the server: how long it served, and its last stamp of each answer, against when the schedule had the request.")
    both = lambda m, key: f"{figure(m[key.format(50)])}, {figure(m[key.format(99)])}" if key.format(50) in m else "–"
    keys = ["p{}", "service_p{}_ms", "answered_p{}_ms", "schedule_error_p{}_ms"]
    table(["client", "sent/s", "p50, p99 ms", "served", "answered", "schedule error p50, p99 ms", "CPU µs/request"],
          [[name, figure(m.get("sent"), 0)] + ["–" if "wrk" in name and key in keys[2:] else both(m, key) for key in keys] + [figure(m["each"], 0)]
           for name, m in rows])


def stall():
    # Requests 1, 2, … ms after the start; who comes while it stands still waits for the rest.
    waits = sorted(max(0.0, 7.0 - k / 1000) if 5.0 <= k / 1000 < 7.0 else 0.0 for k in range(1, seconds * 1000))
    at = lambda q: waits[int(q * len(waits))] * 1e3
    rows = [["truth, if all were answered at once", figure(seconds * 1000.0 - 1, 0), figure(at(0.9), 0), "", figure(at(0.99), 0), "",
             figure(sum(waits) / len(waits) * 1e3, 1), ""]]
    with Server(0):
        for name, measure in tools(seconds, 50):
            ask("reset?rate=1000&stall_from=5&stall_seconds=2")
            m = measure()
            truth = json.loads(ask("report"))
            rows.append([name, str(truth["count"])] + [figure(value, 1) for key in ("p90", "p99", "mean") for value in (m[key], truth[f"answered_{key}_ms"])])
    print(f"1000/s for {seconds} s, service time near 0, from 5 s to 7 s the server stands still")
    print("Of the server: its last stamp of each answer, against when the schedule had the request. wrk knows no schedule.")
    table(["client", "requests", "p90 ms", "of the server", "p99 ms", "of the server", "mean ms", "of the server"], rows)


def capacity():
    rows = []
    with Server(0):
        ways = [((), ()), (("--busy-poll",), ())] + ([((), FIRST)] if FIRST else [])
        for (flags, before), rate in itertools.product(ways, (10_000, 20_000, 30_000)):
            found = []
            for _ in range(rounds):
                ask("reset")
                row = faas_lab("--rate", str(rate), "--duration", f"{seconds}s", "--timeout", "10s", *flags, before=before)
                found.append({"sent_per_s": row["sent"] / seconds, "lateness": quantile(row["lateness"], 0.99), "p50": row["p50"], "p99": row["p99"],
                              "errors": row["lost"] * 100, "each": row["client"]["cpu_seconds"] * 1e6 / max(row["sent"], 1), "valid": float(row["valid"])})
            m = medians(found)
            rows.append([" ".join([f"{rate}/s", *flags, *before]), figure(m["sent_per_s"], 0), figure(m["lateness"], 3), figure(m["p50"], 3), figure(m["p99"], 3), figure(m["errors"]),
                         figure(m["each"], 1), f'{sum(row["valid"] for row in found):.0f} of {rounds}'])
    print(f"Poisson for {seconds} s, client on one core; medians of {rounds} rounds")
    table(["offered", "sent/s", "lateness p99 ms", "p50 ms", "p99 ms", "errors %", "CPU µs/request", "valid"], rows)


def closed():
    ours, gooses, shares = [], [], []
    with Server(0):
        for _ in range(rounds):
            row = faas_lab("--users", "50", "--duration", f"{seconds}s")
            ours.append(row["sent"] / seconds)
            text, *_ = run([os.path.join(build, "examples", "goose_get"), URL, "50", str(seconds)])
            gooses.append(float(text.split()[-2]))
            shares.append(ours[-1] / gooses[-1])
    print(f"50 users without thought for {seconds} s on one core; medians of {rounds} rounds")
    table(["", "requests/s"], [["faas-lab --users 50", figure(statistics.median(ours), 0)], ["Goose get()", figure(statistics.median(gooses), 0)],
                               ["share (least–most)", f"{statistics.median(shares):.2f} ({min(shares):.2f}–{max(shares):.2f})"]])


def memory():
    rate, seen = 20_000, []

    def watch(pid):
        try:
            with open(f"/proc/{pid}/status") as status:
                seen.append(int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024)
        except (OSError, AttributeError):
            pass

    length = -(-requests // rate)
    with Server(0):
        row = faas_lab("--rate", str(rate), "--duration", f"{length}s", "--timeout", "10s", watch=watch)
    print(f'{row["sent"]} requests sent in {length} s, {row["lost"] * 100:.3f} % failed')
    quarter = max(len(seen) // 4, 1)
    print("resident MB after 5 s, then quarter by quarter (mean): " + figure(seen[min(5, len(seen) - 1)], 1) + "; "
          + ", ".join(figure(statistics.mean(seen[i * quarter:(i + 1) * quarter]), 1) for i in range(4) if seen[i * quarter:(i + 1) * quarter])
          + f"; most {max(seen):.1f}\n")
    for second in range(0, len(seen), max(len(seen) // 12, 1)):
        print(f"  {second:4d} s {seen[second]:7.1f} MB")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("parts", nargs="*", metavar="PART")
for name, default in (("seconds", 15), ("rounds", 3), ("requests", 10_000_000)):
    parser.add_argument(f"--{name}", type=int, default=default)
parser.add_argument("--build-dir")
arguments = parser.parse_args()
seconds, rounds, requests = arguments.seconds, arguments.rounds, arguments.requests
OHA = os.environ.get("OHA") or shutil.which("oha")
parts = {part.__name__: part for part in (steady, stall, capacity, closed, memory)}
wrong = [part for part in arguments.parts if part not in parts]
if wrong:
    parser.error(f"there is no part {wrong[0]!r}: write {', '.join(parts)}")
build = arguments.build_dir
if not build:
    os.chdir(os.path.join(HERE, "../.."))
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "faas-lab"], check=True)
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "faas-lab-loadgen", "--examples"], check=True)
    found = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1"], check=True, capture_output=True)
    build = os.path.join(json.loads(found.stdout)["target_directory"], "release")
build = os.path.abspath(build)
print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}\n")
for part in arguments.parts or list(parts)[:4]:
    parts[part]()
