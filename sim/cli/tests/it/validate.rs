//! `validate` and `calibrate` as their users meet them, on made-up data: the published cases are played by the tests of
//! the package that has them.

use std::fs;

use serde_json::Value;

use super::{Desk, code, stderr};

fn hey(times: &[f64]) -> String {
    let rows: String = times.iter().map(|secs| format!("{secs},200,0.5\n")).collect();
    format!("response-time,status-code,offset\n{rows}")
}

/// Data of functions whose calls of `stretch` times a serial one come in five waves of four.
fn data(stretch: &[(&str, f64)]) -> Desk {
    let desk = Desk::new();
    let put = |name: &str, text: &str| desk.put(&format!("data/openfaas-k3s-2022/{name}"), text);
    put("cold/pod-startup.csv", "app,delay\nf,6\n");
    for (function, stretch) in stretch {
        let waves: Vec<f64> = (1..=5).flat_map(|wave| [stretch * f64::from(wave); 4]).collect();
        put(&format!("serial/{function}.csv"), &hey(&[1.0; 8]));
        put(&format!("parallel-20/{function}.csv"), &hey(&waves));
    }
    desk
}

#[test]
fn raw_data_are_predicted_and_the_exit_code_says_how_well() {
    let good = data(&[("pyaes", 7.0), ("float-operation", 7.0)]);
    let told = good.say(&["validate", "--raw", "data", "--markdown", "page.md", "--out", "page.html"]);
    assert!(told.contains("float-operation") && told.ends_with("All rows with a bound are within it.\n"), "{told}");
    let page = fs::read_to_string(good.path("page.md")).expect("a page");
    assert!(
        page.contains("<!-- openfaas-k3s-2022 -->") && page.contains("Contention 2.000, fitted to pyaes."),
        "{page}"
    );
    assert!(fs::read_to_string(good.path("page.html")).expect("a page").contains("<table>"));
    // Once more gives the same page: the part takes its own place.
    good.say(&["validate", "--raw", "data", "--markdown", "page.md"]);
    assert_eq!(fs::read_to_string(good.path("page.md")).expect("a page"), page);

    let bad = data(&[("pyaes", 7.0), ("float-operation", 4.0)]);
    let output = bad.run(&["validate", "--raw", "data", "--json"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["outside"], 2);
    let rows = told["sections"][1]["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["case"] == "float-operation").expect("a row");
    assert_eq!((&row["verdict"], &row["bound"]), (&Value::from("outside"), &serde_json::json!({ "share": 0.2 })));
}

#[test]
fn what_is_missing_is_told() {
    let desk = Desk::new();
    let output = desk.command(&["validate"]).env_remove("FAAS_LAB_DATA").output().expect("the program runs");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--published"), "{}", stderr(&output));
    let output = desk.run(&["validate", "--raw", "nowhere"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("there is no folder nowhere"), "{}", stderr(&output));
    fs::create_dir(desk.path("other")).expect("a folder");
    let output = desk.run(&["validate", "--raw", "other"]);
    assert_eq!(code(&output), 3, "nothing was there to be told");
    assert!(stderr(&output).contains("skipped: other holds no openfaas-k3s-2022"), "{}", stderr(&output));
    // A function that is to be predicted from has to be there.
    let incomplete = data(&[("float-operation", 7.0)]);
    let output = incomplete.run(&["validate", "--raw", "data"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("pyaes.csv cannot be read"), "{}", stderr(&output));
}

#[test]
fn a_calibration_needs_runs_enough_and_a_core_that_is_there() {
    let desk = Desk::new();
    let output = desk.run(&["calibrate", "--reference", "--runs", "3"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("20..=1000"), "{}", stderr(&output));
    let output = desk.run(&["calibrate", "--reference", "--core", "1000"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("cannot be kept on core 1000"), "{}", stderr(&output));
}
