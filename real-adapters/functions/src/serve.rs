//! Runs a function: as an HTTP server for many calls, or forked for one, with the call on standard input.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use faas_lab_http::body::CollectError;
use faas_lab_http::{Body, Endpoint, Limits};
use http::{Method, Request, Response, StatusCode};
use tokio::signal::unix::{SignalKind, signal};

use crate::call::{Answer, Call, Content};
use crate::function::Function;
use crate::printr::Printr;
use crate::settings::{Lookup, environment, number};
use crate::{catalogue, figlet, hello};

/// Where functions listen that are told nothing.
const PORT: u16 = 3000;

/// How long calls may go on after SIGTERM; whoever sent it kills sooner if that is too long.
const DRAIN: Duration = Duration::from_secs(3600);

/// Runs the function `name` until SIGTERM, with `--port N` or `--socket PATH` for the place where it listens; or with
/// `--stdin` for one call. Problems go to standard error.
pub fn main(name: &str, arguments: &[OsString]) -> ExitCode {
    match run(name, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "{name}: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, arguments: &[OsString]) -> Result<(), String> {
    let Some(function) = Function::named(name, &environment) else {
        let names: Vec<&str> = catalogue::catalogue().iter().map(|builtin| builtin.name).collect();
        return Err(format!("there is no such function; there are {}", names.join(", ")));
    };
    let function = function.map_err(|error| error.to_string())?;
    match Place::read(arguments, &environment)? {
        Place::Stdin => once(&function),
        Place::Listen(endpoint) => {
            let threads = number(&environment, "THREADS", 1..=1024).map_err(|error| error.to_string())?;
            let threads = threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(threads).build();
            runtime.map_err(|error| error.to_string())?.block_on(listen(name, function, endpoint))
        }
    }
}

/// Where calls come from.
#[derive(Debug, PartialEq)]
enum Place {
    Stdin,
    Listen(Endpoint),
}

impl Place {
    /// Arguments go before `UPSTREAM_SOCKET`, and that before `PORT`.
    fn read(arguments: &[OsString], lookup: Lookup<'_>) -> Result<Place, String> {
        let port = |text: &str| match text.parse() {
            Ok(port) => Ok(Place::Listen(Endpoint::Tcp(SocketAddr::from(([127, 0, 0, 1], port))))),
            Err(_) => Err(format!("{text:?} is not a port")),
        };
        let socket = |path: PathBuf| Place::Listen(Endpoint::Unix(path));
        let mut arguments = arguments.iter();
        match (arguments.next().map(|option| option.to_string_lossy()).as_deref(), arguments.next(), arguments.next()) {
            (None, ..) => match (lookup("UPSTREAM_SOCKET"), lookup("PORT")) {
                (Some(path), _) => Ok(socket(path.into())),
                (None, Some(text)) => port(&text),
                (None, None) => port(&PORT.to_string()),
            },
            (Some("--stdin"), None, _) => Ok(Place::Stdin),
            (Some("--port"), Some(text), None) => port(&text.to_string_lossy()),
            (Some("--socket"), Some(path), None) => Ok(socket(path.into())),
            (Some(option), ..) => Err(format!("{option:?}: write --stdin, --port NUMBER or --socket PATH")),
        }
    }
}

/// One call: its body on standard input, its headers in the environment as a watchdog puts them there.
fn once(function: &Function) -> Result<(), String> {
    let mut out = io::stdout().lock();
    let answer = match function {
        Function::Printr(printr) => {
            // A reader that has gone wants no more lines.
            return printr.print(&mut out).or_else(ignore_gone);
        }
        Function::Hello => hello::greeting(&input(function)?).into_bytes(),
        Function::Figlet => figlet::large(&input(function)?).into_bytes(),
        Function::Bw(bw) => {
            let bearer = || environment("Http_Authorization")?.strip_prefix("Bearer ").map(str::to_owned);
            let shown = environment("Http_X_Api_Key").or_else(bearer);
            bw.admit_key(shown.as_deref().map(str::as_bytes)).map_err(|refusal| refusal.to_string())?;
            bw.convert(&input(function)?).map_err(|refusal| refusal.to_string())?
        }
        _ => return Err("this function has no --stdin: it serves HTTP".to_owned()),
    };
    out.write_all(&answer).and_then(|()| out.flush()).or_else(ignore_gone)
}

fn ignore_gone(error: io::Error) -> Result<(), String> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(format!("cannot write the answer: {error}")),
    }
}

fn input(function: &Function) -> Result<Vec<u8>, String> {
    let limit = function.body_limit();
    let mut body = Vec::new();
    let read = io::stdin().lock().take(limit as u64 + 1).read_to_end(&mut body);
    match read {
        Ok(length) if length > limit => Err(format!("the body is longer than {limit} bytes")),
        Ok(_) => Ok(body),
        Err(error) => Err(format!("cannot read the call: {error}")),
    }
}

/// Serves until SIGTERM or SIGINT, then finishes the calls it has.
async fn listen(name: &str, function: Function, endpoint: Endpoint) -> Result<(), String> {
    let mut term = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let listener = endpoint.bind().await.map_err(|error| format!("cannot listen on {endpoint}: {error}"))?;
    let bound = listener.endpoint().map_err(|error| error.to_string())?;
    let _ = writeln!(io::stderr(), "{name} listens on {bound}");
    let function = Arc::new(function);
    let handler = move |request, _| answer(function.clone(), request);
    let limits = Limits { drain: Some(DRAIN), ..Limits::default() };
    let end = async {
        tokio::select! {
            _ = term.recv() => (),
            _ = interrupt.recv() => (),
        }
    };
    match faas_lab_http::serve(listener, limits, handler, end).await {
        faas_lab_http::Drained::All => Ok(()),
        faas_lab_http::Drained::Cut(calls) => Err(format!("{calls} calls did not end and were cut")),
    }
}

async fn answer(function: Arc<Function>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let head_only = head.method == Method::HEAD;
    let answer = match function.refuse(&head.headers) {
        Some(refusal) => refusal,
        None => match body.collect(function.body_limit()).await {
            Ok(body) => function.call(Call { uri: head.uri, headers: head.headers, body }).await,
            Err(error @ CollectError::TooLong { .. }) => {
                Answer::refuse(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
            }
            Err(error @ CollectError::Broken(_)) => Answer::refuse(StatusCode::BAD_REQUEST, error.to_string()),
        },
    };
    let body = match answer.body {
        Content::Whole(bytes) => Body::full(bytes),
        Content::Lines(_) if head_only => Body::empty(),
        Content::Lines(printr) => lines(printr),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// Lines as they are due; those that became due together go together.
fn lines(printr: Printr) -> Body {
    let (sender, body) = Body::channel(1, None);
    tokio::spawn(async move {
        let start = tokio::time::Instant::now();
        let mut next = 1;
        while next <= printr.count {
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep_until(start + printr.due(next)) => (),
            }
            let passed = start.elapsed();
            let mut text = String::new();
            while next <= printr.count && printr.due(next) <= passed && text.len() < 4096 {
                text += &Printr::line(next);
                next += 1;
            }
            if sender.send(text).await.is_err() {
                return;
            }
        }
    });
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Place, String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let lookup =
            |asked: &str| variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
        Place::read(&arguments, &lookup)
    }

    #[test]
    fn arguments_go_before_the_socket_and_that_before_the_port() {
        let tcp = |port| Ok(Place::Listen(Endpoint::Tcp(SocketAddr::from(([127, 0, 0, 1], port)))));
        let unix = |path: &str| Ok(Place::Listen(Endpoint::Unix(path.into())));
        let both = [("UPSTREAM_SOCKET", "/s"), ("PORT", "5")];
        assert_eq!(place(&[], &[]), tcp(PORT));
        assert_eq!(place(&[], &both[1..]), tcp(5));
        assert_eq!(place(&[], &both), unix("/s"));
        assert_eq!(place(&["--port", "7"], &both), tcp(7));
        assert_eq!(place(&["--socket", "/t"], &both), unix("/t"));
        assert_eq!(place(&["--stdin"], &both), Ok(Place::Stdin));
        for wrong in [&["--port"][..], &["--port", "x"], &["--stdin", "x"], &["--help"], &["--port", "1", "2"]] {
            assert!(place(wrong, &[]).is_err(), "{wrong:?}");
        }
    }
}
