//! What requests are born with: the work and the wait that the simulator draws for the same request.
//!
//! A function that takes its time from the request, such as `sleep`, can so be asked for the very service time that the
//! simulated one takes. The difference between the two is then the model's, and none of chance.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use faas_lab_model::arrivals::Drawn;
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::{Function, Workload};
use faas_lab_model::time::Span;

/// So many requests back their draws are kept: more than are ever in flight.
const KEPT: usize = 1 << 16;

/// Work and wait of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// CPU work, on the reference machine.
    pub demand: Span,
    /// Time that is not CPU work.
    pub wait: Span,
}

/// The draws of a workload's requests, by their numbers.
#[derive(Debug)]
pub struct Births {
    fresh: Drawing,
    drawn: Mutex<Window>,
}

#[derive(Clone, Debug)]
struct Drawing {
    demand: Drawn,
    wait: Drawn,
}

#[derive(Debug)]
struct Window {
    drawing: Drawing,
    /// Number of the first that is kept.
    first: u64,
    kept: VecDeque<Birth>,
}

impl Births {
    /// Those of `workload`'s requests for `function` in the replication with this seed.
    pub fn new(workload: &Workload, function: &Function, seed: Seed) -> Births {
        let name = |what: &str| format!("workload/{}/{what}", workload.name);
        let fresh = Drawing {
            demand: Drawn::new(function.demand.law.clone(), seed, &name("demand")),
            wait: Drawn::new(function.wait.clone(), seed, &name("wait")),
        };
        let drawn = Mutex::new(Window { drawing: fresh.clone(), first: 0, kept: VecDeque::new() });
        Births { fresh, drawn }
    }

    /// What request `number` is born with.
    pub fn of(&self, number: u64) -> Birth {
        let mut window = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut ahead) = number.checked_sub(window.first) else {
            // Older than anything that is kept: drawn again from the beginning.
            let mut again = self.fresh.clone();
            for _ in 0..number {
                again.next();
            }
            return again.next();
        };
        while ahead >= window.kept.len() as u64 {
            let next = window.drawing.next();
            window.kept.push_back(next);
            if window.kept.len() > KEPT {
                window.kept.pop_front();
                window.first += 1;
                ahead -= 1;
            }
        }
        window.kept[ahead as usize]
    }
}

impl Drawing {
    fn next(&mut self) -> Birth {
        Birth { demand: self.demand.draw(), wait: self.wait.draw() }
    }
}

/// A text with places for what a request is born with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

/// The places: a time with its unit, as functions of Go's world read it, or a number of milliseconds.
const PLACES: [&str; 4] = ["{demand}", "{wait}", "{demand_ms}", "{wait_ms}"];

impl Template {
    /// `text`, if it has such a place.
    pub fn new(text: &str) -> Option<Template> {
        PLACES.iter().any(|place| text.contains(place)).then(|| Template(text.to_owned()))
    }

    /// The text for one request.
    pub fn with(&self, birth: Birth) -> String {
        let span = |span: Span| format!("{}us", span.as_nanos() as f64 / 1e3);
        let millis = |span: Span| format!("{}", span.as_nanos() as f64 / 1e6);
        self.0
            .replace("{demand}", &span(birth.demand))
            .replace("{wait}", &span(birth.wait))
            .replace("{demand_ms}", &millis(birth.demand))
            .replace("{wait_ms}", &millis(birth.wait))
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::scenario::{BuiltIn, Scenario};

    use super::*;

    fn births(seed: u64) -> Births {
        let text = r#"
            duration = "1h"
            [function.f]
            demand = { exponential = "10ms" }
            wait = { lognormal = { median = "50ms", sigma = 0.5 } }
            [[workload]]
            function = "f"
            arrivals = { poisson = "1/s" }
        "#;
        let scenario = Scenario::parse("x.toml", text, &[], &BuiltIn).expect("valid");
        Births::new(&scenario.workloads[0], &scenario.functions[0], Seed(seed))
    }

    #[test]
    fn a_request_is_born_with_the_same_whenever_it_is_asked_for() {
        let (forward, jumping) = (births(7), births(7));
        let all: Vec<Birth> = (0..100).map(|number| forward.of(number)).collect();
        for number in [50, 3, 99, 0, 50] {
            assert_eq!(jumping.of(number), all[number as usize]);
        }
        let far = KEPT as u64 + 500;
        let last = forward.of(far);
        assert_eq!(forward.of(3), all[3], "drawn again");
        assert_eq!(forward.of(far), last);
        assert_ne!(births(8).of(0), all[0]);
    }

    #[test]
    fn a_template_has_places() {
        let birth = Birth { demand: Span::from_millis(3), wait: Span::from_nanos(53_250_000) };
        let with = |text: &str| Template::new(text).map(|template| template.with(birth));
        assert_eq!(with("{wait}").as_deref(), Some("53250us"));
        assert_eq!(with("/?ms={demand_ms}&x={other}").as_deref(), Some("/?ms=3&x={other}"));
        assert_eq!(with("{}"), None);
    }
}
