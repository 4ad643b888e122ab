//! Scaling: asks the policies on their own timers, as the simulator does, and does what they wish.
//!
//! A policy's clock starts when its function is deployed, or when an update changes its settings.

use std::sync::Arc;

use faas_lab_model::policies::{Scaler, ScalerSetup, Snapshot};
use faas_lab_model::rng::Seed;
use faas_lab_model::time::{SimTime, Span};
use faas_lab_provider::Provider;
use faas_lab_queue::Queue;
use tokio::time::{Duration, Instant};

use crate::decisions::{Decisions, Policy};
use crate::function::{Function, whole_nanos};
use crate::labels::Settings;

/// What the policies' questions need.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) queue: Option<Arc<dyn Queue>>,
    pub(crate) decisions: Option<Arc<Decisions>>,
}

/// A policy and when it wants to be asked.
struct Asked {
    policy: Policy,
    scaler: Box<dyn Scaler + Send>,
    next: SimTime,
}

/// The policies of one function, ready to be asked.
pub fn policies(settings: &Settings) -> Vec<(Policy, Box<dyn Scaler + Send>)> {
    // The same draws for every function: a replay of what was recorded has to make them again.
    let key = Seed(0).key("scaler");
    let setup = ScalerSetup { bounds: settings.bounds, cpu_request: settings.cpu_request, key };
    let scaler = settings.scaling.scaler(setup).map(|scaler| (Policy::Scaler, scaler));
    let idler = settings.scale_to_zero.as_ref().map(|idler| (Policy::Idler, idler.scaler()));
    scaler.into_iter().chain(idler).collect()
}

impl Function {
    /// Asks the function's policies until it is dropped.
    pub(crate) async fn scale(self: Arc<Self>, around: Surroundings) {
        let origin = Instant::now();
        let settings = self.lock().settings.clone();
        let mut policies: Vec<Asked> = policies(&settings)
            .into_iter()
            .map(|(policy, scaler)| Asked { policy, scaler, next: SimTime::ZERO })
            .collect();
        loop {
            let Some(next) = policies.iter().map(|asked| asked.next).min().filter(|next| *next < SimTime::NEVER) else {
                return std::future::pending().await;
            };
            tokio::time::sleep_until(origin + Duration::from_nanos(next.as_nanos())).await;
            // The timer's millisecond must not make a question come before its time.
            let now = (SimTime::ZERO + Span::from(origin.elapsed())).max(next);
            for asked in policies.iter_mut().filter(|asked| asked.next <= now) {
                let seen = self.look(now, origin, &settings, &around).await;
                let verdict = asked.scaler.decide(&seen);
                asked.next = verdict.ask_again;
                if let Some(decisions) = &around.decisions {
                    decisions.record(&self.label, asked.policy, &seen, verdict);
                }
                if let Some(replicas) = verdict.replicas {
                    self.set_desired(replicas);
                }
            }
        }
    }

    async fn look(&self, at: SimTime, origin: Instant, settings: &Settings, around: &Surroundings) -> Snapshot {
        let depth = around.queue.as_ref().map_or(0, |queue| queue.depth(&self.label));
        let mut seen = self.snapshot(at, depth);
        if settings.reads_cpu()
            && let Ok(usage) = around.provider.usage(&self.name).await
        {
            seen.cpu_seconds_total = whole_nanos(usage.cpu_seconds_total);
            seen.replicas = self.in_use(&usage.cpu_seconds, origin);
        }
        seen
    }
}
