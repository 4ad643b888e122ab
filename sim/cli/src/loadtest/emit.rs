//! A load test as a Kubernetes Indexed Job: pod i takes shard i, and all start at one instant.

use std::fmt::Write as _;
use std::path::{Component, Path};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum as _;
use faas_lab_http::go::format_duration;
use faas_lab_loadgen::payload::BodySource;
use faas_lab_loadgen::shard::rfc3339;
use faas_lab_loadgen::target::Target;
use faas_lab_model::scenario::{Invocation, Scenario};

use crate::args::LoadtestArguments;
use crate::failure::{Failure, Outcome};
use crate::simulate::{RESULTS, quoted};
use crate::terminal;

/// Kubernetes takes a mebibyte in a ConfigMap; the rest is for its own fields.
const MOST_BYTES: usize = 1_000_000;

/// Where pods take callbacks.
const CALLBACKS: u16 = 9911;

/// From writing the job to its start, unless it is said.
const LEAD: Duration = Duration::from_secs(120);

/// Prints the job.
pub(super) fn run(arguments: &LoadtestArguments, scenario: &Scenario, target: &Target) -> Result<Outcome, Failure> {
    refuse(arguments, target)?;
    let mut files = vec![("scenario.toml".to_owned(), scenario.record.toml.clone().into_bytes())];
    for (name, text) in &scenario.record.profiles {
        // Which of the two it is, its reader knows.
        files.extend(["profiles", "prices"].map(|folder| (format!("{folder}/{name}.toml"), text.clone().into_bytes())));
    }
    let beside = arguments.scenario.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    for path in scenario.record.traces.keys() {
        if Path::new(path).components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(
                Failure::new(format!("the trace {path} is not below the scenario's folder")).help("put it there")
            );
        }
        files.push((path.clone(), read(&beside.join(path))?));
    }
    let bodies = bodies(arguments, &mut files)?;
    let later = scenario.workloads.iter().any(|workload| workload.invocation == Invocation::Async);
    let results = arguments.out.clone().unwrap_or_else(|| Path::new(RESULTS).join(format!("{}-live", scenario.name)));
    let results = results.display().to_string();
    let start_at = arguments.share.start_at.unwrap_or_else(|| SystemTime::now() + LEAD);
    let start_at = rfc3339(start_at);
    let words = words(arguments, target, &bodies, later, &start_at, &results);
    let job = Job {
        name: &scenario.name,
        words: &words,
        files: &files,
        shards: arguments.share.shards,
        start_at: &start_at,
        results: &results,
    };
    terminal::print(&kubernetes(&job)?)?;
    Ok(Outcome::Done)
}

/// What pods cannot do, or should not be told.
fn refuse(arguments: &LoadtestArguments, target: &Target) -> Result<(), Failure> {
    let inside = |host: &str| host == "localhost" || host.starts_with("127.") || host.starts_with("[::1]");
    let url = target.platform.url("function", Invocation::Sync);
    if url.host_str().is_some_and(inside) {
        let message = format!("{} is this machine, which pods do not see", target.address);
        return Err(Failure::new(message).help("say --gateway as pods reach it, such as http://gateway.openfaas:8080"));
    }
    if arguments.target.login.is_some() || arguments.target.password_file.is_some() {
        return Err(Failure::new("a login has no place in a job file").help(
            "leave it out here, and keep it in the secret faas-lab-login that the job reads: its head says how",
        ));
    }
    Ok(())
}

/// Bodies move into the job; returns the word that names them there.
fn bodies(arguments: &LoadtestArguments, files: &mut Vec<(String, Vec<u8>)>) -> Result<Option<String>, Failure> {
    let Some(text) = &arguments.call.data_binary else { return Ok(None) };
    match BodySource::data_binary(text) {
        BodySource::File(path) => {
            files.push(("bodies/body".to_owned(), read(&path)?));
            Ok(Some("@/scenario/bodies/body".to_owned()))
        }
        BodySource::Folder(path) => {
            let entries = std::fs::read_dir(&path).map_err(|error| Failure::with_path("read", &path, &error))?;
            let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
            names.sort();
            for path in names {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if !name.starts_with('.') {
                    files.push((format!("bodies/{name}"), read(&path)?));
                }
            }
            Ok(Some("@/scenario/bodies".to_owned()))
        }
        BodySource::Text(_) | BodySource::Workload => Ok(Some(text.clone())),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::with_path("read", path, &error))
}

/// The words after `faas-lab`. What flags say of the scenario is in the scenario that goes with them.
fn words(
    arguments: &LoadtestArguments,
    target: &Target,
    bodies: &Option<String>,
    later: bool,
    start_at: &str,
    results: &str,
) -> Vec<String> {
    // Kubernetes replaces $(NAME) in arguments, but not $$(NAME).
    let plain = |text: &str| text.replace("$(", "$$(");
    let mut words = vec!["loadtest".to_owned(), "/scenario/scenario.toml".to_owned()];
    let mut put =
        |flag: &str, value: Option<String>| words.extend(value.map(|value| format!("--{flag}={}", plain(&value))));
    let platform = arguments.target.platform.to_possible_value().map(|value| value.get_name().to_owned());
    put("gateway", Some(target.address.clone()));
    put("platform", platform);
    put("namespace", arguments.target.namespace.clone());
    put("domain", arguments.target.domain.clone());
    put("replica-header", arguments.target.replica_header.clone());
    put("method", arguments.call.method.clone());
    for header in &arguments.call.header {
        put("header", Some(header.clone()));
    }
    put("path", arguments.call.path.clone());
    put("data", arguments.call.data.clone());
    put("data-binary", bodies.clone());
    put("in-flight", arguments.in_flight.map(|most| most.to_string()));
    put("metrics", arguments.probe.metrics.as_ref().map(ToString::to_string));
    put("probe", Some(format_duration(arguments.probe.probe)));
    put("connect-timeout", Some(format_duration(arguments.call.connect_timeout)));
    put("out", Some(results.to_owned()));
    put("start-at", Some(start_at.to_owned()));
    let switches = [
        ("insecure", arguments.target.insecure),
        ("http2", arguments.call.http2),
        ("no-keep-alive", arguments.call.no_keep_alive),
        ("busy-poll", arguments.busy_poll),
        ("requests", arguments.requests),
    ];
    words.extend(switches.into_iter().filter(|(_, set)| *set).map(|(flag, _)| format!("--{flag}")));
    if later {
        words.push(format!("--callback-listen=0.0.0.0:{CALLBACKS}"));
        words.push(format!("--callback-url=http://$(POD_IP):{CALLBACKS}/"));
    }
    words
}

/// What the pods are to do.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// Name of the scenario.
    pub(super) name: &'a str,
    /// The words after `faas-lab`, with files as the pods see them: below `/scenario`.
    pub(super) words: &'a [String],
    /// Files below `/scenario`, by their path there.
    pub(super) files: &'a [(String, Vec<u8>)],
    /// Pods.
    pub(super) shards: u32,
    /// When they start, as `--start-at` takes it.
    pub(super) start_at: &'a str,
    /// Folder of the results on the volume.
    pub(super) results: &'a str,
}

/// The manifest: a ConfigMap with the files, and the Job.
pub(super) fn kubernetes(job: &Job<'_>) -> Result<String, Failure> {
    let size: usize = job.files.iter().map(|(path, bytes)| path.len() + bytes.len()).sum();
    if size > MOST_BYTES {
        let message =
            format!("scenario, bodies and traces are {size} bytes, and a ConfigMap holds {MOST_BYTES} at most");
        return Err(Failure::new(message)
            .help("put them into an image of your own, or on the volume, and write the job by hand"));
    }
    // JSON's strings are YAML's.
    let text = |text: &str| serde_json::to_string(text).expect("a string is JSON");
    let name = format!("faas-lab-{}", plain(job.name));
    let (mut data, mut binary, mut items) = (String::new(), String::new(), String::new());
    for (number, (path, bytes)) in job.files.iter().enumerate() {
        let key = format!("file-{number}");
        // A text of many lines is read better as one, but a body must arrive to the byte.
        match std::str::from_utf8(bytes) {
            Ok(lines) => _ = writeln!(data, "  {key}: {}", text(lines)),
            Err(_) => _ = writeln!(binary, "  {key}: {}", STANDARD.encode(bytes)),
        }
        let _ = writeln!(items, "              - {{key: {key}, path: {}}}", text(path));
    }
    let section = |name: &str, lines: &str| if lines.is_empty() { String::new() } else { format!("{name}:\n{lines}") };
    let arguments: String = job.words.iter().map(|word| format!("            - {}\n", text(word))).collect();
    let shards = job.shards.max(1);
    Ok(format!(
        "# A load test from {shards} pods: save this as loadtest.yaml, then kubectl apply -f loadtest.yaml
# All start at {start}; a pod that is up later than that refuses, and then nothing is measured: apply this in time, or
# write it again with another --start-at. The clocks of the nodes must agree (NTP).
# The volume takes the results: its claim must allow ReadWriteMany if pods run on several nodes. When the job is complete:
#   faas-lab merge {folder}
# A gateway that wants a login: kubectl create secret generic faas-lab-login --from-literal=login=USER:PASSWORD
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
{data}{binary}---
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {shards}
  backoffLimit: 0
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      restartPolicy: Never
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app.kubernetes.io/name: {name}
      containers:
        - name: loadtest
          image: faas-lab:{version}
          workingDir: /work
          command: [\"faas-lab\"]
          args:
{arguments}          env:
            - name: JOB_COMPLETIONS
              value: \"{shards}\"
            - name: POD_IP
              valueFrom:
                fieldRef:
                  fieldPath: status.podIP
            - name: FAAS_LAB_LOGIN
              valueFrom:
                secretKeyRef:
                  name: faas-lab-login
                  key: login
                  optional: true
          resources:
            requests:
              cpu: \"1\"
              memory: 256Mi
            limits:
              cpu: \"1\"
              memory: 1Gi
          volumeMounts:
            - name: scenario
              mountPath: /scenario
              readOnly: true
            - name: work
              mountPath: /work
      volumes:
        - name: scenario
          configMap:
            name: {name}
            items:
{items}        - name: work
          persistentVolumeClaim:
            claimName: faas-lab-work
",
        name = text(&name),
        start = job.start_at,
        folder = quoted(job.results),
        data = section("data", &data),
        binary = section("binaryData", &binary),
        version = env!("CARGO_PKG_VERSION"),
    ))
}

/// As Kubernetes allows a name.
fn plain(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(letter).take(40).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "loadtest".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job<'a>(words: &'a [String], files: &'a [(String, Vec<u8>)]) -> Job<'a> {
        Job { name: "Pi 4: \"k3s\"", words, files, shards: 3, start_at: "2026-01-31T12:00:00Z", results: "/data/it's" }
    }

    #[test]
    fn what_users_write_is_quoted() {
        let words = ["loadtest", "--header=X: \"a\": b # c", "--data={\"a\": 1}\n- b"].map(str::to_owned);
        let files = [
            ("scenario.toml".to_owned(), b"# a: b\nname = \"x\"\n".to_vec()),
            ("bodies/photo: 1.jpg".to_owned(), vec![0xff, 0xd8, 0]),
        ];
        let manifest = kubernetes(&job(&words, &files)).expect("small");
        for part in [
            "name: \"faas-lab-pi-4---k3s\"",
            "- \"--header=X: \\\"a\\\": b # c\"",
            "- \"--data={\\\"a\\\": 1}\\n- b\"",
            "file-0: \"# a: b\\nname = \\\"x\\\"\\n\"",
            "binaryData:\n  file-1: /9gA\n",
            "{key: file-1, path: \"bodies/photo: 1.jpg\"}",
            "completions: 3\n",
            "backoffLimit: 0",
            "faas-lab merge '/data/it'\\''s'",
        ] {
            assert!(manifest.contains(part), "{part} is not in\n{manifest}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let files = [("trace.csv".to_owned(), vec![b'1'; MOST_BYTES + 1])];
        let failure = kubernetes(&job(&[], &files)).expect_err("too large").to_string();
        assert!(failure.contains("ConfigMap"), "{failure}");
    }
}
