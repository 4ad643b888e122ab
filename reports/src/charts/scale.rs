//! Axes: linear, logarithmic in time, and "nines", with ticks that people would write.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged};

use crate::format;

/// How values of an axis map to its length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// From the first value to the second.
    Linear(f64, f64),
    /// The same in powers of ten; both are positive.
    Log(f64, f64),
    /// Shares from one share to another, each further nine as long as the one before: 50, 90, 99, 99.9 %.
    Nines(f64, f64),
}

impl Scale {
    /// Position of `value` along the axis, 0 at its start and 1 at its end; values outside stop at the nearest end.
    pub(crate) fn at(self, value: f64) -> f64 {
        let along = |value: f64, from: f64, to: f64| ((value - from) / (to - from)).clamp(0.0, 1.0);
        let position = match self {
            Scale::Linear(from, to) => along(value, from, to),
            Scale::Log(from, to) => along(value.max(f64::MIN_POSITIVE).log10(), from.log10(), to.log10()),
            Scale::Nines(from, to) => along(nines(value), nines(from), nines(to)),
        };
        if position.is_finite() { position } else { 0.0 }
    }

    /// A linear axis from zero to a round value that is at least `most`, with its ticks' distance.
    pub(crate) fn from_zero(most: f64, ticks: usize) -> (Scale, f64) {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let step = tick_step(most / ticks as f64);
        (Scale::Linear(0.0, (most / step - 1e-9).ceil() * step), step)
    }

    /// A linear axis around all of `values`, from zero where that wastes less than half of it, with its ticks' distance.
    pub(crate) fn around(values: impl IntoIterator<Item = f64>, ticks: usize) -> (Scale, f64) {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high || (low >= 0.0 && low <= 0.5 * high) {
            return Scale::from_zero(high, ticks);
        }
        let room = if high > low { (high - low) * 0.08 } else { high.abs().max(1e-9) * 0.1 };
        let step = round_step((high - low + 2.0 * room) / ticks as f64);
        (Scale::Linear(((low - room) / step).floor() * step, ((high + room) / step).ceil() * step), step)
    }

    /// A linear axis with zero in its middle that holds values up to `most` on either side.
    pub(crate) fn around_zero(most: f64) -> (Scale, f64) {
        let most = if most.is_finite() && most > 0.0 { most * 1.05 } else { 1.0 };
        let step = round_down(most);
        (Scale::Linear(-most, most), step)
    }

    /// Ticks of a linear axis at multiples of `step`.
    pub(crate) fn linear_ticks(self, step: f64, words: impl Fn(f64) -> String) -> Vec<(f64, String)> {
        let Scale::Linear(low, high) = self else { return Vec::new() };
        let first = (low / step - 1e-9).ceil();
        let last = (high / step + 1e-9).floor();
        let count = (last - first).clamp(0.0, 50.0) as usize;
        (0..=count).map(|index| (first + index as f64) * step).map(|at| (at, words(at))).collect()
    }

    /// A logarithmic axis that holds all of `values`, ends included, from a 1, 2 or 5 to another.
    pub(crate) fn log_around(values: impl IntoIterator<Item = f64>) -> Scale {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.into_iter().filter(|value| value.is_finite() && *value > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            return Scale::Log(0.001, 1.0);
        }
        let (mut low, high) = (round_down(low.max(1e-6)), round_step(high.max(1e-6) * 1.02));
        if high / low < 9.0 {
            low = round_down(high / 9.99);
        }
        Scale::Log(low, high)
    }

    /// Times to write on a logarithmic axis, with the words for them: every 1, or every 1, 2, 5 when there is room.
    pub(crate) fn log_ticks(self, room: usize) -> Vec<(f64, String)> {
        let Scale::Log(low, high) = self else { return Vec::new() };
        let within = |value: &f64| *value >= low * 0.999 && *value <= high * 1.001;
        let every = |digits: &'static [f64]| {
            let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
            powers.flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power))).filter(within)
        };
        let sets: [&[f64]; 3] = [&[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
        let digits = sets.into_iter().find(|digits| every(digits).count() <= room).unwrap_or(sets[2]);
        every(digits).map(|value| (value, tick_time(value))).collect()
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.at(*value) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        Vec::new()
    }

    fn range(&self) -> Range<f64> {
        let (Scale::Linear(from, to) | Scale::Log(from, to) | Scale::Nines(from, to)) = *self;
        from..to
    }
}

/// Shares that have a tick on a "nines" axis, up to `most`.
pub(crate) fn nines_ticks(most: f64) -> Vec<(f64, String)> {
    [(0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (0.99999, "99.999")]
        .into_iter()
        .filter(|(share, _)| *share <= most + 1e-12)
        .map(|(share, text)| (share, format!("{text} %")))
        .collect()
}

/// Moments to write on a time axis of `seconds`, at most about `room` of them, with the words for them.
pub(crate) fn clock_ticks(seconds: f64, room: usize) -> Vec<(f64, String)> {
    const STEPS: [f64; 22] = [
        0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
        10_800.0, 21_600.0, 43_200.0, 86_400.0, 604_800.0,
    ];
    if !(seconds > 0.0 && seconds.is_finite()) {
        return vec![(0.0, "0".to_owned())];
    }
    let fits = |step: &f64| seconds / step <= room as f64;
    let step = STEPS.into_iter().find(fits).unwrap_or_else(|| round_step(seconds / room as f64));
    let (unit, name) = match step {
        s if s >= 86_400.0 => (86_400.0, "d"),
        s if s >= 3600.0 || (s >= 1800.0 && seconds > 10_800.0) => (3600.0, "h"),
        s if s >= 60.0 => (60.0, "min"),
        s if s >= 30.0 && seconds > 120.0 => (60.0, "min"),
        _ => (1.0, "s"),
    };
    (0..=(seconds / step + 1e-9) as usize)
        .map(|index| index as f64 * step)
        .map(|at| {
            (at, if at == 0.0 { "0".to_owned() } else { format!("{} {name}", format::significant(at / unit, 4)) })
        })
        .collect()
}

/// A time on an axis, in one unit.
fn tick_time(seconds: f64) -> String {
    let (scale, unit) = match seconds {
        s if s < 0.999e-3 => (1e6, "µs"),
        s if s < 0.999 => (1e3, "ms"),
        _ => (1.0, "s"),
    };
    format!("{} {unit}", format::significant(seconds * scale, 3))
}

/// The number of nines of a share, its fraction included.
fn nines(share: f64) -> f64 {
    -(1.0 - share).max(1e-9).log10()
}

/// The smallest of 1, 2, 2.5, 5 × 10ⁿ that is at least `size`; 2.5 only where it leaves whole numbers.
fn tick_step(size: f64) -> f64 {
    let step = round_step(size);
    let quarter = step / 2.0;
    if quarter >= 20.0 && quarter >= size && (step / 5.0).log10().fract().abs() < 1e-9 { quarter } else { step }
}

/// The smallest of 1, 2, 5 × 10ⁿ that is at least `size`.
fn round_step(size: f64) -> f64 {
    let power = 10f64.powf(size.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= size * 0.999_999).unwrap_or(size)
}

/// The largest of 1, 2, 5 × 10ⁿ that is at most `size`.
fn round_down(size: f64) -> f64 {
    let power = 10f64.powf(size.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|digit| digit * power).find(|step| *step <= size * 1.000_001).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: Vec<(f64, String)>) -> Vec<String> {
        ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn each_nine_is_as_long_as_the_one_before() {
        let scale = Scale::Nines(0.0, 0.999);
        for (share, at) in [(0.0, 0.0), (0.9, 1.0 / 3.0), (0.99, 2.0 / 3.0), (0.999, 1.0), (1.0, 1.0)] {
            assert!((scale.at(share) - at).abs() < 1e-9, "{share}");
        }
    }

    #[test]
    fn log_axes_hold_their_values_between_round_ends() {
        assert_eq!(Scale::log_around([0.013, 7.0]), Scale::Log(0.01, 10.0));
        assert_eq!(Scale::log_around([]), Scale::Log(0.001, 1.0));
        assert_eq!(texts(Scale::Log(0.001, 10.0).log_ticks(6)), ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]);
        assert_eq!(texts(Scale::Log(0.5, 5.0).log_ticks(6)), ["500 ms", "1 s", "2 s", "5 s"]);
        let Scale::Log(low, high) = Scale::log_around([1.0]) else { panic!("a log axis") };
        assert!(low < 1.0 && high > 1.0 && high / low > 9.0, "{low} {high}");
    }

    #[test]
    fn time_axes_use_the_clock() {
        assert_eq!(
            texts(clock_ticks(7200.0, 8)),
            ["0", "15 min", "30 min", "45 min", "60 min", "75 min", "90 min", "105 min", "120 min"]
        );
        assert_eq!(texts(clock_ticks(86_400.0, 8)), ["0", "3 h", "6 h", "9 h", "12 h", "15 h", "18 h", "21 h", "24 h"]);
        assert_eq!(texts(clock_ticks(60.0, 4)), ["0", "15 s", "30 s", "45 s", "60 s"]);
        assert_eq!(texts(clock_ticks(0.0, 4)), ["0"]);
    }

    #[test]
    fn linear_axes_end_on_a_tick() {
        assert_eq!(Scale::from_zero(61.0, 3), (Scale::Linear(0.0, 75.0), 25.0));
        assert_eq!(Scale::from_zero(12.0, 3), (Scale::Linear(0.0, 15.0), 5.0));
        assert_eq!(Scale::from_zero(0.0, 4), (Scale::Linear(0.0, 1.0), 0.5));
    }
}
