//! The reference programs with a clock beside them: rates per second of CPU time, one thread on one core.

use std::fs;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::Duration;

use faas_lab_calibration::reference::{How, Program, SHELL_LOOP, work};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::failure::Failure;

/// Primes are looked for below this, as `sysbench cpu` does by default.
const PRIMES_BELOW: u64 = 10_000;
/// Bytes that are copied: far beyond the caches.
const COPIED: usize = 64 << 20;
/// Rounds of the shell's loop in one run: Linux counts the time of children in hundredths of a second.
const ROUNDS: u32 = 400;
const TICKS_PER_SECOND: f64 = 100.0;

/// Keeps this thread, and what it starts, on one core.
pub(super) fn pin(core: usize) -> Result<(), Failure> {
    let there = std::thread::available_parallelism().map_or(1, usize::from);
    let mut set = CpuSet::new();
    if core < CpuSet::MAX_CPU {
        set.set(core);
    }
    sched_setaffinity(None, &set).map_err(|error| {
        Failure::new(format!("this program cannot be kept on core {core}: {error}"))
            .help(format!("name one of the {there} cores that it may use, counted from 0"))
    })
}

/// What this machine is called.
pub(super) fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name).map(|(_, v)| v.trim()))
    };
    let model = field("model name").or_else(|| field("Model")).unwrap_or("an unnamed processor");
    format!("this machine ({model})")
}

/// So many rates, or why there are none.
pub(super) fn run(program: &Program, runs: u32) -> Result<Vec<f64>, String> {
    match program.how {
        How::Primes => {
            // About a tenth of a second each: a clock's grain and a frequency's rise do not matter.
            let events = events_in(Duration::from_millis(100), || {
                black_box(work::primes(black_box(PRIMES_BELOW)));
            });
            repeat(runs, || {
                let used = thread_time(|| {
                    for _ in 0..events {
                        black_box(work::primes(black_box(PRIMES_BELOW)));
                    }
                });
                Ok(f64::from(events) / used)
            })
        }
        How::Copy => {
            let from = vec![1u8; COPIED];
            let mut to = vec![0u8; COPIED];
            repeat(runs, || {
                let used = thread_time(|| work::copy(black_box(&from), black_box(&mut to)));
                Ok(COPIED as f64 / 1e6 / used)
            })
        }
        How::Shell => repeat(runs, || {
            let rounds = ROUNDS.to_string();
            let before = children_time().ok_or("the CPU time of children cannot be read from /proc")?;
            output(Command::new("sh").args(["-c", SHELL_LOOP, "sh", &rounds]))?;
            let after = children_time().ok_or("the CPU time of children cannot be read from /proc")?;
            Ok(f64::from(ROUNDS) / (after - before))
        }),
        How::SevenZip => repeat(runs, || {
            let found = ["7z", "7zz", "7za", "7zr"]
                .into_iter()
                .find_map(|name| output(Command::new(name).args(["b", "-mmt1", "-md20"])).ok());
            seven_zip_rating(&found.ok_or("7z is not installed (Debian: p7zip-full or 7zip)")?)
                .ok_or_else(|| "7z prints no rating".to_owned())
        }),
        How::Openssl => repeat(runs, || {
            let mut command = Command::new("openssl");
            command.args(["speed", "-mr", "-seconds", "1", "-bytes", "16384", "-evp", "aes-256-cbc"]);
            openssl_rate(&output(&mut command)?).ok_or_else(|| "openssl prints no rate".to_owned())
        }),
    }
}

fn repeat(runs: u32, mut one: impl FnMut() -> Result<f64, String>) -> Result<Vec<f64>, String> {
    // What the first run loads and warms is there for the others.
    one()?;
    (0..runs).map(|_| one()).collect()
}

fn events_in(span: Duration, mut event: impl FnMut()) -> u32 {
    let one = thread_time(&mut event).max(1e-6);
    (span.as_secs_f64() / one).clamp(1.0, 1e6) as u32
}

/// Seconds of CPU time that this thread spends on `work`.
fn thread_time(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    };
    let before = now();
    work();
    now() - before
}

/// Seconds of CPU time of all children that have ended, and theirs.
fn children_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in brackets, may hold spaces; cutime and cstime are the 14th and 15th field after it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(13);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let done = done.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{name} is not installed"),
        _ => format!("{name} cannot be started: {error}"),
    })?;
    if !done.status.success() {
        return Err(format!("{name} ended with {}", done.status));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The rating per usage of the processor, which does not count what others had of it: the second number of the line
/// `Tot:`.
fn seven_zip_rating(text: &str) -> Option<f64> {
    let total = text.lines().rev().find_map(|line| line.trim().strip_prefix("Tot:"))?;
    total.split_whitespace().nth(1)?.parse().ok()
}

/// The last number of the line `+F:…`, bytes per second of user time, in megabytes.
fn openssl_rate(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("+F:"))?;
    Some(line.rsplit(':').next()?.trim().parse::<f64>().ok()? / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_print_is_understood() {
        let seven_zip = "Avr:             100   4250   4249  |              100   4470   4468\nTot:             100   4360   4358\n";
        assert_eq!(seven_zip_rating(seven_zip), Some(4360.0));
        assert_eq!(openssl_rate("+DT:AES-256-CBC:1:16384\n+H:16384\n+F:22:AES-256-CBC:1167000000.00\n"), Some(1167.0));
        assert_eq!((seven_zip_rating("nothing"), openssl_rate("nothing")), (None, None));
    }

    #[test]
    fn the_time_of_children_is_counted() {
        let before = children_time().expect("a time");
        output(Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"])).expect("a loop");
        assert!(children_time().expect("a time") > before);
    }
}
