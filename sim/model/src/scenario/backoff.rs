//! Delays between attempts, in the simulator and in the load tester.

use super::{Backoff, Jitter};
use crate::rng::Uniforms;
use crate::time::Span;

impl Backoff {
    /// The delay before the attempt after `attempt`, which counts from 1.
    pub fn delay(&self, attempt: u32, draws: &mut impl Uniforms) -> Span {
        // Beyond the longest delay, further growth changes nothing.
        let growth = match self.factor {
            1.0 => Some(1.0),
            factor => (1..attempt).try_fold(1.0f64, |growth, _| {
                let next = growth * factor;
                next.is_finite().then_some(next)
            }),
        };
        let delay =
            growth.map_or(self.max, |growth| Span::from_secs_f64(self.initial.as_secs_f64() * growth).min(self.max));
        let secs = delay.as_secs_f64();
        match self.jitter {
            Jitter::None => delay,
            Jitter::Full => Span::from_secs_f64(secs * draws.uniform()),
            Jitter::Equal => Span::from_secs_f64(secs * (0.5 + 0.5 * draws.uniform())),
        }
    }
}
