//! A published figure beside a simulated one, and whether they are close enough.

use faas_lab_model::statistics::Estimate;
use serde::Serialize;

use crate::runs::quantile;

/// How close is close enough. A bound that was chosen with the outcome in view says so where it is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// At most this share of the published figure away.
    Share(f64),
    /// At most so much away, in the row's unit.
    Distance(f64),
    /// At most so many standard errors of both together away; equal where neither has an error.
    Errors(f64),
    /// At least the first and at most the second of these.
    Between(f64, f64),
    /// What was published lies in the range of the replications, or at most so much outside of it, in the row's unit. For
    /// what chance decides in the original too: a single run cannot be expected to be the middle one.
    Range(f64),
    /// Shown, not judged.
    None,
}

/// What came of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Within its bound.
    Within,
    /// Outside of it.
    Outside,
    /// There is no bound: the row only shows.
    Shown,
}

/// One quantity of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The case.
    pub case: String,
    /// What was measured.
    pub quantity: String,
    /// Its unit; empty for counts and shares.
    pub unit: &'static str,
    /// What others found.
    pub published: f64,
    /// Standard error of that, where it is known.
    pub published_error: Option<f64>,
    /// What the model says.
    pub simulated: f64,
    /// Half-width of the 95 % interval of that, where it varies.
    pub half_width: Option<f64>,
    /// The range that the middle 90 % of the replications span, where that is what is shown of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
    /// Standard error of that.
    #[serde(skip)]
    pub standard_error: Option<f64>,
    /// How close they should be.
    pub bound: Bound,
}

impl Row {
    /// A figure of the model without spread.
    pub fn new(case: impl Into<String>, quantity: impl Into<String>, unit: &'static str) -> Row {
        Row {
            case: case.into(),
            quantity: quantity.into(),
            unit,
            published: 0.0,
            published_error: None,
            simulated: 0.0,
            half_width: None,
            range: None,
            standard_error: None,
            bound: Bound::None,
        }
    }

    /// What others found.
    pub fn published(self, value: f64, error: Option<f64>) -> Row {
        Row { published: value, published_error: error, ..self }
    }

    /// What the model says, once.
    pub fn simulated(self, value: f64) -> Row {
        Row { simulated: value, ..self }
    }

    /// What the model says, from independent replications. Not a number where there were none.
    pub fn replicated(self, values: &[f64]) -> Row {
        match Estimate::from_replications(values) {
            Some(estimate) => Row {
                simulated: estimate.mean,
                half_width: estimate.half_width,
                standard_error: estimate.standard_error(),
                ..self
            },
            None => Row { simulated: f64::NAN, ..self },
        }
    }

    /// What the model says, from independent replications that differ by chance: their median and their range. What is not a
    /// number counts as later than all numbers.
    pub fn spread(self, values: &[f64]) -> Row {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share| quantile(&sorted, share).unwrap_or(f64::NAN);
        Row { simulated: at(0.5), range: Some((at(0.05), at(0.95))), ..self }
    }

    /// How close they should be.
    pub fn within(self, bound: Bound) -> Row {
        Row { bound, ..self }
    }

    /// How far the model is off, as a share of what others found; `None` where that is zero.
    pub fn difference(&self) -> Option<f64> {
        let share = (self.simulated - self.published) / self.published;
        share.is_finite().then_some(share)
    }

    /// Standard errors between the two, where there are any.
    pub fn deviations(&self) -> Option<f64> {
        let (ours, theirs) = (self.standard_error.unwrap_or(0.0), self.published_error.unwrap_or(0.0));
        let z = (self.simulated - self.published) / (ours * ours + theirs * theirs).sqrt();
        z.is_finite().then_some(z)
    }

    /// Whether the row keeps its bound. What is not a number keeps none.
    pub fn verdict(&self) -> Verdict {
        let distance = (self.simulated - self.published).abs();
        let within = match self.bound {
            Bound::None => return Verdict::Shown,
            Bound::Share(share) => distance <= share * self.published.abs(),
            Bound::Distance(most) => distance <= most,
            Bound::Errors(most) => match self.deviations() {
                Some(z) => z.abs() <= most,
                None => distance == 0.0,
            },
            Bound::Between(low, high) => (low..=high).contains(&self.simulated),
            Bound::Range(most) => {
                self.range.is_some_and(|(low, high)| (low - most..=high + most).contains(&self.published))
            }
        };
        if within { Verdict::Within } else { Verdict::Outside }
    }
}

/// Rows that belong together, and what there is to say about them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// Title.
    pub title: String,
    /// Where the figures come from, how they are predicted, what the outcome means: a paragraph each.
    pub about: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Section {
    /// A section without rows.
    pub fn new(title: &str, about: &[&str]) -> Section {
        Section { title: title.into(), about: about.iter().map(|text| (*text).to_owned()).collect(), rows: Vec::new() }
    }

    /// How many rows came to this.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict() == verdict).count()
    }
}

/// Rows outside of their bounds, of all sections together.
pub fn missed(sections: &[Section]) -> usize {
    sections.iter().map(|section| section.count(Verdict::Outside)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(published: f64, simulated: f64, bound: Bound) -> Verdict {
        Row::new("c", "q", "s").published(published, None).simulated(simulated).within(bound).verdict()
    }

    #[test]
    fn bounds_hold_up_to_their_ends() {
        assert_eq!(row(10.0, 12.0, Bound::Share(0.2)), Verdict::Within);
        assert_eq!(row(10.0, 12.1, Bound::Share(0.2)), Verdict::Outside);
        assert_eq!(row(-10.0, -8.0, Bound::Share(0.2)), Verdict::Within);
        assert_eq!(row(10.0, 9.5, Bound::Distance(0.5)), Verdict::Within);
        assert_eq!(row(10.0, 9.4, Bound::Distance(0.5)), Verdict::Outside);
        assert_eq!(row(10.0, 3.0, Bound::Between(3.0, 4.0)), Verdict::Within);
        assert_eq!(row(10.0, 10.0, Bound::Between(3.0, 4.0)), Verdict::Outside);
        assert_eq!(row(10.0, 99.0, Bound::None), Verdict::Shown);
        assert_eq!(row(10.0, f64::NAN, Bound::Share(0.2)), Verdict::Outside);
    }

    #[test]
    fn errors_of_both_sides_count_and_none_at_all_means_equal() {
        let row = |published: f64| {
            let row = Row::new("c", "q", "").published(published, Some(0.3)).within(Bound::Errors(4.0));
            row.replicated(&[1.0, 2.0, 3.0, 2.0])
        };
        // The mean of these is 2 with a standard error of √(2/3)/2 = 0.408; with 0.3 that is 0.507.
        assert!((row(2.0).standard_error.unwrap() - 0.40825).abs() < 1e-5);
        assert_eq!((row(4.0).verdict(), row(4.1).verdict()), (Verdict::Within, Verdict::Outside));
        let exact = |simulated| {
            Row::new("c", "q", "").published(5.0, Some(0.0)).simulated(simulated).within(Bound::Errors(4.0)).verdict()
        };
        assert_eq!((exact(5.0), exact(5.000_001)), (Verdict::Within, Verdict::Outside));
    }

    #[test]
    fn a_range_is_that_of_nine_replications_in_ten() {
        let values: Vec<f64> = (1..=40).map(f64::from).collect();
        let row = |published: f64, most: f64| {
            Row::new("c", "q", "s").published(published, None).spread(&values).within(Bound::Range(most))
        };
        // The second of forty is the smallest that 5 % do not exceed, the 38th the same for 95 %.
        assert_eq!((row(1.0, 0.0).simulated, row(1.0, 0.0).range), (20.0, Some((2.0, 38.0))));
        assert_eq!((row(2.0, 0.0).verdict(), row(1.0, 0.0).verdict()), (Verdict::Within, Verdict::Outside));
        assert_eq!((row(40.0, 2.0).verdict(), row(40.1, 2.0).verdict()), (Verdict::Within, Verdict::Outside));
        let none = Row::new("c", "q", "s").spread(&[]).within(Bound::Range(1.0));
        assert_eq!(none.verdict(), Verdict::Outside);
    }

    #[test]
    fn a_difference_is_a_share_of_what_was_published() {
        assert_eq!(Row::new("c", "q", "").published(4.0, None).simulated(5.0).difference(), Some(0.25));
        assert_eq!(Row::new("c", "q", "").simulated(5.0).difference(), None);
    }
}
