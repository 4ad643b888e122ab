//! What people, scripts and full disks do to a program. Every answer says what is wrong, where, and what to do instead.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::{Desk, QUEUE, code, stderr};

/// The program could not run, and said all of this.
#[track_caller]
fn refused(output: &Output, said: &[&str]) {
    let message = stderr(output);
    assert_eq!(code(output), 2, "{message}");
    assert!(!message.contains("panicked"), "{message}");
    for words in said {
        assert!(message.contains(words), "{words:?} is not in\n{message}");
    }
}

#[test]
fn files_that_are_no_scenarios() {
    let desk = Desk::new();
    fs::create_dir(desk.path("folder")).expect("a folder");
    desk.put("empty.toml", "\n\n");
    fs::write(desk.path("binary.toml"), [b'a', 0xff, 0, 0x80]).expect("a file");
    desk.put("nul.toml", "a = \"\0\"\n");
    fs::File::create(desk.path("big.toml")).and_then(|file| file.set_len(100 << 20)).expect("a sparse file");
    desk.put("in/file", "");
    for (name, said) in [
        ("folder", "folder is a folder, not a file"),
        ("empty.toml", "empty.toml: the scenario is empty"),
        ("binary.toml", "binary.toml is not UTF-8 text (line 1)"),
        ("nul.toml", "nul.toml:1:6: not TOML"),
        ("big.toml", "big.toml is larger than 4 MiB"),
        ("nowhere.toml", "there is no file nowhere.toml"),
        ("in/file/x.toml", "in/file/x.toml cannot be read"),
    ] {
        refused(&desk.run(&["simulate", name]), &[said, "help:"]);
        refused(&desk.run(&["check", name]), &[said, "1 of 1 files"]);
    }
    assert!(!desk.path("faas-lab-results").exists());
}

#[cfg(unix)]
#[test]
fn a_device_is_read_no_further_than_a_scenario_may_be() {
    refused(&Desk::new().run(&["simulate", "/dev/zero"]), &["/dev/zero is larger than 4 MiB"]);
}

#[test]
fn mistakes_in_other_files_are_shown_there() {
    let desk = Desk::new();
    desk.put("profiles/mine.toml", "cores = 4\nmemory = \"4\"\n");
    desk.put("profiles/syntax.toml", "cores = = 4\n");
    fs::create_dir(desk.path("profiles/folder.toml")).expect("a folder");
    desk.put("t.csv", "time\n1\n2\nx3\n");
    let with = |profile: &str| desk.put("s.toml", &format!("{QUEUE}\n[[node]]\nprofile = \"{profile}\"\n"));
    for (profile, said) in [
        ("mine", "profiles/mine.toml:2:10: a size needs a unit"),
        ("syntax", "profiles/syntax.toml:1:9: not TOML"),
        ("folder", "profiles/folder.toml is a folder"),
        ("mine2", "s.toml:18:11: there is no profile \"mine2\""),
        ("../../secret", "\"../../secret\" is not the name of a profile"),
    ] {
        with(profile);
        refused(&desk.run(&["simulate", "s.toml"]), &[said]);
    }
    desk.put("t.toml", &QUEUE.replace("{ poisson = \"0.5/s\" }", "{ trace = \"t.csv\" }"));
    refused(&desk.run(&["simulate", "t.toml"]), &["t.csv:4:1: \"x3\" is not an arrival time", "help: write seconds"]);
}

#[test]
fn wrong_overrides_are_pointed_at() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    for (over, said) in [
        ("function.f.replica=2", ["`replica` is not a key of `function.f`", "did you mean `replicas`?"]),
        ("duration=long", ["--set duration=long:1:10", "help:"]),
        ("replications=-1", ["between 1 and 100000", "help:"]),
        ("seed=-1", ["must be at least 0", "help:"]),
        ("name=../escape", ["\"../escape\" cannot name a folder", "write letters"]),
        ("name=\"..\"", ["\"..\" cannot name a folder", "write letters"]),
        ("name=/tmp/x", ["\"/tmp/x\" cannot name a folder", "write letters"]),
        ("nothing", ["write key=value", "--set"]),
    ] {
        refused(&desk.run(&["simulate", "queue.toml", "--set", over]), &said);
    }
    assert_eq!(desk.names("."), ["queue.toml"]);
}

#[test]
fn numbers_out_of_range_name_their_range() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    for (option, value, said) in [
        ("--replications", "0", "1..=100000"),
        ("--replications", "-1", "1..=100000"),
        ("--replications", "4000000000", "1..=100000"),
        ("--threads", "0", "from 1 to 1024"),
        ("--threads", "-2", "from 1 to 1024"),
        ("--threads", "100000", "from 1 to 1024"),
        ("--precision", "0%", "above 0%"),
        ("--precision", "-1", "above 0%"),
        ("--precision", "NaN", "above 0%"),
        ("--seed", "-5", "from 0 to 18446744073709551615"),
        ("--seed", "18446744073709551616", "from 0 to 18446744073709551615"),
        ("--out", "", "--out"),
    ] {
        refused(&desk.run(&["simulate", "queue.toml", option, value]), &[said]);
    }
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    for (out, said) in [
        ("queue.toml/x", "queue.toml/x"),
        ("queue.toml", "queue.toml is not a folder"),
        ("/", "cannot be replaced while working in it"),
        ("..", "cannot be replaced while working in it"),
        ("new/..", "names no folder"),
    ] {
        refused(&desk.run(&["simulate", "queue.toml", "--out", out]), &[said]);
    }
    refused(&desk.run(&["init", "queue.toml/x"]), &["cannot write queue.toml/x"]);
    refused(&desk.run(&["man", "queue.toml/x"]), &["queue.toml/x"]);
    assert_eq!(desk.names("."), ["queue.toml"], "nothing is left behind");
}

/// A file called `...toml` has the stem `..`.
#[test]
fn results_stay_in_their_folder_whatever_the_file_is_called() {
    let desk = Desk::new();
    let nameless = QUEUE.replace("name = \"queue\"\n", "");
    desk.put("work/...toml", &nameless);
    desk.put("work/.hidden.toml", &nameless);
    for name in ["work/...toml", "work/.hidden.toml"] {
        refused(&desk.run(&["simulate", name]), &["cannot name a folder", "add name ="]);
    }
    assert_eq!(desk.names("."), ["work"]);
}

#[test]
fn names_are_text_in_a_report_never_markup() {
    let desk = Desk::new();
    let evil = "<img src=x onerror=alert(1)>";
    let text = QUEUE
        .replace("[function.f]", &format!("[function.\"{evil}\"]"))
        .replace("function = \"f\"", &format!("function = \"{evil}\"\nname = \"</script><script>alert(2)</script>\""));
    let node = "\n[[node]]\nname = \"<b>bold</b>\"\ncores = 2\nmemory = \"4GiB\"\n";
    desk.put("evil.toml", &format!("# <script>alert(3)</script>\n{text}{node}"));
    desk.say(&["simulate", "evil.toml", "--out", "out"]);
    let page = fs::read_to_string(desk.path("out/report.html")).expect("written");
    for markup in ["<img src=x", "<script>alert", "<b>bold"] {
        assert!(!page.contains(markup), "{markup} is in the page");
    }
    assert!(page.contains("&lt;img src=x"), "the name itself is shown");
}

#[test]
fn what_is_no_result_is_not_shown() {
    let desk = Desk::new();
    desk.put("table.csv", "a,b\n");
    fs::write(desk.path("binary.json"), [0xff, 0]).expect("a file");
    fs::create_dir(desk.path("empty")).expect("a folder");
    for name in ["table.csv", "binary.json", "empty", "nowhere"] {
        refused(&desk.run(&["report", name]), &[name, "help: name a result.json"]);
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsStr;
    use std::io::Read as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{FileTypeExt as _, symlink};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    /// Longer than anybody waits.
    const LONG: [&str; 4] = ["--set", "duration=1000000000s", "--replications", "2"];

    /// A run that goes on for ever, once its progress shows.
    fn begun(desk: &Desk) -> std::process::Child {
        desk.put("queue.toml", QUEUE);
        let mut command = desk.command(&["simulate", "queue.toml", "--out", "out"]);
        let child = command.args(LONG).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        // A tenth of a second of CPU time is far more than it takes to begin.
        let stat = format!("/proc/{}/stat", child.id());
        let started = Instant::now();
        while ticks(&stat) < 10 {
            assert!(started.elapsed() < Duration::from_secs(60), "the run does not begin");
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }

    /// CPU time of a process, in hundredths of a second.
    fn ticks(stat: &str) -> u64 {
        let text = fs::read_to_string(stat).expect("the process is there");
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        fields.split_whitespace().nth(11).and_then(|ticks| ticks.parse().ok()).expect("a number of ticks")
    }

    fn signal(child: &std::process::Child, name: &str) {
        let id = child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().expect("kill is there").success());
    }

    #[test]
    fn an_interrupted_run_keeps_what_it_has_and_says_that_it_is_partial() {
        for name in ["-INT", "-TERM"] {
            let desk = Desk::new();
            let child = begun(&desk);
            signal(&child, name);
            let output = child.wait_with_output().expect("an end");
            assert_eq!(code(&output), 3, "{name}: {}", stderr(&output));
            assert!(String::from_utf8_lossy(&output.stdout).contains("Ended early"));
            let json = fs::read_to_string(desk.path("out/result.json")).expect("written");
            assert!(json.contains("\"partial\": true"));
            assert!(fs::read_to_string(desk.path("out/report.html")).expect("written").contains("ended early"));
            assert_eq!(desk.names("."), ["out", "queue.toml"]);
        }
    }

    #[test]
    fn arguments_may_be_no_utf8() {
        let desk = Desk::new();
        let name = OsStr::from_bytes(b"odd-\xff.toml");
        refused(&desk.command(&["simulate"]).arg(name).output().expect("runs"), &["there is no file odd-"]);
        refused(
            &desk
                .command(&["simulate", "x.toml", "--set"])
                .arg(OsStr::from_bytes(b"name=\xff"))
                .output()
                .expect("runs"),
            &["invalid UTF-8"],
        );
        fs::write(desk.path("plain.toml"), QUEUE).expect("written");
        let out = OsStr::from_bytes(b"out-\xff");
        let output = desk.command(&["simulate", "plain.toml", "--quiet", "--out"]).arg(out).output().expect("runs");
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(desk.folder.path().join(out).join("result.json").exists());
    }

    #[test]
    fn a_full_disk_is_named_with_the_file() {
        let desk = Desk::new();
        desk.put("queue.toml", QUEUE);
        desk.say(&["simulate", "queue.toml", "--quiet", "--out", "out"]);
        // /dev/full refuses every byte. A link to it must be neither replaced nor taken for a success.
        symlink("/dev/full", desk.path("full")).expect("a link");
        refused(&desk.run(&["report", "out", "-o", "full"]), &["cannot write full", "No space left"]);
        assert!(fs::metadata("/dev/full").expect("still there").file_type().is_char_device());
        for words in [&["schema"][..], &["report", "out", "-o", "-"], &["simulate", "queue.toml"]] {
            let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
            let output = desk.command(words).stdout(full).output().expect("runs");
            refused(&output, &["cannot write to standard output", "No space left"]);
        }
    }

    /// On a file system of a few pages. Needs the right to mount one: elsewhere it says so and passes.
    #[test]
    fn results_that_do_not_fit_leave_nothing_behind() {
        let desk = Desk::new();
        desk.put("queue.toml", QUEUE);
        let small = desk.path("small");
        fs::create_dir(&small).expect("a folder");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&small).output();
        if !mount.is_ok_and(|output| output.status.success()) {
            println!("skipped: no right to mount a small file system here");
            return;
        }
        let output = desk.run(&["simulate", "queue.toml", "--out", "small/out"]);
        let left = desk.names("small");
        let gone = Command::new("umount").arg(&small).status();
        refused(&output, &["cannot write small/out/result.json", "No space left"]);
        assert_eq!(left, [""; 0]);
        assert!(gone.is_ok_and(|status| status.success()));
    }

    #[test]
    fn a_reader_that_leaves_early_does_not_spoil_the_result() {
        let desk = Desk::new();
        desk.put("queue.toml", QUEUE);
        let mut command = desk.command(&["simulate", "queue.toml", "--out", "out"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert_eq!((child.wait().expect("an end").code(), said.contains("panicked")), (Some(0), false), "{said}");
        assert!(Path::new(&desk.path("out/report.html")).exists());
    }

    #[test]
    fn no_escapes_where_nobody_looks_or_no_colour_is_wanted() {
        let desk = Desk::new();
        desk.put("queue.toml", QUEUE);
        let output = desk.command(&["simulate", "queue.toml"]).env("NO_COLOR", "1").output().expect("runs");
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
        assert!(!desk.run(&["simulate", "queue.toml"]).stdout.contains(&0x1b));
    }
}
