//! What looks amount to: each quantity holds from one look to the next, and is averaged over the steps of the timeline.

use std::collections::BTreeSet;

use faas_lab_model::metrics::{Gauge, SeriesRecord};
use faas_lab_model::time::{SimTime, Span};

use super::Sight;

/// Functions with series of their own; beyond this many only the whole system has them, as in simulated results.
const MOST_FUNCTIONS: usize = 8;

/// Replicas that are remembered by name.
const MOST_NAMES: usize = 100_000;

/// The quantities, with the names that results use.
const QUANTITIES: [(&str, &str); 7] = [
    ("replicas desired", "replicas"),
    ("replicas starting", "replicas"),
    ("replicas ready", "replicas"),
    ("replicas", "replicas"),
    ("platform in flight", "count"),
    ("waiting", "count"),
    ("queue depth", "count"),
];
const READY: usize = 2;

/// The course of the platform over a run.
#[derive(Clone, Debug)]
pub struct Course {
    step: Span,
    steps: usize,
    functions: Vec<FunctionCourse>,
    last: SimTime,
    looks: u64,
}

#[derive(Clone, Debug, Default)]
struct FunctionCourse {
    quantities: [Quantity; QUANTITIES.len()],
    names: BTreeSet<String>,
    starts: u64,
    /// Spans in which no replica was ready: from the first look that found none to the first that found one.
    rests: Vec<(SimTime, SimTime)>,
}

#[derive(Clone, Debug, Default)]
struct Quantity {
    gauge: Gauge,
    /// When it was first heard of.
    since: Option<SimTime>,
    /// Averages of the steps that are over.
    values: Vec<f64>,
}

impl Course {
    /// For so many functions, in steps of the timeline.
    pub fn new(functions: usize, step: Span, steps: usize) -> Course {
        let step = step.max(Span::from_nanos(1));
        Course { step, steps, functions: vec![FunctionCourse::default(); functions], last: SimTime::ZERO, looks: 0 }
    }

    /// Enters a look; looks come in order.
    pub fn enter(&mut self, at: SimTime, seen: &[Sight]) {
        let at = at.max(self.last);
        let first = self.looks == 0;
        self.last = at;
        self.looks += 1;
        for (function, sight) in self.functions.iter_mut().zip(seen) {
            function.enter(at, sight, first, self.step, self.steps);
        }
    }

    /// Looks so far.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// Replicas of a function that were ready at the last look.
    pub fn ready(&self, function: usize) -> Option<u64> {
        let quantity = &self.functions.get(function)?.quantities[READY];
        quantity.since.map(|_| u64::try_from(quantity.gauge.value()).unwrap_or(0))
    }

    /// Replicas of all functions that were ready at the last look, where that is known of any.
    pub fn all_ready(&self) -> Option<u64> {
        (0..self.functions.len()).filter_map(|function| self.ready(function)).reduce(u64::saturating_add)
    }

    /// Replicas of a function that were seen to come, where replicas have names or numbers.
    pub fn starts(&self, function: usize) -> Option<u64> {
        let function = self.functions.get(function)?;
        function.quantities[READY].since.map(|_| function.starts)
    }

    /// Whether no replica of a function was ready at an instant; `None` where nobody looked.
    pub fn was_resting(&self, function: usize, at: SimTime) -> Option<bool> {
        let function = self.functions.get(function)?;
        function.quantities[READY].since.filter(|since| *since <= at)?;
        let rests = &function.rests;
        // The last rest that began by then.
        let after = rests.partition_point(|(from, _)| *from <= at);
        Some(after.checked_sub(1).is_some_and(|index| at < rests[index].1))
    }

    /// Time average of ready replicas of a function between two instants, by the steps that lie within.
    pub fn ready_mean(&self, function: usize, from: SimTime, to: SimTime) -> Option<f64> {
        let quantity = &self.functions.get(function)?.quantities[READY];
        let step = self.step.as_nanos();
        let (first, end) = (from.as_nanos().div_ceil(step) as usize, (to.as_nanos() / step) as usize);
        let values = quantity.values.get(first..end.min(quantity.values.len()))?;
        (quantity.since.is_some() && !values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The series up to `end`, of the whole system and of each function; quantities that the platform does not tell are absent.
    pub fn series(&self, end: SimTime) -> Vec<SeriesRecord> {
        let mut closed = self.clone();
        for function in &mut closed.functions {
            function.close(end, closed.step, closed.steps);
        }
        let mut series = Vec::new();
        for (index, (name, unit)) in QUANTITIES.into_iter().enumerate() {
            let known: Vec<&[f64]> = closed.functions.iter().filter_map(|function| function.known(index)).collect();
            // A sum over some of the functions would be no sum.
            let complete = !known.is_empty() && known.len() == closed.functions.len();
            let steps = known.iter().map(|values| values.len()).min().unwrap_or(0);
            if complete && steps > 0 {
                let values = (0..steps).map(|step| known.iter().map(|values| values[step]).sum()).collect();
                series.push(SeriesRecord { name, unit, function: None, values });
            }
        }
        if (2..=MOST_FUNCTIONS).contains(&closed.functions.len()) {
            for (function, course) in closed.functions.iter().enumerate() {
                for (index, (name, unit)) in QUANTITIES.into_iter().enumerate() {
                    if let Some(values) = course.known(index).filter(|values| !values.is_empty()) {
                        series.push(SeriesRecord { name, unit, function: Some(function), values: values.to_vec() });
                    }
                }
            }
        }
        series
    }
}

impl FunctionCourse {
    fn enter(&mut self, at: SimTime, sight: &Sight, first: bool, step: Span, steps: usize) {
        let seen =
            [sight.desired, sight.starting, sight.ready, sight.live, sight.in_flight, sight.waiting, sight.queued];
        let before = self.quantities[READY].gauge.value();
        for (quantity, value) in self.quantities.iter_mut().zip(seen) {
            let Some(value) = value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)) else { continue };
            if quantity.since.is_none() {
                // Before the first look it was as then.
                quantity.since = Some(at);
                quantity.gauge.set(SimTime::ZERO, value);
            }
            quantity.settle(at, step, steps);
            quantity.gauge.set(at, value);
        }
        if let Some(ready) = sight.ready {
            self.rest(at, ready == 0);
            if sight.names.is_empty() && !first {
                self.starts += ready.saturating_sub(u64::try_from(before).unwrap_or(0));
            }
        }
        for name in &sight.names {
            if self.names.len() < MOST_NAMES && self.names.insert(name.clone()) && !first {
                self.starts += 1;
            }
        }
    }

    fn rest(&mut self, at: SimTime, resting: bool) {
        match (self.rests.last_mut(), resting) {
            (Some((_, end)), false) if *end == SimTime::NEVER => *end = at,
            (Some((_, end)), true) if *end == SimTime::NEVER => {}
            (_, true) => self.rests.push((at, SimTime::NEVER)),
            (_, false) => {}
        }
    }

    fn close(&mut self, end: SimTime, step: Span, steps: usize) {
        for quantity in &mut self.quantities {
            quantity.settle(end, step, steps);
            let over = SimTime::ZERO + step * quantity.values.len() as u64;
            // The last step may be shorter than the others.
            if quantity.values.len() < steps && end > over {
                let value = quantity.gauge.end_step(end) / end.since(over).as_nanos() as f64;
                quantity.values.push(value);
            }
        }
    }

    fn known(&self, index: usize) -> Option<&[f64]> {
        let quantity = &self.quantities[index];
        quantity.since.map(|_| quantity.values.as_slice())
    }
}

impl Quantity {
    /// Closes the steps that end by `now`.
    fn settle(&mut self, now: SimTime, step: Span, steps: usize) {
        while self.values.len() < steps {
            let end = SimTime::ZERO + step * (self.values.len() as u64 + 1);
            if end > now {
                return;
            }
            self.values.push(self.gauge.end_step(end) / step.as_nanos() as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + Span::from_millis(millis)
    }

    fn ready(count: u64) -> Sight {
        Sight { ready: Some(count), desired: Some(count), ..Sight::default() }
    }

    fn values(series: &[SeriesRecord], name: &str, function: Option<usize>) -> Option<Vec<f64>> {
        series.iter().find(|s| s.name == name && s.function == function).map(|series| series.values.clone())
    }

    #[test]
    fn a_value_holds_until_the_next_look() {
        let mut course = Course::new(1, Span::from_secs(1), 5);
        course.enter(at(0), &[ready(0)]);
        course.enter(at(500), &[ready(2)]);
        course.enter(at(3_250), &[ready(4)]);
        let series = course.series(at(4_500));
        assert_eq!(values(&series, "replicas ready", None), Some(vec![1.0, 2.0, 2.0, 3.5, 4.0]));
        assert_eq!(values(&series, "queue depth", None), None, "what is not told is absent");
        assert_eq!((course.ready(0), course.starts(0)), (Some(4), Some(4)));
        assert_eq!(course.ready_mean(0, at(1_000), at(3_000)), Some(2.0));
        let early = course.series(at(2_000));
        assert_eq!(values(&early, "replicas ready", None).map(|values| values[..2].to_vec()), Some(vec![1.0, 2.0]));
    }

    #[test]
    fn rests_last_from_the_look_that_found_none_to_the_one_that_found_some() {
        let mut course = Course::new(1, Span::from_secs(1), 10);
        assert_eq!(course.was_resting(0, at(0)), None);
        for (millis, count) in [(1_000, 1), (2_000, 0), (3_000, 0), (4_000, 2), (6_000, 0)] {
            course.enter(at(millis), &[ready(count)]);
        }
        let resting = |millis| course.was_resting(0, at(millis));
        assert_eq!(resting(500), None, "nobody looked yet");
        assert_eq!(
            [1_500, 2_000, 3_900, 4_000, 5_999, 6_000, 9_000].map(|m| resting(m) == Some(true)),
            [false, true, true, false, false, true, true]
        );
    }

    #[test]
    fn replicas_with_names_are_counted_by_them() {
        let named = |names: &[&str]| Sight {
            ready: Some(names.len() as u64),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Sight::default()
        };
        let mut course = Course::new(1, Span::from_secs(1), 10);
        course.enter(at(0), &[named(&["f-1"])]);
        course.enter(at(1_000), &[named(&["f-2"])]);
        course.enter(at(2_000), &[named(&["f-2", "f-3"])]);
        course.enter(at(3_000), &[named(&["f-3"])]);
        assert_eq!(course.starts(0), Some(2), "one was there before");
    }

    #[test]
    fn a_sum_needs_all_functions() {
        let mut course = Course::new(2, Span::from_secs(1), 2);
        course.enter(at(0), &[ready(1), Sight::default()]);
        let series = course.series(at(2_000));
        assert_eq!(values(&series, "replicas ready", None), None);
        assert_eq!(values(&series, "replicas ready", Some(0)), Some(vec![1.0, 1.0]));
        assert_eq!(course.all_ready(), Some(1));
    }
}
