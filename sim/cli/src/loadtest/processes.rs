//! Shares a load test between processes of this machine: each is this program again, with a part of the schedule.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use faas_lab_loadgen::shard::Shard;

use super::groups::part_folder;
use super::{merge, written};
use crate::args::LoadtestArguments;
use crate::failure::{Failure, Outcome};
use crate::output::Staging;
use crate::{interrupt, terminal};

/// From starting the processes to the start of the schedule: on a busy machine they need some time to be ready.
const LEAD: Duration = Duration::from_secs(3);

/// Flags that a part does not inherit: those with a value, and those without.
const VALUED: [&str; 3] = ["--processes", "--out", "--start-at"];
const BARE: [&str; 3] = ["--json", "--quiet", "-q"];

/// Runs a load test in `count` processes, and joins what they measured into `folder`.
pub(super) fn run(arguments: &LoadtestArguments, count: u32, folder: &Path) -> Result<Outcome, Failure> {
    // Whether the result can be written is better known before the run.
    let staging = Staging::new(folder)?;
    let parts = Parts::new(folder)?;
    if !arguments.quiet {
        terminal::complain(&format!(
            "{count} processes start in {} s, and are joined when all have ended.",
            LEAD.as_secs()
        ));
    }
    let given: Vec<OsString> = std::env::args_os().collect();
    let folders = spread(&given, count, &parts.0)?;
    let how = merge::How { command: written::command(arguments), json: arguments.json, quiet: arguments.quiet };
    merge::join(&folders, staging, &how)
}

/// A hidden folder for the parts, which goes when they are joined.
struct Parts(PathBuf);

impl Parts {
    fn new(folder: &Path) -> Result<Parts, Failure> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.with_file_name(format!(".{name}.{}.parts", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| Failure::with_path("create the folder", &path, &error))?;
        Ok(Parts(path))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        // What cannot be removed is in nobody's way.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `count` parts with the arguments of this process, each into its folder below `folder`, and waits for all. Returns
/// the folders of those that left a result.
///
/// # Errors
/// If a part could not run at all.
fn spread(arguments: &[OsString], count: u32, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let program =
        std::env::current_exe().map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
    let start = (SystemTime::now() + LEAD).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let inherited = without(arguments);
    let parts: Vec<Shard> = (0..count).filter_map(|index| Shard::new(index, count)).collect();
    let mut children = Vec::new();
    for part in &parts {
        let mut command = Command::new(&program);
        command
            .args(&inherited)
            .arg(format!("--shard={}/{}", part.index(), part.count()))
            .arg(format!("--start-at={}.{:03}", start.as_secs(), start.subsec_millis()))
            .arg(joined("--out=", folder))
            .arg("--quiet")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        // Of a group of their own: Ctrl-C comes to them through this process, once.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        match command.spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                end(&mut children);
                return Err(Failure::new(format!("cannot start a process of {}: {error}", program.display())));
            }
        }
    }
    let codes = wait(&mut children)?;
    if let Some(index) = codes.iter().position(|code| !matches!(code, Some(0 | 1 | 3))) {
        let code = codes[index].map_or("by a signal".to_owned(), |code| format!("with {code}"));
        return Err(Failure::new(format!("part {index} of {count} ended {code}")).help("its message is above"));
    }
    Ok(parts.into_iter().map(|part| part_folder(folder, part)).collect())
}

fn wait(children: &mut [Child]) -> Result<Vec<Option<i32>>, Failure> {
    let mut codes: Vec<Option<Option<i32>>> = vec![None; children.len()];
    let stop = interrupt::flag();
    let mut told = false;
    while codes.iter().any(Option::is_none) {
        if !told && stop.load(Ordering::Relaxed) {
            told = true;
            interrupt(children);
        }
        for (child, code) in children.iter_mut().zip(&mut codes).filter(|(_, code)| code.is_none()) {
            match child.try_wait() {
                Ok(status) => *code = status.map(|status| status.code()),
                Err(error) => return Err(Failure::new(format!("cannot wait for a process: {error}"))),
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(codes.into_iter().map(Option::flatten).collect())
}

/// Asks them to end with what they have.
fn interrupt(children: &[Child]) {
    #[cfg(unix)]
    for child in children {
        if let Some(id) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended just now.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::INT);
        }
    }
}

fn end(children: &mut [Child]) {
    for child in children {
        // It may have ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The arguments after the program's name, without what a part is told otherwise.
fn without(arguments: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.iter().skip(1);
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if VALUED.contains(&&*text) {
            arguments.next();
        } else if !BARE.contains(&&*text) && !VALUED.iter().any(|flag| text.starts_with(&format!("{flag}="))) {
            kept.push(argument.clone());
        }
    }
    kept
}

fn joined(flag: &str, path: &Path) -> OsString {
    let mut joined = OsString::from(flag);
    joined.push(path);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_inherit_everything_but_what_they_are_told() {
        let given =
            "faas-lab loadtest x.toml --processes 4 --out dir --rate=5 --start-at=1 --json -q --data --quiet=no -H a";
        let given: Vec<OsString> = given.split(' ').map(OsString::from).collect();
        let kept = without(&given);
        assert_eq!(kept, ["loadtest", "x.toml", "--rate=5", "--data", "--quiet=no", "-H", "a"].map(OsString::from));
    }
}
