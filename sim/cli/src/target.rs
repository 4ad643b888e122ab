//! Flags that say which platform is driven, where it is, and with which login.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use faas_lab_loadgen::target::{Kind, Target, TargetOptions};

use crate::failure::Failure;

/// Where `faas-lab up` has its gateway.
const HERE: &str = "http://127.0.0.1:8080";

/// Which platform, where, and with which login.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetArguments {
    /// Address of the gateway, or of the functions; `{function}` in it stands for the name [default: OPENFAAS_URL, or
    /// http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    pub(crate) gateway: Option<String>,

    /// The kind of platform
    #[arg(long, value_name = "KIND", value_enum, default_value_t = PlatformKind::Openfaas)]
    pub(crate) platform: PlatformKind,

    /// Namespace of the functions, if not the default one (OpenFaaS)
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// What follows a function's name in its host name, such as default.example.com (Knative)
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,

    /// Response header that names the replica [default with openfaas: X-Replica]
    #[arg(long, value_name = "NAME")]
    pub(crate) replica_header: Option<String>,

    /// Login, of the gateway's API or (but for OpenFaaS) of every call [default: FAAS_LAB_LOGIN, or what faas-cli login
    /// keeps]
    #[arg(long, value_name = "USER:PASSWORD")]
    pub(crate) login: Option<String>,

    /// File with the password, for the user in --login or admin
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Take any certificate
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlatformKind {
    /// OpenFaaS, or what speaks its API
    Openfaas,
    /// Knative Serving
    Knative,
    /// AWS Lambda function URLs
    Lambda,
    /// Any HTTP server
    Http,
}

impl TargetArguments {
    /// The target that they name.
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let gateway = match (&self.gateway, self.platform) {
            (Some(gateway), _) => gateway.clone(),
            (None, PlatformKind::Openfaas) => set("OPENFAAS_URL").unwrap_or_else(|| HERE.to_owned()),
            (None, _) => {
                return Err(Failure::new("there is no address").help("say where the functions are with --gateway URL"));
            }
        };
        let options = TargetOptions {
            gateway,
            kind: match self.platform {
                PlatformKind::Openfaas => Kind::OpenFaas,
                PlatformKind::Knative => Kind::Knative,
                PlatformKind::Lambda => Kind::Lambda,
                PlatformKind::Http => Kind::Http,
            },
            namespace: self.namespace.clone(),
            domain: self.domain.clone(),
            replica_header: self.replica_header.clone(),
            login: self.login.clone(),
            password_file: self.password_file.clone(),
        };
        Target::new(&options, &set).map_err(|error| Failure::new(error.to_string()))
    }
}
