//! Programs that have been measured on a Raspberry Pi 4 too, and what their times here make of a machine's profile.
//!
//! A factor is a quotient of two measurements of the same program: what others published for a Pi over what it does here.
//! Nothing is timed in this package; whoever has a clock runs the programs ([`programs`]) and brings the rates.

mod derive;
pub mod work;

pub use derive::{Derived, derive};

/// What a program does, so that somebody with a clock can run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// [`work::primes`]: what one event of `sysbench cpu` does.
    Primes,
    /// [`work::copy`]: memory to memory, beyond the caches.
    Copy,
    /// A shell loop that starts a process each time round: see [`SHELL_LOOP`].
    Shell,
    /// `7z b -mmt1`, its rating per usage of the processor.
    SevenZip,
    /// `openssl speed -evp aes-256-cbc` with blocks of 16 KiB.
    Openssl,
}

/// The loop of the published run, whose sleep is not CPU time; `$1` says how often.
pub const SHELL_LOOP: &str = "for i in $(seq 1 $1); do sleep 0 && echo $i; done";

/// A reference program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Program {
    /// The class of work that it stands for.
    pub class: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Whether it is the published program, or what stands in for it.
    pub likeness: &'static str,
    /// How to run it.
    pub how: How,
    /// Unit of its rate.
    pub unit: &'static str,
    /// Its published rate on a Pi 4, and the lowest and highest of several.
    pub pi: (f64, f64, f64),
    /// Where that is from.
    pub source: &'static str,
}

/// All of them.
pub fn programs() -> [Program; 5] {
    [
        Program {
            class: "integer",
            name: "7-zip, one thread",
            likeness: "the same program",
            how: How::SevenZip,
            unit: "MIPS",
            pi: (1769.0, 1606.0, 1897.0),
            source: "ThomasKaiser/sbc-bench, Pi 4 at 1.5 and 1.8 GHz",
        },
        Program {
            class: "scalar",
            name: "primes below 10000 by trial division",
            likeness: "the same work as an event of sysbench cpu, in Rust",
            how: How::Primes,
            unit: "events/s",
            pi: (1477.83, 1477.83, 1477.83),
            source: "leoncode.co.uk, Pi 4",
        },
        Program {
            class: "fork",
            name: "a process for each round of a shell loop",
            likeness: "the same loop; which shell and tools it runs is this machine's choice",
            how: How::Shell,
            unit: "rounds/s",
            pi: (455.0, 374.5, 555.6),
            source: "josanabr/LibroFaaS: 1.80 to 2.67 ms a round, bounded by its cut output",
        },
        Program {
            class: "crypto",
            name: "openssl, AES-256-CBC, 16 KiB",
            likeness: "the same program",
            how: How::Openssl,
            unit: "MB/s",
            pi: (36.3, 36.3, 36.3),
            source: "ThomasKaiser/sbc-bench, Pi 4 at 1.8 GHz, arm64",
        },
        Program {
            class: "memory",
            name: "copying 64 MiB",
            likeness: "the same call, memcpy, as tinymembench makes it; its buffers and loop are ours",
            how: How::Copy,
            unit: "MB/s",
            pi: (2464.0, 2240.0, 2780.0),
            source: "ThomasKaiser/sbc-bench, memcpy, Pi 4 armhf and arm64",
        },
    ]
}

/// Rates of one program on the machine at hand, per second of CPU time.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Which program.
    pub program: Program,
    /// Its rates, a value per run.
    pub rates: Vec<f64>,
}

impl Measured {
    /// The rate that belongs to the low decile of CPU times: what disturbs a run only makes it slower.
    pub fn rate(&self) -> Option<f64> {
        let mut sorted = self.rates.clone();
        sorted.sort_by(f64::total_cmp);
        crate::runs::quantile(&sorted, 0.9)
    }
}
