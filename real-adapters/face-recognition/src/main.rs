//! `faas-lab-face`: serves face detection and recognition, answers one request from standard input, or fetches models.

use std::{
    env,
    io::{Read, Write, stdin, stdout},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{Parser, Subcommand};
use faas_lab_face::{api::Request, fetch, function::Function, models, server, settings::Settings};
use faas_lab_http::Endpoint;
use tokio::signal::unix::{SignalKind, signal};

/// Finds faces in pictures, and names those it knows.
#[derive(Parser)]
#[command(
    version,
    after_help = "Environment: DETECTOR, MIN_FACE_SIZE, SCORE_THRESHOLD, PYRAMID_SCALE, INPUT_SIZE, \
    MAX_FACES, MATCH_DISTANCE, JPEG_QUALITY, OUTPUT, MAX_BYTES, MAX_PIXELS, FETCH_TIMEOUT_SECONDS, MAX_REDIRECTS, \
    ALLOW_PRIVATE_URLS, WORK_TIMEOUT_SECONDS, WORKERS, FACE_MODELS, FACE_PEOPLE"
)]
struct Arguments {
    /// Port to serve on; 0 for any that is free.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Address to serve on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    address: IpAddr,
    /// Unix socket to serve on instead of a port.
    #[arg(long, env = "UPSTREAM_SOCKET")]
    socket: Option<PathBuf>,
    /// Answer one request, whose body is on standard input, on standard output: for a classic watchdog. Method, path,
    /// query and headers are those in Http_Method, Http_Path, Http_Query, Http_Accept and Http_Content_Type.
    #[arg(long)]
    stdin: bool,
    /// Fetch the face-api models first, as `fetch-models` does, unless they are there.
    #[arg(long)]
    with_models: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Fetches the face-api models with npm, checks them, and keeps them for recognition.
    FetchModels {
        /// Where to.
        #[arg(long, env = "FACE_MODELS")]
        folder: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    keep_memory_low();
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("faas-lab-face: {error}");
            ExitCode::from(2)
        }
    }
}

/// Starts this program anew, in this process, with glibc's allocator told to give large blocks back to the system at
/// once, and to keep one heap for all threads: it reads that at start and nowhere else. Pictures and weights come by the
/// megabyte, and left to itself the allocator keeps twice of what is in use.
fn keep_memory_low() {
    const THRESHOLD: &str = "MALLOC_MMAP_THRESHOLD_";
    if cfg!(target_env = "gnu") && env::var_os(THRESHOLD).is_none() {
        let Ok(program) = env::current_exe() else { return };
        // Returns only if it fails, and then things go on as they are.
        let mut again = std::process::Command::new(program);
        let _ = again.args(env::args_os().skip(1)).env(THRESHOLD, "1048576").env("MALLOC_ARENA_MAX", "1").exec();
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    if let Some(Command::FetchModels { folder }) = arguments.command {
        let folder = folder.unwrap_or_else(models::default_folder);
        models::fetch(&folder)?;
        println!("{}@{}: the models are in {}", models::PACKAGE, models::VERSION, folder.display());
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::from_variables(|name| env::var(name).ok())?;
    if arguments.with_models && !models::Models::new(&settings.models).are_installed() {
        eprintln!("faas-lab-face: fetching {}@{} with npm", models::PACKAGE, models::VERSION);
        models::fetch(&settings.models)?;
    }
    let workers = settings.workers;
    let function = Arc::new(Function::new(settings));
    // The runtime only carries bytes; computing has threads of its own, as many as there are workers.
    let threads = workers + fetch::LOOKUPS;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(threads).build()?;
    if arguments.stdin {
        return runtime.block_on(answer_once(&function));
    }
    function.warm_up()?;
    let endpoint = match arguments.socket {
        Some(path) => Endpoint::Unix(path),
        None => Endpoint::Tcp(SocketAddr::new(arguments.address, arguments.port)),
    };
    runtime.block_on(async {
        let listener = endpoint.bind().await.map_err(|error| format!("cannot listen on {endpoint}: {error}"))?;
        let recognition = match function.need_models("recognition") {
            Ok(()) => "recognition is ready".to_owned(),
            Err(refusal) => refusal.reason,
        };
        eprintln!("faas-lab-face: listening on {}; {recognition}", listener.endpoint()?);
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        server::serve(function, listener, shutdown).await;
        Ok(ExitCode::SUCCESS)
    })
}

/// A refusal goes to standard error and ends with code 1, for which a classic watchdog answers 500.
async fn answer_once(function: &Arc<Function>) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let limit = function.settings.fetch.max_bytes as u64;
    let mut body = Vec::new();
    stdin().lock().take(limit + 1).read_to_end(&mut body)?;
    if body.len() as u64 > limit {
        return Err(format!("the body is longer than the {limit} bytes allowed (MAX_BYTES)").into());
    }
    let request = Request {
        method: variable("Http_Method").unwrap_or_else(|| "POST".to_owned()).parse()?,
        path: variable("Http_Path").unwrap_or_else(|| "/".to_owned()),
        query: variable("Http_Query").unwrap_or_default(),
        accept: variable("Http_Accept"),
        content_type: variable("Http_Content_Type"),
        body: body.into(),
    };
    let answer = function.answer(request).await;
    if answer.status.is_success() {
        stdout().lock().write_all(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body).trim());
    Ok(ExitCode::from(1))
}
