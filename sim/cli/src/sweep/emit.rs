//! Job files that spread a sweep over machines: a Slurm job array, a Kubernetes Indexed Job.

use std::path::Path;

use crate::args::{Scheduler, SweepArguments};
use crate::simulate::quoted;

/// The command that each task runs; which shard it plays follows from the scheduler's environment.
pub(super) fn words(arguments: &SweepArguments, target: &Path) -> Vec<String> {
    let mut words = vec!["faas-lab".to_owned(), "sweep".to_owned()];
    words.extend(arguments.inputs.iter().map(|path| path.display().to_string()));
    words.extend(arguments.vary.iter().map(|vary| format!("--vary={vary}")));
    words.extend(arguments.pairs.then(|| "--pairs".to_owned()));
    words.extend(arguments.seed.map(|seed| format!("--seed={seed}")));
    words.extend(arguments.replications.map(|replications| format!("--replications={replications}")));
    words.extend(arguments.set.iter().map(|assignment| format!("--set={assignment}")));
    words.extend(arguments.threads.map(|threads| format!("--threads={threads}")));
    words.push(format!("--out={}", target.display()));
    words
}

pub(super) fn job(scheduler: Scheduler, name: &str, words: &[String], target: &Path, shards: u32) -> String {
    match scheduler {
        Scheduler::Slurm => slurm(name, words, target, shards),
        Scheduler::Kubernetes => kubernetes(name, words, target, shards),
    }
}

fn slurm(name: &str, words: &[String], target: &Path, shards: u32) -> String {
    let command: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let command = command.join(" ");
    let last = shards.max(1) - 1;
    let (job, folder) = (quoted(&format!("faas-lab-{}", plain(name))), quoted(&target.display().to_string()));
    format!(
        "#!/bin/sh
# A sweep as a job array of {shards} tasks: save this as sweep.sh, then
#   sbatch sweep.sh
# Each task plays its shard, known from SLURM_ARRAY_TASK_ID, and may be submitted again to go on where it ended. Then
#   faas-lab sweep --merge {folder}
# joins the rows. Add --partition and --time as your cluster wants them.
#SBATCH --job-name={job}
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --signal=B:TERM@60
set -eu
# With exec, the signal before the time limit reaches the sweep, which then ends with what it has.
exec {command}
"
    )
}

fn kubernetes(name: &str, words: &[String], target: &Path, shards: u32) -> String {
    // JSON's strings are YAML's.
    let text = |text: &str| serde_json::to_string(text).expect("a string is JSON");
    let arguments: String = words[1..].iter().map(|word| format!("            - {}\n", text(word))).collect();
    let (job, shards) = (text(&format!("faas-lab-{}", plain(name))), shards.max(1));
    format!(
        "# A sweep as an Indexed Job of {shards} pods: save this as sweep.yaml, then kubectl apply -f sweep.yaml
# The volume holds the scenario and takes the results, and every pod works in it: its claim must allow ReadWriteMany if
# pods run on several nodes. When the job is complete, join the rows with faas-lab sweep --merge {folder}
apiVersion: batch/v1
kind: Job
metadata:
  name: {job}
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {shards}
  backoffLimitPerIndex: 3
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: sweep
          image: faas-lab:{version}
          workingDir: /work
          command: [\"faas-lab\"]
          args:
{arguments}          env:
            - name: JOB_COMPLETIONS
              value: \"{shards}\"
          resources:
            requests:
              cpu: \"2\"
              memory: 512Mi
          volumeMounts:
            - name: work
              mountPath: /work
      volumes:
        - name: work
          persistentVolumeClaim:
            claimName: faas-lab-work
",
        folder = quoted(&target.display().to_string()),
        version = env!("CARGO_PKG_VERSION"),
    )
}

/// As Kubernetes and Slurm allow a name.
fn plain(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(letter).take(40).collect();
    name.trim_matches('-').to_owned()
}
