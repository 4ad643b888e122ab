//! Calibration from end to end: laws that are known, played into a log and learnt again; published cases; and measured
//! data where they are.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

use faas_lab_calibration::{Players, Row, Section, Verdict, text};

mod aws_lambda;
mod k3s;
mod known_platform;
mod published;

static STOP: AtomicBool = AtomicBool::new(false);

fn players() -> Players<'static> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Players { threads, stop: &STOP, progress: &|_| () }
}

/// Rows outside of their bounds, with what there is to say about them.
fn outside(sections: &[Section]) -> String {
    let is_outside = |row: &&Row| row.verdict() == Verdict::Outside;
    let only = |section: &Section| Section {
        rows: section.rows.iter().filter(is_outside).cloned().collect(),
        ..section.clone()
    };
    let sections: Vec<Section> = sections.iter().map(only).filter(|section| !section.rows.is_empty()).collect();
    if sections.is_empty() { String::new() } else { text(&sections) }
}
