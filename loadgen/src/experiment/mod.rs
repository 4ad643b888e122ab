//! Runs the designed experiment of `faas-lab calibrate --gateway` against a live gateway, and leaves it as it was.

mod admin;
mod calls;

use std::time::{Duration, Instant};

pub use admin::{Admin, AdminError, FunctionStatus};
use bytes::Bytes;
use faas_lab_calibration::live::{Call, Design, Measurements, Part, Step};
use reqwest::Client;

use crate::target::Platform;
use calls::{Caller, Tried};

/// The longest pause between warm calls. Gateway, function and processor are asleep after a tenth of a second if ever.
const PAUSE: Duration = Duration::from_millis(100);

/// What to measure.
pub struct Experiment<'a> {
    /// How functions are invoked.
    pub platform: &'a dyn Platform,
    /// How the gateway is asked and told.
    pub admin: &'a Admin,
    /// One client for all of it.
    pub client: Client,
    /// The function.
    pub function: &'a str,
    /// What its calls carry.
    pub body: Bytes,
    /// How much of each part is done.
    pub design: &'a Design,
    /// Is told what is going on and which share of the budget is spent.
    pub progress: &'a (dyn Fn(Part, f64) + Sync),
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// The gateway does not answer as one.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The function answers no call.
    #[error("{function} answers no call: {reason}")]
    NoAnswer {
        /// The function.
        function: String,
        /// What came of the first call.
        reason: String,
    },
}

impl Experiment<'_> {
    /// Runs all parts. The number of replicas is put back in any case.
    ///
    /// # Errors
    /// If the gateway is not there, does not know the function, or the function answers no call at all.
    pub async fn run(&self) -> Result<Measurements, ExperimentError> {
        let before = self.admin.status(self.function).await?;
        let measured = self.measure(&before).await;
        self.restore(&before).await?;
        measured
    }

    /// Puts the number of replicas back, and waits until they are there.
    async fn restore(&self, before: &FunctionStatus) -> Result<(), AdminError> {
        let now = self.admin.status(self.function).await?;
        if now.replicas != before.replicas {
            self.admin.scale(self.function, before.replicas).await?;
            let limit = Instant::now() + Duration::from_secs(30);
            while self.admin.status(self.function).await?.ready < before.ready.min(before.replicas)
                && Instant::now() < limit
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    async fn measure(&self, before: &FunctionStatus) -> Result<Measurements, ExperimentError> {
        let caller = Caller { experiment: self };
        let mut seen = Measurements {
            function: self.function.to_owned(),
            settings: before.settings.clone(),
            ..Measurements::default()
        };
        // The first call wakes the function; its time is not used.
        if let Tried::Failed(reason) = caller.call(&self.body).await {
            return Err(ExperimentError::NoAnswer { function: self.function.to_owned(), reason });
        }
        seen.connections = self.connections(&mut seen.unseen).await;
        seen.pings = self.pings(&mut seen.unseen).await;
        seen.warm = self.warm(&caller).await;
        seen.steps = self.steps(&caller, &seen.warm).await?;
        seen.payloads = self.payloads(&caller, &mut seen.unseen).await;
        seen.cold = self.cold(&caller, &mut seen.unseen).await?;
        Ok(seen)
    }

    /// A clock for a part: false when its share of the budget is spent.
    fn budget(&self, part: Part) -> impl Fn() -> bool {
        let (start, length) = (Instant::now(), self.design.budget.mul_f64(part.share()));
        let before: f64 = Part::ALL.iter().filter(|other| **other < part).map(|other| other.share()).sum();
        move || {
            let spent = start.elapsed().as_secs_f64() / length.as_secs_f64();
            (self.progress)(part, before + part.share() * spent.min(1.0));
            spent < 1.0
        }
    }

    async fn connections(&self, unseen: &mut Vec<String>) -> Vec<f64> {
        let left = self.budget(Part::Connections);
        let mut times = Vec::new();
        let Some(address) = self.admin.address().await else {
            unseen.push("the gateway's name has no address to connect to".to_owned());
            return times;
        };
        for _ in 0..self.design.connections {
            if !left() {
                break;
            }
            let start = Instant::now();
            match tokio::time::timeout(Duration::from_secs(5), tokio::net::TcpStream::connect(address)).await {
                Ok(Ok(_connection)) => times.push(start.elapsed().as_secs_f64()),
                _ => {
                    unseen.push(format!("a connection to {address} could not be opened"));
                    break;
                }
            }
            pause(10).await;
        }
        times
    }

    async fn pings(&self, unseen: &mut Vec<String>) -> Vec<f64> {
        let left = self.budget(Part::Pings);
        let mut times = Vec::new();
        for _ in 0..self.design.pings {
            if !left() {
                break;
            }
            match self.admin.ping().await {
                Ok(time) => times.push(time.as_secs_f64()),
                Err(error) => {
                    unseen.push(format!("pings: {error}"));
                    break;
                }
            }
            pause(5).await;
        }
        times
    }

    /// One call at a time, after pauses of any length up to [`PAUSE`]: a caller who never pauses finds everything awake.
    async fn warm(&self, caller: &Caller<'_>) -> Vec<Call> {
        let left = self.budget(Part::Warm);
        let mut calls = Vec::new();
        let mut failures = 0;
        // Multiples of the golden section fill an interval evenly, however many there are.
        let mut part: f64 = 0.0;
        while calls.len() < self.design.warm as usize && failures < 20 && left() {
            match caller.call(&self.body).await {
                // A call that was held is no warm one.
                Tried::Done(call) if call.held.is_none() => calls.push(call),
                Tried::Done(_) => {}
                Tried::Failed(_) => failures += 1,
            }
            part = (part + 0.618_034).fract();
            tokio::time::sleep(PAUSE.mul_f64(part)).await;
        }
        calls
    }

    /// So many callers, each of whom calls again as soon as he has his answer.
    async fn steps(&self, caller: &Caller<'_>, warm: &[Call]) -> Result<Vec<Step>, AdminError> {
        let length = self.design.budget.mul_f64(Part::Steps.share()) / self.design.steps.len().max(1) as u32;
        let typical = warm.iter().map(|call| call.total).sum::<f64>() / warm.len().max(1) as f64;
        let left = self.budget(Part::Steps);
        let mut steps = Vec::new();
        for &concurrency in &self.design.steps {
            if !left() {
                break;
            }
            // A few hundred calls say enough; a fast function need not be hammered for the whole time.
            let enough = (400.0 * typical / f64::from(concurrency)).max(0.5);
            let length = length.min(Duration::from_secs_f64(enough));
            let before = self.admin.status(self.function).await?.ready;
            let start = Instant::now();
            let one = async || {
                let (mut calls, mut failures) = (Vec::new(), 0);
                while start.elapsed() < length {
                    match caller.call(&self.body).await {
                        Tried::Done(call) => calls.push(call),
                        Tried::Failed(_) => {
                            failures += 1;
                            pause(20).await;
                        }
                    }
                }
                (calls, failures)
            };
            let done = futures_util::future::join_all((0..concurrency).map(|_| one())).await;
            let seconds = start.elapsed().as_secs_f64();
            let after = self.admin.status(self.function).await?.ready;
            let failures = done.iter().map(|(_, failures)| failures).sum();
            let calls = done.into_iter().flat_map(|(calls, _)| calls).collect();
            steps.push(Step { concurrency, replicas: Some((before, after)), seconds, calls, failures });
        }
        Ok(steps)
    }

    async fn payloads(&self, caller: &Caller<'_>, unseen: &mut Vec<String>) -> Vec<(u64, Vec<f64>)> {
        let left = self.budget(Part::Payloads);
        let mut sizes = Vec::new();
        for &size in &self.design.payloads {
            // Spaces behind the body, which most functions take for nothing.
            let mut body = self.body.to_vec();
            body.resize(body.len().max(size as usize), b' ');
            let body = Bytes::from(body);
            let mut times = Vec::new();
            while times.len() < self.design.per_payload as usize && left() {
                match caller.call(&body).await {
                    Tried::Done(call) => times.push(call.total - call.inside.unwrap_or(0.0)),
                    Tried::Failed(reason) => {
                        unseen.push(format!("bodies of {size} bytes: {reason}"));
                        return sizes;
                    }
                }
            }
            if !times.is_empty() {
                sizes.push((size, times));
            }
        }
        sizes
    }

    async fn cold(&self, caller: &Caller<'_>, unseen: &mut Vec<String>) -> Result<Vec<Call>, AdminError> {
        let left = self.budget(Part::Cold);
        let mut calls = Vec::new();
        while calls.len() < self.design.cold as usize && left() {
            if let Err(error) = self.admin.scale(self.function, 0).await {
                unseen.push(format!("cold starts: {error}"));
                break;
            }
            while self.admin.status(self.function).await?.replicas > 0
                || self.admin.status(self.function).await?.ready > 0
            {
                if !left() {
                    unseen.push("cold starts: the function did not come down to zero replicas in time".to_owned());
                    return Ok(calls);
                }
                pause(20).await;
            }
            // The replica's process is given time to end: its end must not weigh on the next one's start.
            pause(100).await;
            match caller.call(&self.body).await {
                Tried::Done(call) => calls.push(call),
                Tried::Failed(reason) => {
                    unseen.push(format!("cold starts: {reason}"));
                    break;
                }
            }
        }
        Ok(calls)
    }
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
