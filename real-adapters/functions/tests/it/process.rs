//! A function as a process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_faas-lab-functions");

/// A function that serves HTTP on a port of its own, until it is dropped.
pub(crate) struct Function {
    child: Child,
    /// Kept open, so that what the function says later has somewhere to go.
    _stderr: BufReader<ChildStderr>,
    pub(crate) address: String,
}

impl Function {
    pub(crate) fn start(name: &str, variables: &[(&str, &str)]) -> Function {
        Function::start_with(&[name, "--port", "0"], variables)
    }

    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Function {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).envs(variables.iter().copied()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the function starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let (_, address) = line.trim_end().split_once(" listens on ").unwrap_or_else(|| panic!("{line:?}"));
        Function { child, address: address.to_owned(), _stderr: stderr }
    }

    /// SIGTERM.
    pub(crate) fn ask_to_end(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
    }

    /// Its exit code, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("it was started").code()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A function forked for one call.
pub(crate) fn fork(arguments: &[&str], variables: &[(&str, &str)], body: &[u8]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).envs(variables.iter().copied());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the function starts");
    let mut stdin = child.stdin.take().expect("piped");
    let body = body.to_vec();
    // It may refuse without reading.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&body)));
    let output = child.wait_with_output().expect("an end");
    writer.join().expect("no panic");
    output
}
