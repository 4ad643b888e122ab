//! Runs functions: each replica is a watchdog process of this machine.
//!
//! The gateway sees a [`Provider`] only, so that another one (a cluster's) can stand in. It decides how many replicas
//! there are and which of them go; the provider starts and ends them and says what is there. [`Embedded`] is the one
//! for a single machine without Kubernetes.

pub mod api;
mod cgroup;
mod embedded;
mod emulation;
mod image;
mod launch;
mod logs;
mod options;
mod processes;
mod provider;
mod quantity;
mod ready;
mod spawner;
mod store;
mod validate;

pub use embedded::Embedded;
pub use emulation::{DEFAULT_WORK, Emulation, Speed, THREADS_ANNOTATION, WORK_ANNOTATION};
pub use image::{ImageManifest, Listen, MANIFEST_FILE, Mode};
pub use options::{BackOff, Bounds, CgroupUse, Options, WatchdogCommand};
pub use provider::{Deployed, LogStream, Provider, ProviderError, Replica, ReplicaState, Replicas};
pub use store::OpenError;
