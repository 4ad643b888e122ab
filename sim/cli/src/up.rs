//! `faas-lab up`: a platform on this machine, from this one program. Gateway, provider and queue run in it; watchdogs
//! and built-in functions are processes that it starts of itself.

mod banner;
mod choice;
mod images;
mod queue;
mod signals;
mod state;
mod timeouts;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use faas_lab_gateway::{Gateway, Options as GatewayOptions, check_deployment, triggers};
use faas_lab_http::{Drained, Endpoint, Listener};
use faas_lab_provider::api::{DEFAULT_NAMESPACE, FunctionDeployment, Secret};
use faas_lab_provider::{Embedded, Emulation, ImageManifest, Options, Provider, ProviderError, WatchdogCommand};
use tokio_util::sync::CancellationToken;

use crate::args::UpArguments;
use crate::failure::{Failure, Outcome};
use crate::{hidden, terminal};
use banner::Banner;
use state::State;
use timeouts::Timeouts;

/// The secret that the built-in `bw` needs.
const BW_SECRET: &str = "bw-api-key";

pub(crate) fn run(arguments: &UpArguments) -> Result<Outcome, Failure> {
    let emulation = arguments.emulate.as_deref().map(emulated).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("threads cannot be started: {error}")))?;
    runtime.block_on(up(arguments, emulation))
}

fn emulated(name: &str) -> Result<Emulation, Failure> {
    let unknown = || Failure::new(format!("--emulate: there is no machine {name:?}")).help("write raspberry-pi-4");
    Emulation::named(name).ok_or_else(unknown)
}

async fn up(arguments: &UpArguments, emulation: Option<Emulation>) -> Result<Outcome, Failure> {
    let stop = signals::stop().map_err(|error| Failure::new(format!("signals cannot be heard: {error}")))?;
    // A busy port is found out before anything is written or started.
    let site = Site {
        api: bind(arguments.listen, arguments.port, "--port").await?,
        metrics: bind(arguments.listen, arguments.metrics_port, "--metrics-port").await?,
    };
    let url = site.url()?;
    let program = images::program()?;
    let named = arguments.functions.as_ref().map(|words| choice::named(words, &program, &url)).transpose()?;
    let state = State::open(arguments.state.as_deref())?;
    faas_lab_functions::write_homepage(&state.homepage())
        .map_err(|error| Failure::with_path("write", &state.homepage(), &error))?;
    let cores = emulation.as_ref().map(|emulation| emulation.cores);
    let images = images::built_in(&program, &state, &url, cores);

    let provider = Arc::new(open(&state, &program, images.clone(), emulation.clone()).await?);
    let platform = Platform { arguments, state, images, emulation, provider: provider.clone() };
    let result = platform.serve(site, named, stop).await;
    provider.shut_down().await;
    if result.is_ok() {
        terminal::complain("Stopped: no process is left.");
    }
    result
}

/// Where the gateway is.
struct Site {
    api: Listener,
    metrics: Listener,
}

impl Site {
    fn addresses(&self) -> Result<(SocketAddr, SocketAddr), Failure> {
        let of = |listener: &Listener| match listener.endpoint() {
            Ok(Endpoint::Tcp(address)) => Ok(address),
            _ => Err(Failure::new("the gateway does not know its own port")),
        };
        Ok((of(&self.api)?, of(&self.metrics)?))
    }

    /// As it is reached from this machine.
    fn url(&self) -> Result<String, Failure> {
        self.addresses().map(|(api, _)| format!("http://{}", from_here(api)))
    }
}

/// What listens everywhere is reached over the loopback.
fn from_here(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    SocketAddr::new(ip, address.port())
}

async fn bind(host: IpAddr, port: u16, option: &str) -> Result<Listener, Failure> {
    let address = SocketAddr::new(host, port);
    Endpoint::Tcp(address).bind().await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::new(format!("{address} is taken: something listens there already"))
            .help(format!("end it, or choose another port: faas-lab up {option} {}", port.saturating_add(1).max(1024))),
        io::ErrorKind::PermissionDenied => Failure::new(format!("{address} cannot be listened on: {error}"))
            .help(format!("ports below 1024 are for root; choose another one: faas-lab up {option} 8080")),
        _ => Failure::new(format!("{address} cannot be listened on: {error}"))
            .help("--listen wants an address of this machine, such as 127.0.0.1 or 0.0.0.0"),
    })
}

async fn open(
    state: &State,
    program: &Path,
    images: BTreeMap<String, ImageManifest>,
    emulation: Option<Emulation>,
) -> Result<Embedded, Failure> {
    let watchdog = WatchdogCommand::new(program).argument(hidden::WATCHDOG);
    let options = Options {
        images,
        emulation,
        functions_folder: std::env::current_dir().ok(),
        on_notice: Arc::new(terminal::complain),
        ..Options::new(state.platform(), watchdog)
    };
    let help = "another state folder is chosen by: faas-lab up --state DIR";
    Embedded::open(options).await.map_err(|error| Failure::new(error.to_string()).help(help))
}

/// What there is once the provider is.
struct Platform<'a> {
    arguments: &'a UpArguments,
    state: State,
    images: BTreeMap<String, ImageManifest>,
    emulation: Option<Emulation>,
    provider: Arc<Embedded>,
}

impl Platform<'_> {
    /// Deploys, and answers until `stop`.
    async fn serve(
        &self,
        site: Site,
        named: Option<Vec<FunctionDeployment>>,
        stop: CancellationToken,
    ) -> Result<Outcome, Failure> {
        self.deploy(named).await?;
        let timeouts = self.timeouts();
        let (api, metrics) = site.addresses()?;
        let (queue, messages) = queue::open(self.arguments.nats.as_deref(), &self.state, self.provider.watch()).await?;
        let options = GatewayOptions {
            read_timeout: timeouts.read,
            write_timeout: timeouts.write,
            upstream_timeout: timeouts.upstream,
            credentials: Some(self.state.credentials()?),
            store: faas_lab_functions::store_json(),
            decisions: self.arguments.record_decisions.clone(),
            ..GatewayOptions::default()
        };
        let gateway = Gateway::new(options, self.provider.clone(), Some(queue.for_gateway()));
        let gateway = gateway.map_err(|error| Failure::new(format!("the gateway cannot start: {error}")))?;

        let ending = CancellationToken::new();
        let delivering = tokio::spawn(queue.clone().run(gateway.invoker(), ending.clone()));
        let watch = self.provider.watch();
        let triggering = tokio::spawn(triggers::run(messages, watch, gateway.invoker(), ending.clone()));

        let deployed = self.provider.watch().borrow().keys().map(|function| function.name.clone()).collect();
        let emulated = self.emulation.as_ref().map(|emulation| emulation.name.as_str());
        let banner = Banner { api, metrics, state: &self.state, deployed, timeouts: &timeouts, emulated };
        terminal::print(&banner.text())?;

        let asked = async {
            stop.cancelled().await;
            terminal::complain("\nStopping: calls under way may take 10 s more. Ctrl-C again stops at once.");
            ending.cancel();
        };
        if let Drained::Cut(calls) = gateway.run(site.api, Some(site.metrics), asked).await {
            terminal::complain(&format!("{calls} connections were cut: their calls took longer."));
        }
        let _ = tokio::join!(delivering, triggering);
        queue.close().await;
        Ok(Outcome::Done)
    }

    /// What `--functions` names is deployed as it is said there. Otherwise a new state folder gets all built-in functions,
    /// and an old one keeps what it has.
    async fn deploy(&self, named: Option<Vec<FunctionDeployment>>) -> Result<(), Failure> {
        let wanted = match named {
            Some(named) => named,
            None if self.state.is_new => choice::all_built_in(),
            None => return Ok(()),
        };
        if wanted.iter().any(|deployment| deployment.secrets.iter().any(|secret| secret == BW_SECRET)) {
            self.make_key().await?;
        }
        for deployment in wanted {
            let name = deployment.service.clone();
            check_deployment(&deployment, &GatewayOptions::default().default_policy)
                .map_err(|why| Failure::new(format!("{name} cannot be deployed: {why}")))?;
            let deployed = match self.provider.update(deployment.clone()).await {
                Err(ProviderError::Unknown(_)) => self.provider.deploy(deployment).await,
                result => result,
            };
            deployed.map_err(|error| Failure::new(format!("{name} cannot be deployed: {error}")))?;
        }
        Ok(())
    }

    /// A key for `bw`, unless there is one.
    async fn make_key(&self) -> Result<(), Failure> {
        let namespace = DEFAULT_NAMESPACE.to_owned();
        let secret = Secret { name: BW_SECRET.to_owned(), namespace, value: state::random_key(), ..Secret::default() };
        match self.provider.create_secret(secret).await {
            Ok(()) | Err(ProviderError::Exists(_)) => Ok(()),
            Err(error) => Err(Failure::new(format!("the secret {BW_SECRET} cannot be made: {error}"))),
        }
    }

    /// A function's environment is its image's, then its own.
    fn timeouts(&self) -> Timeouts {
        let watch = self.provider.watch();
        let replicas = watch.borrow();
        let functions = replicas.iter().map(|(function, deployed)| {
            let image = self.images.get(short_name(&deployed.deployment.image));
            let mut environment = image.map(|image| image.environment.clone()).unwrap_or_default();
            environment.extend(deployed.deployment.env_vars.clone());
            (function.name.as_str(), environment)
        });
        Timeouts::above(functions, self.arguments.timeouts)
    }
}

/// `ghcr.io/x/figlet:latest` → `figlet`.
fn short_name(image: &str) -> &str {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split(['@', ':']).next().unwrap_or(name)
}
