//! Starts functions so that none survives the watchdog.
//!
//! A watchdog that is killed cannot clean up, so each function asks the kernel to be killed with it. Only the function's
//! own process can ask, and asking between fork and exec needs unsafe code; so the watchdog starts itself once more, under
//! a hidden first argument, and that process asks and then becomes the function.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use rustix::process::{Pid, Signal};
use tokio::process::Command;

const BECOME_FUNCTION: &str = "--become-function";

/// To be called first in `main` of every binary that contains a watchdog.
///
/// Returns at once, unless this process was started to become a function; then it does not return.
pub fn become_function_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != BECOME_FUNCTION) {
        return;
    }
    let parent = arguments.next().and_then(|pid| pid.to_str()?.parse().ok());
    let failure = match arguments.next() {
        Some(program) => become_function(parent, &program, arguments),
        None => io::Error::from(io::ErrorKind::InvalidInput),
    };
    eprintln!("the function could not be started: {failure}");
    std::process::exit(127);
}

fn become_function(parent: Option<i32>, program: &OsStr, arguments: impl Iterator<Item = OsString>) -> io::Error {
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    if rustix::process::getppid().map(Pid::as_raw_pid) != parent {
        return io::Error::other("the watchdog is gone");
    }
    // When memory runs out the function goes before its watchdog, which then can say so. Not vital.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    std::process::Command::new(program).args(arguments).exec()
}

/// A command that runs the program in a process group of its own, to be killed with this process.
pub(crate) fn command(process: &[String], environment: &BTreeMap<OsString, OsString>) -> Result<Command, String> {
    let (program, arguments) = process.split_first().ok_or_else(|| "exec: no command".to_owned())?;
    let path = environment.get(OsStr::new("PATH")).map_or(OsStr::new(""), OsString::as_os_str);
    find(program, path)?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("faas-lab-watchdog")
        .arg(BECOME_FUNCTION)
        .arg(std::process::id().to_string())
        .arg(program)
        .args(arguments)
        .env_clear()
        .envs(environment)
        .process_group(0);
    Ok(command)
}

/// Whether there is such a program: the process that becomes the function could only say so in its own output.
fn find(program: &str, path: &OsStr) -> Result<(), String> {
    if program.contains('/') {
        return match std::fs::metadata(program) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(format!("fork/exec {program}: no such file or directory"))
            }
            Err(e) => Err(format!("fork/exec {program}: {e}")),
            Ok(_) if is_executable(Path::new(program)) => Ok(()),
            Ok(_) => Err(format!("fork/exec {program}: permission denied")),
        };
    }
    let folders = path.as_bytes().split(|&b| b == b':').map(|folder| Path::new(OsStr::from_bytes(folder)));
    if !program.is_empty() && folders.map(|folder| folder.join(program)).any(|file| is_executable(&file)) {
        return Ok(());
    }
    Err(format!("exec: \"{program}\": executable file not found in $PATH"))
}

fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Sends a signal to a function and all that it started, but for those that made groups of their own.
///
/// Call it only while the function's process has not been waited for: until then its number cannot be given away.
pub(crate) fn signal_group(group: Option<u32>, signal: Signal) {
    let group = group.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(group) = group {
        // Gone already is as good.
        let _ = rustix::process::kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_and_says_what_go_says_of_missing_ones() {
        let path = OsStr::new("/nowhere:/bin:/usr/bin");
        assert_eq!(find("sh", path), Ok(()));
        assert_eq!(find("/bin/sh", path), Ok(()));
        assert_eq!(find("nosuch", path), Err("exec: \"nosuch\": executable file not found in $PATH".to_owned()));
        assert_eq!(find("/nosuch", path), Err("fork/exec /nosuch: no such file or directory".to_owned()));
        assert_eq!(find("/etc/passwd", path), Err("fork/exec /etc/passwd: permission denied".to_owned()));
        assert!(find("", path).is_err());
    }
}
