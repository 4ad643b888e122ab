//! Kubernetes' HorizontalPodAutoscaler (autoscaling/v2) on CPU utilization.

use crate::time::Span;

/// Settings of the autoscaler. Defaults: Kubernetes' own.
#[derive(Clone, Debug, PartialEq)]
pub struct Hpa {
    /// Wanted CPU use as a share of the request (0.8, which is what `kubectl autoscale` writes).
    pub target_utilization: f64,
    /// How often it decides (15 s).
    pub period: Span,
    /// Relative deviation that is left alone (0.1).
    pub tolerance: f64,
    /// Look-back of the highest wish before scaling down (300 s).
    pub down_window: Span,
    /// Look-back of the lowest wish before scaling up (0 s).
    pub up_window: Span,
    /// Window over which the metrics server averages CPU (15 s).
    pub metrics_window: Span,
    /// A new replica's readiness is not trusted for this long (30 s).
    pub initial_readiness_delay: Span,
}

impl Default for Hpa {
    fn default() -> Hpa {
        Hpa {
            target_utilization: 0.8,
            period: Span::from_secs(15),
            tolerance: 0.1,
            down_window: Span::from_secs(300),
            up_window: Span::ZERO,
            metrics_window: Span::from_secs(15),
            initial_readiness_delay: Span::from_secs(30),
        }
    }
}
