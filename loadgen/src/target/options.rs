//! Which platform, where, and with which login: from what a user wrote to a [`Target`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use url::Url;

use super::Platform;
use super::address::{Address, AddressError};
use super::knative::Knative;
use super::lambda::Lambda;
use super::login::{Credentials, LoginError, credentials_in};
use super::openfaas::OpenFaas;
use super::plain::{Direct, Plain};

/// The kinds of platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// OpenFaaS, or what speaks its API.
    #[default]
    OpenFaas,
    /// Knative Serving.
    Knative,
    /// AWS Lambda function URLs.
    Lambda,
    /// Any HTTP server.
    Http,
}

/// What a user says of a target.
#[derive(Clone, Debug, Default)]
pub struct TargetOptions {
    /// Address of the gateway, or of the functions; `{function}` in it stands for the name. A user and a password may
    /// stand before the host.
    pub gateway: String,
    /// The kind of platform.
    pub kind: Kind,
    /// OpenFaaS: the functions' namespace, if not the default one.
    pub namespace: Option<String>,
    /// Knative: what follows the function's name in its host name.
    pub domain: Option<String>,
    /// Response header that names the replica.
    pub replica_header: Option<String>,
    /// `USER:PASSWORD`: of an OpenFaaS gateway's own API, to which alone it is sent; elsewhere of every call.
    pub login: Option<String>,
    /// File with the password; the user is then the part of `login` before a colon, or `admin`.
    pub password_file: Option<PathBuf>,
}

/// A platform, and the way to its own API if it has one.
#[derive(Clone, Debug)]
pub struct Target {
    /// The platform.
    pub platform: Arc<dyn Platform>,
    /// Its address as written, without a password.
    pub address: String,
    /// The gateway's API, for probes: OpenFaaS only.
    pub system: Option<System>,
}

/// The way to a gateway's API.
#[derive(Clone, Debug)]
pub struct System {
    /// The gateway.
    pub gateway: Url,
    /// The login, if one was found.
    pub credentials: Option<Credentials>,
    /// The functions' namespace, if not the default one.
    pub namespace: Option<String>,
}

/// Why there is no such target.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The login is none.
    #[error("the login {0}: write USER:PASSWORD, or put the password into a file and name that with --password-file")]
    Login(&'static str),
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// faas-cli's login file cannot be used.
    #[error("{path}: {error}")]
    LoginFile {
        /// Which.
        path: PathBuf,
        /// Why.
        error: LoginError,
    },
    /// An OpenFaaS gateway has one address for all functions.
    #[error("an OpenFaaS gateway has no {{function}} in its address: functions are below /function/ by themselves")]
    Place,
    /// A namespace, domain or header that is none.
    #[error("{what} {text:?} has characters that cannot be in one")]
    Name {
        /// `the namespace`, ….
        what: &'static str,
        /// As written.
        text: String,
    },
}

/// Holds `USER:PASSWORD` for the gateway's API, if nothing on the command line does.
pub(crate) const VARIABLE: &str = "FAAS_LAB_LOGIN";

impl Target {
    /// The target that `options` describe. `variable` looks environment variables up: `FAAS_LAB_LOGIN`, and where
    /// faas-cli keeps its logins (`OPENFAAS_CONFIG`, `HOME`).
    ///
    /// # Errors
    /// What is wrong with the options, or with the files that they name.
    pub fn new(options: &TargetOptions, variable: &dyn Fn(&str) -> Option<String>) -> Result<Target, TargetError> {
        let mut address = Address::parse(&options.gateway)?;
        let in_address = address.take_credentials().map(|(user, password)| Credentials::basic(&user, &password));
        check("the namespace", options.namespace.as_deref(), |byte| byte.is_ascii_alphanumeric() || byte == b'-')?;
        check("the domain", options.domain.as_deref(), |byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte))?;
        check("the header", options.replica_header.as_deref(), |byte| byte.is_ascii_alphanumeric() || byte == b'-')?;
        let replica_header = options.replica_header.as_deref().map(str::to_ascii_lowercase);
        let shown = address.shown().to_owned();
        let credentials = login(options, in_address, &shown, variable)?;
        let target = |platform: Arc<dyn Platform>| Target { platform, address: shown.clone(), system: None };
        if options.kind == Kind::OpenFaas {
            if address.names_functions() {
                return Err(TargetError::Place);
            }
            let gateway = address.of("");
            let openfaas = OpenFaas::new(gateway.clone(), options.namespace.clone());
            let platform: Arc<dyn Platform> = match replica_header {
                Some(name) => Arc::new(openfaas.with_replica_header(name)),
                None => Arc::new(openfaas),
            };
            let system = System { gateway, credentials, namespace: options.namespace.clone() };
            return Ok(Target { system: Some(system), ..target(platform) });
        }
        let direct = Direct { address, credentials, replica_header };
        Ok(match options.kind {
            Kind::Knative => target(Arc::new(Knative { direct, domain: options.domain.clone() })),
            Kind::Lambda => target(Arc::new(Lambda(direct))),
            Kind::Http | Kind::OpenFaas => target(Arc::new(Plain(direct))),
        })
    }
}

fn check(what: &'static str, text: Option<&str>, allowed: fn(u8) -> bool) -> Result<(), TargetError> {
    match text {
        Some(text) if text.is_empty() || !text.bytes().all(allowed) => {
            Err(TargetError::Name { what, text: text.to_owned() })
        }
        _ => Ok(()),
    }
}

/// From the flags, else from the address, else from the environment, else from faas-cli's file.
fn login(
    options: &TargetOptions,
    in_address: Option<Credentials>,
    gateway: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Credentials>, TargetError> {
    if let Some(path) = &options.password_file {
        let user = options.login.as_deref().map_or("admin", |login| login.split(':').next().unwrap_or(login));
        let password = read(path)?;
        return Ok(Some(Credentials::basic(user, password.trim_end_matches(['\r', '\n']))));
    }
    if let Some(login) = &options.login {
        return Credentials::parse(login).map(Some).ok_or(TargetError::Login("has no colon, or no user before it"));
    }
    if in_address.is_some() {
        return Ok(in_address);
    }
    // What follows is of gateways' own APIs, and would be news to other servers.
    if options.kind != Kind::OpenFaas {
        return Ok(None);
    }
    if let Some(login) = variable(VARIABLE).filter(|login| !login.is_empty()) {
        return Credentials::parse(&login).map(Some).ok_or(TargetError::Login("in FAAS_LAB_LOGIN has no colon"));
    }
    let Some(path) = login_file(variable) else { return Ok(None) };
    // Most people have no such file, and some may not read the home folder.
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    credentials_in(&text, gateway).map_err(|error| TargetError::LoginFile { path, error })
}

/// Where faas-cli keeps its logins: `config.yml` in the folder of `OPENFAAS_CONFIG`, else in `~/.openfaas`.
fn login_file(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    match (set("OPENFAAS_CONFIG"), set("HOME")) {
        (Some(folder), _) => Some(Path::new(&folder).join("config.yml")),
        (None, Some(home)) => Some(Path::new(&home).join(".openfaas/config.yml")),
        (None, None) => None,
    }
}

fn read(path: &Path) -> Result<String, TargetError> {
    std::fs::read_to_string(path).map_err(|error| TargetError::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use faas_lab_model::scenario::Invocation;

    fn options(gateway: &str) -> TargetOptions {
        TargetOptions { gateway: gateway.into(), ..TargetOptions::default() }
    }

    fn credentials(options: &TargetOptions, set: &[(&str, &str)]) -> Option<Credentials> {
        let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Target::new(options, &variable).expect("a target").system.expect("OpenFaaS").credentials
    }

    #[test]
    fn the_nearest_login_counts() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join(".openfaas");
        std::fs::create_dir(&folder).expect("a folder");
        let file = "auths:\n- gateway: http://h:8080\n  auth: basic\n  token: ZmlsZTpw\n";
        std::fs::write(folder.join("config.yml"), file).expect("written");
        let home = home.path().to_str().expect("UTF-8");
        let password = format!("{home}/password");
        std::fs::write(&password, "secret\n").expect("written");

        let plain = options("http://h:8080");
        assert_eq!(credentials(&plain, &[]), None);
        assert_eq!(credentials(&plain, &[("HOME", home)]), Some(Credentials::basic("file", "p")));
        let at = format!("{home}/.openfaas");
        assert_eq!(credentials(&plain, &[("OPENFAAS_CONFIG", at.as_str())]), Some(Credentials::basic("file", "p")));
        let set = [("HOME", home), (VARIABLE, "env:p")];
        assert_eq!(credentials(&plain, &set), Some(Credentials::basic("env", "p")));
        assert_eq!(credentials(&options("http://url:p@h:8080"), &set), Some(Credentials::basic("url", "p")));
        let flag = TargetOptions { login: Some("flag:p".into()), ..options("http://url:p@h:8080") };
        assert_eq!(credentials(&flag, &set), Some(Credentials::basic("flag", "p")));
        let file = TargetOptions { password_file: Some(password.into()), ..options("http://h:8080") };
        assert_eq!(credentials(&file, &set), Some(Credentials::basic("admin", "secret")));
    }

    #[test]
    fn kinds_have_their_own_addresses() {
        let of = |kind, gateway: &str| Target::new(&TargetOptions { kind, ..options(gateway) }, &|_| None);
        let lambda = of(Kind::Lambda, "https://{function}.on.aws").expect("valid");
        assert_eq!(lambda.platform.url("f", Invocation::Sync).as_str(), "https://f.on.aws/");
        assert!(lambda.system.is_none());
        let http = of(Kind::Http, "http://me:secret@h/{function}/x").expect("valid");
        assert_eq!(http.platform.url("f", Invocation::Sync).as_str(), "http://h/f/x");
        assert_eq!(http.address, "http://h/{function}/x");
        assert_eq!(http.platform.headers("f")["authorization"], Credentials::basic("me", "secret").header());
        assert!(matches!(of(Kind::OpenFaas, "http://h/{function}"), Err(TargetError::Place)));
        let bad = TargetOptions { domain: Some("a b\r\n".into()), ..options("http://h") };
        assert!(matches!(Target::new(&bad, &|_| None), Err(TargetError::Name { .. })));
        let bad = TargetOptions { login: Some("nobody".into()), ..options("http://h") };
        let error = Target::new(&bad, &|_| None).expect_err("no colon").to_string();
        assert!(error.contains("USER:PASSWORD"), "{error}");
    }
}
