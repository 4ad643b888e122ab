//! `sweep` as its users meet it: ended suddenly and gone on with, cut into shards, handed to a scheduler.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Desk, QUEUE, code, stderr};

const VARY: [&str; 4] = [
    "--vary",
    "function.f.replicas=1..4",
    "--vary",
    "workload.0.arrivals={ poisson = \"0.3/s\" },{ poisson = \"0.6/s\" }",
];

fn desk() -> Desk {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    desk
}

fn words<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", "queue.toml"], &VARY[..], more].concat()
}

#[test]
fn a_sweep_that_was_killed_goes_on_and_yields_the_same() {
    let desk = desk();
    let told = desk.say(&words(&["--out", "whole"]));
    assert!(told.starts_with("8 of 8 points.\n"), "{told}");
    assert_eq!(desk.names("whole"), ["rows.jsonl", "sweep.csv", "sweep.json", "sweep.parquet"]);
    let table = fs::read_to_string(desk.path("whole/sweep.csv")).expect("a table");
    assert_eq!(table.lines().count(), 9);
    assert!(table.starts_with("point,label,function.f.replicas,workload.0.arrivals,replications,"), "{table}");

    // A long one, so that the end comes in its midst.
    let long = ["--set", "duration=60000s", "--threads", "1"];
    let mut child = desk
        .command(&words(&[&long[..], &["--out", "cut"]].concat()))
        .stdout(Stdio::null())
        .spawn()
        .expect("the program runs");
    let rows = || fs::read_to_string(desk.path("cut/rows.jsonl")).map_or(0, |text| text.lines().count());
    let deadline = Instant::now() + Duration::from_secs(60);
    while rows() < 2 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    let before = rows();
    assert!(before >= 2);
    // What a write that was cut off leaves.
    let mut log = fs::read(desk.path("cut/rows.jsonl")).expect("rows");
    log.extend(b"{\"point\": 7, \"lab");
    fs::write(desk.path("cut/rows.jsonl"), log).expect("written");
    let told = desk.say(&words(&[&long[..], &["--out", "cut"]].concat()));
    assert!(before == 8 || told.contains(&format!("8 of 8 points, {before} of them from earlier runs.")), "{told}");
    desk.say(&words(&[&long[..2], &["--out", "straight", "--threads", "3"]].concat()));
    for table in ["sweep.csv", "sweep.parquet"] {
        let read = |folder: &str| fs::read(desk.path(&format!("{folder}/{table}"))).expect("a table");
        assert!(read("cut") == read("straight"), "{table} differs");
    }
}

#[test]
fn another_sweep_is_refused_with_the_reason() {
    let desk = desk();
    desk.say(&words(&["--out", "s", "--quiet"]));
    let refused = |words: &[&str]| {
        let output = desk.run(words);
        assert_eq!(code(&output), 2, "{words:?}");
        stderr(&output)
    };
    assert!(refused(&words(&["--out", "s", "--seed", "9"])).contains("overrides"));
    assert!(refused(&["sweep", "queue.toml", "--vary", "duration=10s,20s", "--out", "s"]).contains("--vary"));
    desk.put("queue.toml", &QUEUE.replace("2000s", "2001s"));
    assert!(refused(&words(&["--out", "s"])).contains("the scenario file has changed"));
    desk.put("mine/thesis.tex", "");
    assert!(refused(&words(&["--out", "mine"])).contains("thesis.tex"));
    assert!(refused(&["sweep", "queue.toml"]).contains("nothing is varied"));
    assert!(
        refused(&["sweep", "queue.toml", "--vary", "duration=soon,10s", "--out", "n"]).contains("--set duration=soon")
    );
    assert!(refused(&["sweep", "--merge", "mine"]).contains("no sweep"));
}

#[test]
fn shards_of_a_job_array_join_to_the_whole() {
    let desk = desk();
    desk.say(&words(&["--out", "whole", "--quiet"]));
    let task = |task: &str| {
        let status = desk
            .command(&words(&["--out", "parts", "--quiet"]))
            .env("SLURM_ARRAY_TASK_ID", task)
            .env("SLURM_ARRAY_TASK_MIN", "1")
            .env("SLURM_ARRAY_TASK_COUNT", "3")
            .status();
        assert!(status.expect("the program runs").success());
    };
    task("1");
    task("3");
    let early = desk.run(&["sweep", "--merge", "parts"]);
    assert!(code(&early) == 3 && String::from_utf8_lossy(&early.stdout).contains("Some points are missing"));
    task("2");
    assert_eq!(desk.names("parts"), ["shard-0-of-3", "shard-1-of-3", "shard-2-of-3", "sweep.csv", "sweep.parquet"]);
    desk.say(&[
        "sweep",
        "--merge",
        "parts/shard-0-of-3",
        "parts/shard-1-of-3",
        "parts/shard-2-of-3",
        "--out",
        "joined",
    ]);
    for table in ["sweep.csv", "sweep.parquet"] {
        let read = |folder: &str| fs::read(desk.path(&format!("{folder}/{table}"))).expect("a table");
        assert!(read("whole") == read("joined"), "{table} differs");
    }
    let lost = desk.command(&words(&["--out", "lost"])).env("JOB_COMPLETION_INDEX", "2").output().expect("runs");
    assert!(code(&lost) == 2 && stderr(&lost).contains("JOB_COMPLETIONS"), "{}", stderr(&lost));
}

#[test]
fn job_files_can_be_read_by_those_they_are_for() {
    let desk = desk();
    let slurm = desk.say(&words(&["--emit", "slurm", "--shards", "5", "--out", "it's here"]));
    assert!(slurm.contains("#SBATCH --array=0-4\n"), "{slurm}");
    desk.put("job.sh", &slurm);
    let check = Command::new("sh").args(["-n"]).arg(desk.path("job.sh")).status().expect("sh runs");
    assert!(check.success(), "{slurm}");
    // Its command, run by a shell as task 0 would be, plays that shard.
    let script = slurm.replace("exec faas-lab", &format!("exec {}", env!("CARGO_BIN_EXE_faas-lab")));
    desk.put("job.sh", &script);
    let task = Command::new("sh")
        .arg(desk.path("job.sh"))
        .current_dir(desk.path(""))
        .env("SLURM_ARRAY_TASK_ID", "0")
        .env("SLURM_ARRAY_TASK_COUNT", "5")
        .output()
        .expect("sh runs");
    assert!(task.status.success(), "{}", stderr(&task));
    assert!(desk.path("it's here/shard-0-of-5/sweep.csv").is_file());

    let job = desk.say(&words(&["--emit", "kubernetes", "--shards", "5"]));
    for line in ["completionMode: Indexed", "completions: 5", "name: JOB_COMPLETIONS", "kind: Job"] {
        assert!(job.contains(line), "{line} is not in\n{job}");
    }
}
