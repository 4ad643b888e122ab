//! The alert rule of the OpenFaaS Community Edition: Prometheus scrapes, a rule fires, Alertmanager tells the gateway.

use crate::time::Span;

/// Settings of the alert rule and of the three programs it passes through. Defaults: the OpenFaaS chart's.
#[derive(Clone, Debug, PartialEq)]
pub struct CeAlert {
    /// Calls per second with status 200 above which the alert fires (5).
    pub threshold_per_second: f64,
    /// Window of the rate (10 s).
    pub rate_window: Span,
    /// How long the rate must stay above the threshold (5 s).
    pub hold: Span,
    /// Prometheus' scrape interval (5 s).
    pub scrape: Span,
    /// Prometheus' rule evaluation interval (15 s).
    pub evaluation: Span,
    /// Alertmanager's wait before the first notification of a group (5 s).
    pub group_wait: Span,
    /// Alertmanager's interval between looks at a changed group (10 s).
    pub group_interval: Span,
    /// Alertmanager's interval between repeats of an unchanged alert (30 s).
    pub repeat_interval: Span,
    /// Share of the maximum that one alert adds, in (0, 1] (0.10 today, 0.20 before 2023).
    pub factor: f64,
    /// The corrected variant: steps are bounded by the load, and a resolved alert steps down instead of falling to the
    /// minimum at once.
    pub corrected: bool,
}

impl Default for CeAlert {
    fn default() -> CeAlert {
        CeAlert {
            threshold_per_second: 5.0,
            rate_window: Span::from_secs(10),
            hold: Span::from_secs(5),
            scrape: Span::from_secs(5),
            evaluation: Span::from_secs(15),
            group_wait: Span::from_secs(5),
            group_interval: Span::from_secs(10),
            repeat_interval: Span::from_secs(30),
            factor: 0.10,
            corrected: false,
        }
    }
}
