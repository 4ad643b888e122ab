//! What request logs tell of a platform that starts a replica per request: which idle replica it uses, how long it keeps
//! them, how long they live at most.
//!
//! ```text
//! logs ─▶ Routing: which rule explains the choices among idle replicas
//!      └▶ Fates: what each arrival says about replicas alive and dead ─▶ Risks, by maximum likelihood
//! ```

mod arrivals;
mod fates;
mod risks;
mod routing;

pub use arrivals::{ArrivalsFit, fit_arrivals};
pub use fates::{Fates, Spell};
pub use risks::{Risks, RisksFit, fit_risks};
pub use routing::{RoutingFit, RuleScore, fit_routing};
