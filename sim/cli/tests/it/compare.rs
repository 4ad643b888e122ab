//! `compare` as its users meet it.

use std::fs;

use serde_json::Value;

use super::{Desk, QUEUE, code, stderr};

/// The queue with two variants and prices.
fn desk() -> Desk {
    let desk = Desk::new();
    let variants = "[variant.fast]\n\"function.f.demand\" = { exponential = \"0.5s\" }\n\n[variant.twice]\n\"function.f.replicas\" = 2\n";
    desk.put("queue.toml", &format!("{QUEUE}\n{variants}"));
    desk
}

fn json(desk: &Desk, words: &[&str]) -> Value {
    let output = desk.run(&[words, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
}

fn rows(desk: &Desk, file: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(desk.path(file)).expect("a table");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect()
}

#[test]
fn the_variants_of_a_scenario_are_compared() {
    let desk = desk();
    let told = desk.say(&["compare", "queue.toml"]);
    assert!(told.contains("comes first") && told.contains("Held against base"), "{told}");
    let folder = "faas-lab-results/queue-comparison";
    assert_eq!(desk.names(folder), ["comparison.csv", "comparison.json", "points", "report.html"]);
    assert_eq!(desk.names(&format!("{folder}/points")), ["01-base", "02-fast", "03-twice"]);
    let rows = rows(&desk, &format!("{folder}/comparison.csv"));
    let head = &rows[0];
    assert_eq!((head[0].as_str(), head[3].as_str(), head[6].as_str()), ("label", "metric", "mean"));
    let fast = rows.iter().find(|row| row[0] == "fast" && row[3] == "response_mean").expect("a row");
    assert_eq!(fast.last().map(String::as_str), Some("better"), "{fast:?}");

    // A point is the simulation that its result names.
    let file = desk.path(&format!("{folder}/points/02-fast/result.json"));
    let point: Value = serde_json::from_str(&fs::read_to_string(file).expect("a result")).expect("JSON");
    let command = point["command"].as_str().expect("a command").to_owned();
    let words = format!("{command} --out again --quiet");
    let shell = desk.command(&[]).get_program().to_owned();
    let script = words.replacen("faas-lab", shell.to_str().expect("UTF-8"), 1);
    let status = std::process::Command::new("sh").args(["-c", &script]).current_dir(desk.path("")).status();
    assert!(status.expect("sh runs").success(), "{script}");
    let again: Value =
        serde_json::from_str(&fs::read_to_string(desk.path("again/result.json")).expect("a result")).expect("JSON");
    assert_eq!(point["replications"], again["replications"]);

    // Its page can be rendered again.
    let page = fs::read(desk.path(&format!("{folder}/report.html"))).expect("a page");
    desk.say(&["report", folder, "--output", "again.html"]);
    assert_eq!(fs::read(desk.path("again.html")).expect("a page").len(), page.len());
    let json = fs::read_to_string(desk.path(&format!("{folder}/comparison.json"))).expect("a comparison");
    desk.put("bad/comparison.json", &json.replacen("\"baseline\":0", "\"baseline\":9", 1));
    let refused = desk.run(&["report", "bad"]);
    assert!(code(&refused) == 2 && stderr(&refused).contains("not there"), "{}", stderr(&refused));

    // It is replaced as a whole, and nobody else's file is.
    desk.say(&["compare", "queue.toml", "--quiet"]);
    desk.put(&format!("{folder}/points/02-fast/notes.md"), "mine");
    let refused = desk.run(&["compare", "queue.toml"]);
    assert!(code(&refused) == 2 && stderr(&refused).contains("notes.md"), "{}", stderr(&refused));
}

#[test]
fn a_grid_is_the_same_at_any_number_of_threads() {
    let desk = desk();
    let vary = ["--vary", "function.f.demand={ exponential = \"0.5s\" },{ exponential = \"0.6s\" }"];
    let also = ["--vary", "function.f.replicas=1..2"];
    for threads in ["1", "4"] {
        let words = [&["compare", "queue.toml", "--threads", threads, "--out", threads, "--quiet"][..], &vary, &also];
        desk.say(&words.concat());
    }
    for file in ["comparison.json", "comparison.csv", "report.html"] {
        let read = |threads: &str| fs::read(desk.path(&format!("{threads}/{file}"))).expect("a file");
        assert!(read("1") == read("4"), "{file} differs");
    }
    let found = json(&desk, &[&["compare", "queue.toml", "--out", "x", "--pairs"][..], &vary, &also].concat());
    assert_eq!(found["ranking"].as_array().map(Vec::len), Some(2));
}

#[test]
fn everything_that_is_wrong_with_the_points_is_told_before_anything_runs() {
    let desk = desk();
    let words = ["compare", "queue.toml", "--vary", "function.f.scaling=fixed,nonsense", "--vary", "duration=soon,10s"];
    let refused = desk.run(&words);
    let told = stderr(&refused);
    assert!(code(&refused) == 2 && told.contains("nonsense") && told.contains("soon"), "{told}");
    assert!(!desk.path("faas-lab-results").exists());
    for (words, expected) in [
        (&["compare", "queue.toml", "--vary", "a=1,,2"][..], "a value is missing"),
        (&["compare", "queue.toml", "--baseline", "nobody"], "choose one of: base; fast; twice"),
        (&["compare", "queue.toml", "--fail-if", "p95 slower"], "no direction"),
        (&["compare", "queue.toml", "--pairs"], "--vary"),
        (&["compare", "queue.toml", "other.toml"], "compared alone"),
        (&["compare", "nothing.json", "none.json"], "cannot read nothing.json"),
        (&["compare", "a.json", "b.json", "--seed", "3"], "--seed needs a scenario"),
    ] {
        let refused = desk.run(words);
        assert!(code(&refused) == 2 && stderr(&refused).contains(expected), "{words:?}: {}", stderr(&refused));
    }
    desk.put("plain.toml", QUEUE);
    let refused = desk.run(&["compare", "plain.toml"]);
    assert!(stderr(&refused).contains("--vary function.NAME.scaling"), "{}", stderr(&refused));
}

#[test]
fn results_are_compared_and_a_gate_decides() {
    let desk = desk();
    let simulate = |out: &str, more: &[&str]| {
        desk.say(&[&["simulate", "queue.toml", "--quiet", "--out", out, "--replications", "8"], more].concat());
    };
    simulate("before", &[]);
    simulate("same", &[]);
    simulate("slower", &["--set", "function.f.demand={ exponential = \"1.2s\" }"]);

    let gate = ["--fail-if", "p95 worse by 5%", "--junit", "gate.xml", "--out", "c"];
    let passed = desk.run(&[&["compare", "before", "same"][..], &gate].concat());
    assert_eq!(code(&passed), 0, "{}", stderr(&passed));
    let failed = desk.run(&[&["compare", "before/result.json", "new=slower"][..], &gate].concat());
    let told = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert!(code(&failed) == 1 && told.contains("FAILED: p95 worse by 5%: new: higher by"), "{told}");
    let xml = fs::read_to_string(desk.path("gate.xml")).expect("a file");
    assert!(xml.contains("failures=\"1\"") && xml.contains("<failure message=\"higher by"), "{xml}");

    // Labels tell results apart: here only their folders do.
    let found = json(&desk, &["compare", "before", "same", "slower", "--out", "c"]);
    assert_eq!(found["baseline"], "before");
    assert_eq!(found["ranking"].as_array().map(Vec::len), Some(3));
}

#[test]
fn what_cannot_be_compared_is_told_and_the_rest_goes_on() {
    let desk = desk();
    for (out, seed) in [("a", "1"), ("b", "50"), ("old", "1")] {
        desk.say(&["simulate", "queue.toml", "--quiet", "--out", out, "--seed", seed]);
    }
    let old = fs::read_to_string(desk.path("old/result.json")).expect("a result");
    desk.put("old/result.json", &old.replacen("\"schema_version\": 1", "\"schema_version\": 99", 1));
    desk.put("broken.json", "{");
    desk.put("empty/notes.md", "");

    let found = json(&desk, &["compare", "a", "old", "b", "broken.json", "--out", "c"]);
    let warnings = found["warnings"].to_string();
    assert!(warnings.contains("schema version 99") && warnings.contains("broken.json"), "{warnings}");
    assert_eq!(found["ranking"].as_array().map(Vec::len), Some(2));
    // Other seeds: nothing to pair.
    assert!(found["differences"].as_array().expect("a list").iter().all(|difference| difference["paired"] == false));

    let refused = desk.run(&["compare", "a", "old"]);
    assert!(code(&refused) == 2 && stderr(&refused).contains("needs two results"), "{}", stderr(&refused));
    let refused = desk.run(&["compare", "a", "empty"]);
    assert!(code(&refused) == 2 && stderr(&refused).contains("holds no result.json"), "{}", stderr(&refused));
}

#[test]
fn a_damaged_result_leaves_the_others_alone() {
    let desk = desk();
    for (out, seed) in [("a", "1"), ("b", "50"), ("damaged", "1"), ("nan", "1")] {
        desk.say(&["simulate", "queue.toml", "--quiet", "--out", out, "--seed", seed]);
    }
    let text = |name: &str| fs::read_to_string(desk.path(&format!("{name}/result.json"))).expect("a result");
    let mut damaged: Value = serde_json::from_str(&text("damaged")).expect("JSON");
    damaged["functions"][0]["responses"][0]["histogram"]["hdr_v2_base64"] = "AAAA".into();
    desk.put("damaged/result.json", &damaged.to_string());
    desk.put("nan/result.json", &text("nan").replacen("\"seed\": 1", "\"seed\": NaN", 1));
    let found = json(&desk, &["compare", "a", "b", "damaged", "nan", "--out", "c"]);
    let warnings = found["warnings"].to_string();
    assert!(warnings.contains("damaged/result.json: a histogram of response times of f cannot be read"), "{warnings}");
    assert!(warnings.contains("NaN in line") && warnings.contains("is no number in JSON"), "{warnings}");
    assert_eq!(found["ranking"].as_array().map(Vec::len), Some(2));
    let refused = desk.run(&["report", "damaged"]);
    let told = stderr(&refused);
    assert!(code(&refused) == 2 && told.contains("damaged/result.json cannot be shown: a histogram"), "{told}");
}

#[test]
fn a_measured_result_is_held_against_its_simulation() {
    let desk = desk();
    desk.say(&["simulate", "queue.toml", "--quiet", "--out", "sim", "--replications", "8"]);
    let longer = ["--replications", "1", "--set", "function.f.demand={ exponential = \"1.4s\" }"];
    desk.say(&[&["simulate", "queue.toml", "--quiet", "--out", "live"][..], &longer].concat());
    let file = fs::read_to_string(desk.path("live/result.json")).expect("a result");
    desk.put("live/result.json", &file.replacen("\"source\": \"simulated\"", "\"source\": \"measured\"", 1));
    let told = desk.say(&["compare", "sim", "live", "--out", "c"]);
    assert!(told.contains("The simulation puts the median") && told.contains("below what was measured"), "{told}");
    assert!(told.contains("Held against simulated\n  measured: ") && !told.contains("Ranked by"), "{told}");
    let page = fs::read_to_string(desk.path("c/report.html")).expect("a page");
    assert!(page.contains("Errors of the simulation against the measured run"));
}

#[test]
fn single_runs_are_undecided() {
    let desk = desk();
    for (out, more) in [("a", "function.f.replicas=1"), ("b", "function.f.replicas=2")] {
        desk.say(&["simulate", "queue.toml", "--quiet", "--out", out, "--replications", "1", "--set", more]);
    }
    let undecided = desk.run(&["compare", "a", "b", "--fail-if", "p95 worse by 5%"]);
    let told = String::from_utf8_lossy(&undecided.stdout).into_owned();
    assert!(code(&undecided) == 3 && told.contains("single runs cannot tell"), "{told}");
    assert!(told.contains("! single-run:"), "{told}");
}
