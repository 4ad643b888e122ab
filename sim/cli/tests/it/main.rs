//! The program as its users meet it: words in, text, files and an exit code out.

mod compare;
mod golden;
mod hostile;
mod optimize;
mod ping;
mod serve;
mod shared;
mod sweep;
mod up;
mod validate;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder of its own with the program run in it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faas-lab"));
        command.args(words).current_dir(self.folder.path());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the program runs")
    }

    /// Standard output of a run that must succeed.
    fn say(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not killed")
}

/// M/M/1 at ρ = 0.5.
const QUEUE: &str = r#"# One queue.
name = "queue"
duration = "2000s"
seed = 1
replications = 4

[function.f]
demand = { exponential = "1s" }
concurrency = 1
replicas = 1
waiting_room = "unbounded"

[[workload]]
function = "f"
arrivals = { poisson = "0.5/s" }
"#;

#[test]
fn help_names_every_command() {
    let help = Desk::new().say(&["--help"]);
    for command in [
        "simulate",
        "compare",
        "sweep",
        "optimize",
        "check",
        "init",
        "profiles",
        "policies",
        "schema",
        "report",
        "serve",
        "up",
        "completions",
        "man",
    ] {
        assert!(help.contains(&format!("\n  {command}")), "{command} is missing in\n{help}");
    }
    assert!(help.contains("Exit codes"));
}

#[test]
fn a_wrong_word_is_a_usage_error() {
    let desk = Desk::new();
    for words in [&["simulat"][..], &["simulate"], &["simulate", "x.toml", "--precision", "200%"]] {
        assert_eq!(code(&desk.run(words)), 2, "{words:?}");
    }
}

#[test]
fn a_missing_scenario_is_named() {
    let output = Desk::new().run(&["simulate", "nowhere.toml"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("nowhere.toml"), "{}", stderr(&output));
}

#[test]
fn a_bad_scenario_is_told_with_its_place() {
    let desk = Desk::new();
    desk.put("bad.toml", &QUEUE.replace("seed = 1", "seeds = 1"));
    for words in [["simulate", "bad.toml"], ["check", "bad.toml"]] {
        let output = desk.run(&words);
        assert_eq!(code(&output), 2);
        assert!(stderr(&output).contains("bad.toml:4:1"), "{}", stderr(&output));
    }
    assert!(!desk.path("faas-lab-results").exists());
}

#[test]
fn what_init_writes_passes_check() {
    let desk = Desk::new();
    desk.say(&["init"]);
    assert!(desk.say(&["check", "scenario.toml"]).contains("scenario.toml: in order"));
    assert_eq!(desk.say(&["init", "-"]), fs::read_to_string(desk.path("scenario.toml")).expect("written"));
}

#[test]
fn init_replaces_nothing_unasked() {
    let desk = Desk::new();
    desk.put("mine.toml", "precious");
    let output = desk.run(&["init", "mine.toml"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--force"));
    assert_eq!(fs::read_to_string(desk.path("mine.toml")).expect("still there"), "precious");
    desk.say(&["init", "mine.toml", "--force"]);
    assert_ne!(fs::read_to_string(desk.path("mine.toml")).expect("there"), "precious");
}

#[test]
fn check_reads_all_files_before_it_fails() {
    let desk = Desk::new();
    desk.put("good.toml", QUEUE);
    desk.put("bad.toml", "name = 1");
    let output = desk.run(&["check", "bad.toml", "good.toml"]);
    assert_eq!(code(&output), 2);
    assert!(String::from_utf8_lossy(&output.stdout).contains("good.toml: in order"));
    assert!(stderr(&output).contains("1 of 2 files"));
}

#[test]
fn lists_and_schemas_have_content() {
    let desk = Desk::new();
    assert!(desk.say(&["policies"]).contains("hpa"));
    assert!(desk.say(&["profiles"]).contains("raspberry-pi-4"));
    for of in ["scenario", "result"] {
        let schema: serde_json::Value = serde_json::from_str(&desk.say(&["schema", of])).expect("JSON");
        assert!(schema["properties"].is_object(), "{of}");
    }
}

#[test]
fn completions_and_manual_pages_come_from_the_arguments() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(desk.say(&["completions", shell]).contains("--precision"), "{shell}");
    }
    assert!(desk.say(&["man"]).contains("faas\\-lab"));
    desk.say(&["man", "pages"]);
    assert!(desk.names("pages").contains(&"faas-lab-simulate.1".to_owned()));
}

/// `faas-lab schema result | head -c 10`.
#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let desk = Desk::new();
    let mut command = desk.command(&["schema", "result"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let mut first = [0; 10];
    child.stdout.take().expect("piped").read_exact(&mut first).expect("some output");
    let output = child.wait_with_output().expect("an end");
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
}

#[test]
fn a_run_leaves_a_whole_folder_and_names_the_report() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    let text = desk.say(&["simulate", "queue.toml"]);
    assert!(text.trim_end().ends_with("Report: faas-lab-results/queue/report.html"), "{text}");
    assert_eq!(desk.names("faas-lab-results"), ["queue"]);
    assert_eq!(desk.names("faas-lab-results/queue"), ["report.html", "result.json", "timeline.csv"]);
}

#[test]
fn requests_come_on_demand() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    desk.say(&["simulate", "queue.toml", "--requests", "--out", "out"]);
    let table = fs::read_to_string(desk.path("out/requests.csv")).expect("written");
    let rows = table.lines().count();
    assert!((800..1200).contains(&rows), "{rows} rows for a thousand requests on average");
}

#[test]
fn an_older_result_is_replaced_as_a_whole() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    desk.say(&["simulate", "queue.toml", "--requests", "--out", "out"]);
    desk.say(&["simulate", "queue.toml", "--out", "out"]);
    assert_eq!(desk.names("out"), ["report.html", "result.json", "timeline.csv"]);
}

#[test]
fn other_peoples_files_stay() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    desk.put("out/thesis.tex", "precious");
    let refused = desk.run(&["simulate", "queue.toml", "--out", "out"]);
    assert_eq!(code(&refused), 2);
    assert!(stderr(&refused).contains("thesis.tex") && stderr(&refused).contains("help:"), "{}", stderr(&refused));
    assert_eq!(desk.names("out"), ["thesis.tex"]);

    // Notes beside a result of ours are not ours either.
    desk.put("notes/result.json", "{}");
    desk.put("notes/notes.md", "precious");
    assert_eq!(code(&desk.run(&["simulate", "queue.toml", "--out", "notes"])), 2);
    desk.put("file", "not a folder");
    assert_eq!(code(&desk.run(&["simulate", "queue.toml", "--out", "file"])), 2);
    assert_eq!(code(&desk.run(&["simulate", "queue.toml", "--out", "."])), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    // Nobody, root included, can make folders there.
    let output = desk.run(&["simulate", "queue.toml", "--out", "/proc/faas-lab/out"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("/proc/faas-lab"), "{}", stderr(&output));
}

#[test]
fn json_is_for_programs() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    let text = desk.say(&["simulate", "queue.toml", "--json", "--check", "--seed", "5", "--set", "duration=\"1000s\""]);
    let summary: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&summary["seed"], &summary["replications"]), (&5.into(), &4.into()));
    assert!(summary["metrics"]["response_mean"]["half_width"].is_number());
    assert_eq!(summary["checks"][0]["model"], "M/M/1");
    assert!(Path::new(&desk.path(summary["files"]["report"].as_str().expect("a path"))).exists());
}

#[test]
fn threads_change_no_byte() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    let result = |threads: &str| {
        desk.say(&["simulate", "queue.toml", "--quiet", "--threads", threads, "--out", threads]);
        fs::read(desk.path(threads).join("result.json")).expect("written")
    };
    assert!(result("1") == result("2"), "result.json differs between 1 and 2 threads");
}

#[test]
fn a_missed_objective_decides_the_exit_code() {
    let desk = Desk::new();
    desk.put("queue.toml", &format!("{QUEUE}\n[objective]\np95 = \"1ms\"\n"));
    let output = desk.run(&["simulate", "queue.toml", "--quiet"]);
    assert_eq!((code(&output), output.stdout.len()), (1, 0), "{}", stderr(&output));
}

#[test]
fn a_result_can_be_rendered_again() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    desk.say(&["simulate", "queue.toml", "--out", "out"]);
    let page = fs::read(desk.path("out/report.html")).expect("written");
    desk.say(&["report", "out", "-o", "again.html"]);
    assert_eq!(fs::read(desk.path("again.html")).expect("written"), page);
}

#[test]
fn a_result_of_another_version_is_refused() {
    let desk = Desk::new();
    desk.put("result.json", r#"{"schema_version": 999}"#);
    let output = desk.run(&["report", "result.json"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("999"));
    desk.put("broken.json", "{");
    assert!(stderr(&desk.run(&["report", "broken.json"])).contains("broken.json cannot be shown: not a result"));
}

#[test]
fn a_variant_is_played_under_a_name_of_its_own() {
    let desk = Desk::new();
    desk.put("queue.toml", &format!("{QUEUE}\n[variant.long]\nduration = \"2m\"\n"));
    desk.say(&["simulate", "queue.toml", "--variant", "long", "--quiet"]);
    let folders: Vec<_> = fs::read_dir(desk.path("faas-lab-results")).expect("written").flatten().collect();
    let [folder] = folders.as_slice() else { panic!("one folder: {folders:?}") };
    assert!(folder.file_name().to_string_lossy().ends_with("-long"), "{folder:?}");
    let result = fs::read_to_string(folder.path().join("result.json")).expect("written");
    assert!(result.contains(r#""duration_seconds": 120.0"#) && result.contains("--variant=long"));
    let output = desk.run(&["simulate", "queue.toml", "--variant", "short"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains(r#"no variant "short": it has long"#), "{}", stderr(&output));
}
