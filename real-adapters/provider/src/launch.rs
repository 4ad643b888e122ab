//! From an image and a deployment to what a watchdog is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use faas_lab_http::go::parse_duration;

use crate::api::FunctionDeployment;
use crate::emulation::{DEFAULT_WORK, THREADS_ANNOTATION, WORK_ANNOTATION};
use crate::image::{Image, Listen, Mode};
use crate::quantity;

/// What of-watchdog takes for a timeout that is not set.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Beyond the watchdog's own limits, before it is killed.
const DRAIN_SLACK: Duration = Duration::from_secs(5);

/// How all replicas of one generation of a function are started.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Launch {
    pub(crate) environment: BTreeMap<String, String>,
    /// `None` for the replica's own.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) upstream: Upstream,
    pub(crate) secrets: Vec<String>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) cpu_cores: Option<f64>,
    /// Class of work, for an emulated machine.
    pub(crate) work: String,
    /// Threads that a replica keeps busy at a time; `None` to count them as it runs.
    pub(crate) threads: Option<u32>,
    /// How long a replica may take to finish its calls.
    pub(crate) drain_limit: Duration,
}

/// Where the watchdog finds an `http` function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// It runs a process per call, or serves files.
    None,
    /// A socket of the replica's own.
    Socket,
    /// A loopback port of the replica's own.
    Port,
    /// Always the same address, so that there is room for one replica on the machine.
    Fixed(String),
}

impl Launch {
    /// The error is for the deployer.
    pub(crate) fn new(image: &Image, deployment: &FunctionDeployment) -> Result<Launch, String> {
        let manifest = &image.manifest;
        let mut environment = manifest.environment.clone();
        if let Some(mode) = manifest.mode {
            environment.entry("mode".to_owned()).or_insert_with(|| mode.name().to_owned());
        }
        if let Some(fprocess) = &manifest.fprocess {
            environment.insert("fprocess".to_owned(), fprocess.clone());
        }
        if let Some(path) = &manifest.static_path {
            environment.insert("static_path".to_owned(), path.display().to_string());
        }
        // The gateway sends nothing to a replica that it retires: there is no probe to wait for.
        environment.entry("healthcheck_interval".to_owned()).or_insert_with(|| "0s".to_owned());
        environment.extend(deployment.env_vars.clone());
        if !deployment.env_process.is_empty() {
            environment.remove("function_process");
            environment.insert("fprocess".to_owned(), deployment.env_process.clone());
        }

        let mode = environment.get("mode").map_or(Mode::Streaming.name(), String::as_str).to_owned();
        let process = environment.contains_key("fprocess") || environment.contains_key("function_process");
        if !process && mode != Mode::Static.name() {
            return Err(
                "neither the image nor the deployment says which process to run: set envProcess (fprocess)".to_owned()
            );
        }
        let upstream = match mode == Mode::Http.name() {
            true => upstream(manifest.listen, &environment),
            false => Upstream::None,
        };
        if let Upstream::Fixed(url) = &upstream {
            environment.entry("upstream_url".to_owned()).or_insert_with(|| url.clone());
        }

        let limits = deployment.limits.clone().unwrap_or_default();
        let memory = Some(limits.memory).filter(|m| !m.is_empty()).or_else(|| manifest.memory.clone());
        let cpu = Some(limits.cpu).filter(|c| !c.is_empty()).or_else(|| manifest.cpu.clone());
        let annotation = |key| deployment.annotations.get(key);
        let threads = match annotation(THREADS_ANNOTATION) {
            Some(text) => Some(text.parse().ok().filter(|&n: &u32| n > 0).ok_or_else(|| {
                format!("annotations: {THREADS_ANNOTATION} is \"{text}\", it is a number of threads from 1 on")
            })?),
            None => manifest.threads,
        };
        let timeout =
            |name: &str| environment.get(name).and_then(|text| parse_duration(text)).unwrap_or(DEFAULT_TIMEOUT);
        let drain_limit = timeout("healthcheck_interval") + timeout("write_timeout") + DRAIN_SLACK;
        Ok(Launch {
            folder: image.folder.clone(),
            upstream,
            secrets: deployment.secrets.clone(),
            memory_bytes: memory.map(|text| quantity::memory_bytes(&text)).transpose()?,
            cpu_cores: cpu.map(|text| quantity::cpu_cores(&text)).transpose()?,
            work: annotation(WORK_ANNOTATION)
                .or(manifest.work.as_ref())
                .map_or(DEFAULT_WORK, String::as_str)
                .to_owned(),
            threads,
            drain_limit,
            environment,
        })
    }
}

/// An address that the deployment or the manifest's environment names is meant; else the manifest's word counts.
fn upstream(listen: Option<Listen>, environment: &BTreeMap<String, String>) -> Upstream {
    let named = environment.get("http_upstream_url").or_else(|| environment.get("upstream_url"));
    match (named, listen) {
        (Some(url), _) => Upstream::Fixed(url.trim_end_matches('/').replace("://localhost", "://127.0.0.1")),
        (None, Some(Listen::Fixed(port))) => Upstream::Fixed(format!("http://127.0.0.1:{port}")),
        (None, Some(Listen::Socket)) => Upstream::Socket,
        (None, Some(Listen::Port) | None) => Upstream::Port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Resources;
    use crate::image::ImageManifest;

    fn image(manifest: ImageManifest) -> Image {
        Image { manifest, folder: None }
    }

    fn http(listen: Option<Listen>) -> Image {
        let fprocess = Some("serve".to_owned());
        image(ImageManifest { fprocess, mode: Some(Mode::Http), listen, ..ImageManifest::default() })
    }

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_deployment_overrides_its_image() {
        let image = image(ImageManifest {
            fprocess: Some("a".to_owned()),
            memory: Some("64Mi".to_owned()),
            cpu: Some("1".to_owned()),
            work: Some("cascade".to_owned()),
            environment: variables(&[("A", "1"), ("B", "1")]),
            ..ImageManifest::default()
        });
        let plain = Launch::new(&image, &FunctionDeployment::default()).expect("valid");
        assert_eq!((plain.memory_bytes, plain.cpu_cores, plain.work.as_str()), (Some(64 << 20), Some(1.0), "cascade"));
        assert_eq!(plain.environment["fprocess"], "a");

        let deployment = FunctionDeployment {
            env_process: "b".to_owned(),
            env_vars: variables(&[("B", "2")]),
            annotations: variables(&[(WORK_ANNOTATION, "integer"), (THREADS_ANNOTATION, "3")]),
            limits: Some(Resources { memory: "128Mi".to_owned(), cpu: String::new() }),
            ..FunctionDeployment::default()
        };
        let launch = Launch::new(&image, &deployment).expect("valid");
        assert_eq!((launch.memory_bytes, launch.cpu_cores), (Some(128 << 20), Some(1.0)));
        assert_eq!((launch.work.as_str(), launch.threads), ("integer", Some(3)));
        let pick = |key: &str| launch.environment[key].as_str();
        assert_eq!((pick("fprocess"), pick("A"), pick("B")), ("b", "1", "2"));
    }

    #[test]
    fn an_http_function_gets_an_address_of_its_own_unless_it_insists_on_one() {
        let upstream = |image: &Image, env: &[(&str, &str)]| {
            let deployment = FunctionDeployment { env_vars: variables(env), ..FunctionDeployment::default() };
            Launch::new(image, &deployment).expect("valid").upstream
        };
        assert_eq!(upstream(&http(None), &[]), Upstream::Port);
        assert_eq!(upstream(&http(Some(Listen::Socket)), &[]), Upstream::Socket);
        let fixed = Upstream::Fixed("http://127.0.0.1:5000".to_owned());
        assert_eq!(upstream(&http(Some(Listen::Fixed(5000))), &[]), fixed);
        assert_eq!(upstream(&http(None), &[("upstream_url", "http://localhost:5000/")]), fixed);
        assert_eq!(upstream(&http(None), &[("mode", "streaming")]), Upstream::None);
    }

    #[test]
    fn the_drain_limit_follows_the_watchdogs_timeouts() {
        let limit = |env: &[(&str, &str)]| {
            let deployment = FunctionDeployment { env_vars: variables(env), ..FunctionDeployment::default() };
            Launch::new(&http(None), &deployment).expect("valid").drain_limit.as_secs_f64()
        };
        assert_eq!(limit(&[]), 35.0);
        assert_eq!(limit(&[("write_timeout", "1m30s"), ("healthcheck_interval", "5")]), 100.0);
        assert_eq!(limit(&[("write_timeout", "rubbish")]), 35.0);
    }

    #[test]
    fn without_a_process_there_is_nothing_to_run() {
        let error = Launch::new(&image(ImageManifest::default()), &FunctionDeployment::default()).expect_err("refused");
        assert!(error.contains("envProcess"), "{error}");
    }
}
