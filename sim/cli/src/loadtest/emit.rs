//! A load test as a Kubernetes Indexed Job: pod i takes shard i, and all start at one instant.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::Failure;
use crate::simulate::quoted;

/// Kubernetes takes a mebibyte in a ConfigMap; the rest is for its own fields.
const MOST_BYTES: usize = 1_000_000;

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
        let message = format!("scenario, bodies and traces are {size} bytes, and a ConfigMap holds {MOST_BYTES} at most");
        return Err(Failure::new(message).help("put them into an image of your own, or on the volume, and write the job by hand"));
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
        Job { name: "Pi 4: \"k3s\"", words, files, shards: 3, start_at: "2026-01-31T12:00:00Z", results: "/work/it's" }
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
            "faas-lab merge '/work/it'\\''s'",
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
