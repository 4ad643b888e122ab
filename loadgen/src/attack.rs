//! Goose, held to what was asked for: its users run, and nothing else of it shows.
//!
//! Goose by itself prints, installs a logger and a Ctrl-C handler, listens on a telnet port, and its HTML report loads
//! scripts from the network. Here its report and its dashboard come on demand, and the rest never.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Once};

use goose::GooseAttack;
use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::goose::{GooseUser, Scenario, Transaction, TransactionFunction};
use goose::metrics::GooseCoordinatedOmissionMitigation;
use thiserror::Error;

/// What of Goose itself is wanted.
#[derive(Clone, Debug, Default)]
pub struct GooseOptions {
    /// File for Goose's own report: `.html`, `.md` or `.json` by its ending.
    pub report: Option<PathBuf>,
    /// Port of its live dashboard on this machine.
    pub dashboard: Option<u16>,
}

impl GooseOptions {
    /// Whether Goose's own tables are seen by anybody.
    pub(crate) fn shown(&self) -> bool {
        self.report.is_some() || self.dashboard.is_some()
    }
}

/// Goose refused to start, or to end well.
#[derive(Debug, Error)]
#[error("Goose: {0}")]
pub struct AttackError(String);

impl AttackError {
    /// It ended before anybody was ready.
    pub(crate) fn lost() -> AttackError {
        AttackError("it ended before its users were ready".into())
    }
}

/// Runs so many Goose users, each of which does `job` again and again until it calls [`leave`]. `launch_rate` is how many
/// begin per second.
pub(crate) async fn attack(
    name: &str,
    host: &str,
    users: usize,
    launch_rate: f64,
    options: &GooseOptions,
    job: TransactionFunction,
) -> Result<(), AttackError> {
    silence();
    let failed = |error: &dyn std::fmt::Display| AttackError(error.to_string());
    let mut configuration = GooseConfiguration::parse_args_default::<&str>(&[]).map_err(|error| failed(&error))?;
    configuration.host = Some(host.to_owned());
    configuration.users = Some(users);
    configuration.increase_rate = Some(format!("{launch_rate:.6}"));
    configuration.quiet = 3;
    configuration.no_telnet = true;
    configuration.no_print_metrics = true;
    configuration.no_error_summary = true;
    configuration.co_mitigation = Some(GooseCoordinatedOmissionMitigation::Disabled);
    configuration.no_transaction_metrics = true;
    configuration.no_scenario_metrics = true;
    configuration.no_metrics = !options.shown();
    if let Some(report) = &options.report {
        configuration.report_file = vec![report.display().to_string()];
    }
    if let Some(port) = options.dashboard {
        configuration.dashboard = true;
        configuration.dashboard_host = Some(IpAddr::V4(Ipv4Addr::LOCALHOST).to_string());
        configuration.dashboard_port = Some(port);
    }
    let transaction = Transaction::new(job);
    let scenario = Scenario::new(name).register_transaction(transaction);
    let client = GooseClientBuilder::new().without_cookies();
    let attack = GooseAttack::initialize_with_config(configuration)
        .and_then(|attack| attack.set_client_builder_without_cookies(client))
        .map_err(|error| failed(&error))?
        .register_scenario(scenario);
    attack.execute().await.map(drop).map_err(|error| failed(&error))
}

/// This user's job is the last one.
pub(crate) fn leave(user: &mut GooseUser) {
    // Goose prints how many users it launched if it knows of a number of iterations itself.
    user.config.iterations = Some(1);
}

/// Ends all users, however many are left.
pub(crate) fn end() {
    goose::trigger_killswitch("the run is over");
}

struct Nothing;

impl log::Log for Nothing {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

/// Goose logs to whatever logger is there, and installs one that prints if there is none.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = log::set_logger(&Nothing);
    });
}

/// Wraps a function of a user as Goose wants it.
pub(crate) fn job<F>(run: F) -> TransactionFunction
where
    F: for<'u> Fn(
            &'u mut GooseUser,
        ) -> std::pin::Pin<Box<dyn Future<Output = goose::goose::TransactionResult> + Send + 'u>>
        + Send
        + Sync
        + 'static,
{
    Arc::new(run)
}
