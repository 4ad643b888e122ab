//! From a deployment's labels to the policies that the simulator runs too.
//!
//! Labels become settings of a scenario's `[function.NAME]` table and are read by the scenario's own reader, so that a
//! policy means the same in a file and on a label, bounds and messages included:
//!
//! | label | scenario key |
//! |---|---|
//! | `com.openfaas.scale.min`, `.max` | `replicas.min`, `replicas.max` (1 and 20) |
//! | `com.openfaas.scale.type` | `scaling`: `rps`, `capacity`, `cpu` or `queue` |
//! | `com.openfaas.scale.target`, `.target-proportion`, `.down.window` | `target`, `proportion`, `down_window` of that policy |
//! | `com.openfaas.scale.factor` | `scaling.ce-alert.factor`, in per cent; 0: `fixed` |
//! | `com.openfaas.scale.zero`, `.zero-duration` | `scale_to_zero.after` |
//! | `com.faas-lab.scale.policy` | `scaling`, any policy; `none` is `fixed` |
//! | `com.faas-lab.scale.initial` | `replicas.initial` |
//! | `com.faas-lab.scale.KEY` | `KEY` of that policy |
//! | `com.faas-lab.dispatch`, `.concurrency`, `.waiting_room`, `.keep_alive` | the key of that name |
//! | `com.faas-lab.scale_to_zero.KEY` | `scale_to_zero.KEY` |
//!
//! `-` may stand for `_` in keys. Standard labels that the chosen policy does not know are ignored, as the original does.

use std::fmt::Write;

use faas_lab_model::policies::scaling::{Idler, Load};
use faas_lab_model::policies::{Bounds, DispatchPolicy, KeepAlivePolicy, PerRequest, Scaling};
use faas_lab_model::scenario::{BuiltIn, Concurrency, Discipline, Problem, Scenario, WaitingRoom};
use faas_lab_provider::api::FunctionDeployment;

const STANDARD: &str = "com.openfaas.scale.";
const OWN: &str = "com.faas-lab.";
/// The table that labels are laid over. Nothing in it but the function's policies is ever used.
const BLANK: &str = r#"
name = "labels"
duration = "1h"
[function.f]
demand = "1ms"
[[workload]]
function = "f"
arrivals = { poisson = "1/s" }
"#;

/// Where its function's keys are.
const FUNCTION: &str = "function.f.";

/// How a function is scaled and its calls are spread.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Between how many replicas the policy chooses.
    pub bounds: Bounds,
    /// How many replicas there should be.
    pub scaling: Scaling,
    /// Rest after inactivity.
    pub scale_to_zero: Option<Idler>,
    /// Which ready replica takes a call.
    pub dispatch: DispatchPolicy,
    /// How long an idle replica is kept, where replicas are started per request.
    pub keep_alive: KeepAlivePolicy,
    /// Calls that a replica works on at once; `None`: any number.
    pub slots: Option<u32>,
    /// Where calls wait that find no free slot.
    pub waiting_room: Option<WaitingRoom>,
    /// CPU that one replica requests, in cores.
    pub cpu_request: f64,
    /// Share of the maximum, in per cent, by which an alert from outside scales up.
    pub alert_step: u32,
}

impl Settings {
    /// Reads a deployment's labels. `default_policy` names the policy of functions whose labels name none.
    ///
    /// # Errors
    /// Every label that cannot be used, with what to write instead.
    pub fn read(deployment: &FunctionDeployment, default_policy: &str) -> Result<Settings, String> {
        let mut labels = Labels { overrides: Vec::new(), problems: Vec::new() };
        let alert_step = labels.collect(deployment, default_policy);
        if !labels.problems.is_empty() {
            return Err(labels.problems.join("; "));
        }
        let overrides: Vec<String> = labels.overrides.iter().map(|(_, text)| text.clone()).collect();
        let scenario = Scenario::parse("labels.toml", BLANK, &overrides, &BuiltIn)
            .map_err(|errors| labels.explain(&errors.problems))?;
        let function = scenario.functions.into_iter().next().ok_or("the labels describe no function")?;
        let slots = match function.concurrency {
            Concurrency::Workers { count, .. } => Some(count),
            Concurrency::Unlimited if matches!(function.scaling, Scaling::PerRequest(_)) => Some(1),
            Concurrency::Unlimited => None,
        };
        Ok(Settings {
            bounds: function.replicas,
            scaling: function.scaling,
            scale_to_zero: function.scale_to_zero,
            dispatch: function.dispatch,
            keep_alive: function.keep_alive,
            slots,
            waiting_room: function.waiting_room,
            cpu_request: function.cpu_request,
            alert_step,
        })
    }

    /// What a deployment's labels say, as keys and values of a scenario's `[function.NAME]` table; the bounds come first.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn scenario_keys(
        deployment: &FunctionDeployment,
        default_policy: &str,
    ) -> Result<Vec<(String, String)>, String> {
        Settings::read(deployment, default_policy)?;
        let mut labels = Labels { overrides: Vec::new(), problems: Vec::new() };
        labels.collect(deployment, default_policy);
        let own = labels.overrides.iter().filter_map(|(_, text)| text.strip_prefix(FUNCTION)?.split_once('='));
        Ok(own.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// Scale per request, if that is the policy.
    pub fn per_request(&self) -> Option<&PerRequest> {
        match &self.scaling {
            Scaling::PerRequest(per_request) => Some(per_request),
            _ => None,
        }
    }

    /// Whether only replicas with a free slot are candidates, because calls wait in front of the replicas.
    pub fn slots_matter(&self) -> bool {
        self.slots.is_some() && (self.per_request().is_some() || self.waiting_room.is_some())
    }

    /// Whether calls that wait leave in the reverse order of their arrival.
    pub(crate) fn last_come_first_served(&self) -> bool {
        self.waiting_room.is_some_and(|room| room.discipline == Discipline::Lifo)
    }

    /// Whether the policy looks at CPU time, which must be asked for.
    pub(crate) fn reads_cpu(&self) -> bool {
        match &self.scaling {
            Scaling::Hpa(_) => true,
            Scaling::Pro(pro) => pro.load == Load::Cpu,
            _ => false,
        }
    }

    /// What `gateway_service_target_load` shows: the measure and the load that one replica should carry.
    pub(crate) fn target_load(&self) -> Option<(&'static str, f64)> {
        let Scaling::Pro(pro) = &self.scaling else { return None };
        let measure = match pro.load {
            Load::Rps => "rps",
            Load::Capacity => "capacity",
            Load::Cpu => "cpu",
            Load::Queue => "queue",
        };
        Some((measure, pro.target))
    }
}

/// Labels on their way to overrides, each with the label it comes from.
struct Labels {
    overrides: Vec<(String, String)>,
    problems: Vec<String>,
}

impl Labels {
    /// Returns the step of alerts from outside, in per cent.
    fn collect(&mut self, deployment: &FunctionDeployment, default_policy: &str) -> u32 {
        let standard = |key: &str| deployment.labels.get(&format!("{STANDARD}{key}")).map(|value| value.trim());
        let own = |key: &str| deployment.labels.get(&format!("{OWN}{key}")).map(|value| value.trim());

        let per_request = own("scale.policy") == Some("per-request")
            || (own("scale.policy").is_none() && standard("type").is_none() && default_policy == "per-request");
        match standard("min") {
            Some(min) => self.set(&format!("{STANDARD}min"), "replicas.min", min),
            // Where each call brings its replica, none need be there before the first.
            None if per_request => self.set("the policy's default", "replicas.min", "0"),
            None => self.set("the default", "replicas.min", "1"),
        }
        if let Some(max) = standard("max") {
            self.set(&format!("{STANDARD}max"), "replicas.max", max);
        }
        if let Some(initial) = own("scale.initial") {
            self.set(&format!("{OWN}scale.initial"), "replicas.initial", initial);
        }
        let request =
            deployment.requests.as_ref().or(deployment.limits.as_ref()).map(|resources| resources.cpu.as_str());
        let cpu = request.and_then(cores).unwrap_or(1.0);
        self.set("requests.cpu", "cpu_request", &format!("{cpu:?}"));

        let mut alert_step = 10;
        let mut switched_off = false;
        if let Some(factor) = standard("factor") {
            match factor.parse::<u32>() {
                Ok(0) => (switched_off, alert_step) = (true, 0),
                Ok(percent @ 1..=100) => alert_step = percent,
                _ => self.problems.push(format!(
                    "label {STANDARD}factor is {factor:?}: write a whole number of per cent from 0 (no scaling) to 100"
                )),
            }
        }
        let policy = match (own("scale.policy"), standard("type")) {
            (Some(policy), _) if switched_off && policy.starts_with("ce-alert") => "fixed",
            (Some(policy), _) => policy,
            (None, Some(measure @ ("rps" | "capacity" | "cpu" | "queue"))) => measure,
            (None, Some(other)) => {
                self.problems.push(format!(
                    "label {STANDARD}type is {other:?}: this gateway measures rps, capacity, cpu or queue"
                ));
                return alert_step;
            }
            (None, None) if switched_off => "fixed",
            (None, None) => default_policy,
        };
        let policy = if policy == "none" { "fixed" } else { policy };
        if !policy.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') || policy.is_empty() {
            self.problems.push(format!("label {OWN}scale.policy is {policy:?}: write a name such as capacity"));
            return alert_step;
        }
        let label = format!("{OWN}scale.policy");
        self.set(&label, "scaling", &format!("\"{policy}\""));
        if matches!(policy, "rps" | "capacity" | "cpu" | "queue") {
            for (label, key) in
                [("target", "target"), ("target-proportion", "proportion"), ("down.window", "down_window")]
            {
                if let Some(value) = standard(label).filter(|value| *value != "off") {
                    self.set(&format!("{STANDARD}{label}"), &format!("scaling.{policy}.{key}"), value);
                }
            }
        }
        if policy.starts_with("ce-alert") && standard("factor").is_some() {
            let share = f64::from(alert_step) / 100.0;
            self.set(&format!("{STANDARD}factor"), &format!("scaling.{policy}.factor"), &format!("{share:?}"));
        }
        self.rest(deployment, policy);
        alert_step
    }

    /// Scale to zero, and the labels that are keys of a scenario by themselves.
    fn rest(&mut self, deployment: &FunctionDeployment, policy: &str) {
        let zero = deployment.labels.get(&format!("{STANDARD}zero")).map(|value| value.trim());
        if matches!(zero, Some("true" | "1")) {
            let label = format!("{STANDARD}zero-duration");
            let after = deployment.labels.get(&label).map_or("15m", |value| value.trim());
            self.set(&label, "scale_to_zero.after", after);
            let reconcile = format!("{OWN}scale_to_zero.reconcile");
            if !deployment.labels.contains_key(&reconcile) {
                // The original looks each minute, which would make ten seconds into a minute.
                let look = after
                    .parse::<faas_lab_model::time::Span>()
                    .map_or(60_000, |after| (after.as_nanos() / 4_000_000).clamp(250, 60_000));
                self.set(&label, "scale_to_zero.reconcile", &format!("{look}ms"));
            }
        }
        for (label, value) in &deployment.labels {
            let Some(written) = label.strip_prefix(OWN) else { continue };
            let key = written.replace('-', "_");
            let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
            match key.as_str() {
                "scale.policy" | "scale.initial" => {}
                "dispatch" | "concurrency" | "waiting_room" | "keep_alive" => self.set(label, &key, value),
                _ if !plain => {}
                _ if key.starts_with("scale_to_zero.") => self.set(label, &key, value),
                _ => {
                    if let Some(key) = key.strip_prefix("scale.") {
                        self.set(label, &format!("scaling.{policy}.{key}"), value);
                    }
                }
            }
        }
        if !deployment.labels.contains_key(&format!("{OWN}dispatch")) {
            self.set("the default", "dispatch", "least-outstanding");
        }
    }

    fn set(&mut self, label: &str, key: &str, value: &str) {
        self.overrides.push((label.to_owned(), format!("{FUNCTION}{key}={}", value.trim())));
    }

    /// The reader's messages in terms of labels.
    fn explain(&self, problems: &[Problem]) -> String {
        let mut text = String::new();
        for problem in problems {
            let source = problem.place.as_ref().map_or("", |place| place.source.name());
            let written = source.strip_prefix("--set ").unwrap_or(source);
            let label = self.overrides.iter().find(|(_, text)| text == written).map(|(label, _)| label.as_str());
            let separator = if text.is_empty() { "" } else { "; " };
            match label {
                Some(label) => {
                    let value = written.split_once('=').map_or("", |(_, value)| value);
                    let _ = write!(text, "{separator}label {label} is {value:?}: {}", problem.message);
                }
                None => {
                    let _ = write!(text, "{separator}labels: {}", problem.message);
                }
            }
            if let Some(help) = &problem.help {
                let _ = write!(text, " ({help})");
            }
        }
        text
    }
}

/// Kubernetes' notation for cores: `0.5`, `500m`.
fn cores(text: &str) -> Option<f64> {
    let cores = match text.strip_suffix('m') {
        Some(milli) => milli.parse::<f64>().ok()? / 1000.0,
        None => text.parse().ok()?,
    };
    (cores.is_finite() && cores > 0.0 && cores <= 4096.0).then_some(cores)
}

#[cfg(test)]
mod tests {
    use faas_lab_model::policies::scaling::{CeAlert, Counting, Fixed, Pro};
    use faas_lab_model::time::Span;
    use proptest::prelude::*;

    use super::*;

    fn read(labels: &[(&str, &str)]) -> Result<Settings, String> {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Settings::read(&FunctionDeployment { labels, ..FunctionDeployment::default() }, "rps")
    }

    #[test]
    fn without_labels_it_is_the_documented_rule_on_calls_per_second() {
        let settings = read(&[]).expect("no labels are fine");
        assert_eq!(settings.bounds, Bounds { min: 1, max: 20, initial: 1 });
        assert_eq!(settings.scaling, Scaling::Pro(Pro::new(Load::Rps)));
        assert_eq!(settings.dispatch, DispatchPolicy::LeastOutstanding);
        assert!(settings.scale_to_zero.is_none() && !settings.slots_matter());
    }

    #[test]
    fn standard_labels_name_policy_bounds_and_rest() {
        let settings = read(&[
            ("com.openfaas.scale.min", "2"),
            ("com.openfaas.scale.max", "8"),
            ("com.openfaas.scale.type", "capacity"),
            ("com.openfaas.scale.target", "5"),
            ("com.openfaas.scale.target-proportion", "1.0"),
            ("com.openfaas.scale.down.window", "2m"),
            ("com.openfaas.scale.zero", "true"),
            ("com.openfaas.scale.zero-duration", "10s"),
        ])
        .expect("these are the documented labels");
        assert_eq!(settings.bounds, Bounds { min: 2, max: 8, initial: 2 });
        let pro = Pro { target: 5.0, proportion: 1.0, down_window: Span::from_secs(120), ..Pro::new(Load::Capacity) };
        assert_eq!(settings.scaling, Scaling::Pro(pro));
        let idler = settings.scale_to_zero.expect("scale to zero is on");
        assert_eq!((idler.after, idler.counting), (Span::from_secs(10), Counting::InFlight));
        assert!(idler.reconcile <= Span::from_millis(2_500));
    }

    #[test]
    fn own_labels_name_any_policy_with_its_settings() {
        let settings = read(&[
            ("com.faas-lab.scale.policy", "ce-alert"),
            ("com.faas-lab.scale.group-wait", "1s"),
            ("com.openfaas.scale.factor", "20"),
            ("com.faas-lab.dispatch", "random"),
        ])
        .expect("a policy of the scenario");
        let expected = CeAlert { factor: 0.2, group_wait: Span::from_secs(1), ..CeAlert::default() };
        assert_eq!(settings.scaling, Scaling::CeAlert(expected));
        assert_eq!((settings.alert_step, settings.dispatch), (20, DispatchPolicy::Random));

        let settings = read(&[
            ("com.faas-lab.scale.policy", "per-request"),
            ("com.faas-lab.keep_alive", "30s"),
            ("com.faas-lab.scale.routing", "most-recently-used"),
        ])
        .expect("scale per request");
        assert_eq!((settings.slots, settings.bounds.min, settings.bounds.initial), (Some(1), 0, 0));
        assert_eq!(settings.keep_alive, KeepAlivePolicy::Fixed(Span::from_secs(30)));
        assert!(settings.slots_matter());
    }

    #[test]
    fn every_policy_that_is_listed_can_be_named() {
        for listing in faas_lab_model::scenario::policies() {
            let label = match listing.key {
                "function.NAME.scaling" => "com.faas-lab.scale.policy",
                "function.NAME.dispatch" => "com.faas-lab.dispatch",
                _ => continue,
            };
            assert!(read(&[(label, listing.name)]).is_ok(), "{label}={}", listing.name);
        }
        let fixed = Scaling::Fixed(Fixed {});
        assert_eq!(read(&[("com.faas-lab.scale.policy", "none")]).expect("an alias").scaling, fixed);
        let switched_off = read(&[("com.openfaas.scale.factor", "0")]).expect("switched off");
        assert_eq!((switched_off.scaling, switched_off.alert_step), (fixed.clone(), 0));
        let alert = [("com.openfaas.scale.factor", "0"), ("com.faas-lab.scale.policy", "ce-alert")];
        assert_eq!(read(&alert).expect("switched off").scaling, fixed);
    }

    #[test]
    fn what_cannot_be_used_is_told_by_its_label() {
        for (label, value, tells) in [
            ("com.openfaas.scale.min", "many", "com.openfaas.scale.min"),
            ("com.openfaas.scale.type", "custom", "rps, capacity, cpu or queue"),
            ("com.openfaas.scale.factor", "101", "from 0"),
            ("com.openfaas.scale.target", "-3", "com.openfaas.scale.target"),
            ("com.openfaas.scale.down.window", "10m", "5m"),
            ("com.faas-lab.scale.policy", "capacty", "capacity"),
            ("com.faas-lab.scale.tarket", "3", "target"),
            ("com.faas-lab.dispatch", "randm", "random"),
            ("com.openfaas.scale.max", "0", "com.openfaas.scale.max"),
        ] {
            let told = read(&[(label, value)]).expect_err("cannot be used");
            assert!(told.contains(tells), "{label}={value}: {told}");
            assert!(!told.contains("--set") && !told.contains('\n'), "{told}");
        }
    }

    #[test]
    fn cores_are_written_as_kubernetes_does() {
        assert_eq!((cores("100m"), cores("2"), cores("0.5")), (Some(0.1), Some(2.0), Some(0.5)));
        assert_eq!((cores(""), cores("-1"), cores("NaN"), cores("1e9")), (None, None, None, None));
    }

    proptest! {
        #[test]
        fn no_label_panics(
            keys in prop::collection::vec("(com\\.openfaas\\.scale\\.|com\\.faas-lab\\.(scale\\.)?)[a-z_.=\"-]{0,12}", 0..6),
            values in prop::collection::vec(prop_oneof![".{0,20}", "[0-9]{1,12}[smh]?"], 6),
        ) {
            let labels = keys.into_iter().zip(values).collect();
            let _ = Settings::read(&FunctionDeployment { labels, ..FunctionDeployment::default() }, "rps");
        }
    }
}
