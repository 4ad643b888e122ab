//! What a deployment or a secret must be before it is taken. The texts of refusal are the usual ones, as clients show
//! them to people.

use base64::Engine as _;

use crate::ProviderError;
use crate::api::{DEFAULT_NAMESPACE, FunctionDeployment, FunctionName, Resources, Secret};
use crate::quantity;

/// A name or namespace: DNS's bound for a label.
const LABEL_BYTES_MAX: usize = 63;
/// A secret's name: DNS's bound for a whole name.
const SECRET_NAME_BYTES_MAX: usize = 253;
/// All text of a deployment together.
const DEPLOYMENT_BYTES_MAX: usize = 1 << 20;

fn invalid(text: impl std::fmt::Display) -> ProviderError {
    ProviderError::Invalid(format!("validation failed: {text}"))
}

/// Checks a deployment's text and fills its namespace in. Its image and secrets are looked up elsewhere.
pub(crate) fn deployment(
    mut deployment: FunctionDeployment,
) -> Result<(FunctionName, FunctionDeployment), ProviderError> {
    if deployment.service.is_empty() {
        return Err(invalid("service: is required"));
    }
    if !is_dns_label(&deployment.service) {
        return Err(invalid(format_args!(
            "service: ({}) is invalid, must be a valid DNS entry",
            shown(&deployment.service)
        )));
    }
    if deployment.image.is_empty() {
        return Err(invalid("image: is required"));
    }
    deployment.namespace = namespace(&deployment.namespace)?;
    for name in &deployment.secrets {
        secret_name(name)?;
    }
    for (key, value) in &deployment.env_vars {
        if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
            return Err(invalid(format_args!("envVars: \"{}\" cannot be a variable of a process", shown(key))));
        }
    }
    if deployment.env_process.contains(['\0', '\n']) {
        return Err(invalid("envProcess: must be one line"));
    }
    for (kind, map) in [("labels", &deployment.labels), ("annotations", &deployment.annotations)] {
        for (key, value) in map {
            if !is_label_key(key) {
                return Err(invalid(format_args!("{kind}: \"{}\" is not a valid key", shown(key))));
            }
            if value.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
                return Err(invalid(format_args!("{kind}: the value of \"{key}\" has control characters in it")));
            }
        }
    }
    for (kind, resources) in [("limits", &deployment.limits), ("requests", &deployment.requests)] {
        if let Some(resources) = resources {
            check_resources(resources).map_err(|e| invalid(format_args!("{kind}: {e}")))?;
        }
    }
    let size = serde_json::to_vec(&deployment).map_or(usize::MAX, |text| text.len());
    if size > DEPLOYMENT_BYTES_MAX {
        return Err(invalid(format_args!("the deployment has {size} bytes, at most {DEPLOYMENT_BYTES_MAX} are taken")));
    }
    let name = FunctionName { namespace: deployment.namespace.clone(), name: deployment.service.clone() };
    Ok((name, deployment))
}

/// The namespace, [`DEFAULT_NAMESPACE`] for an empty one.
pub(crate) fn namespace(namespace: &str) -> Result<String, ProviderError> {
    match namespace {
        "" => Ok(DEFAULT_NAMESPACE.to_owned()),
        label if is_dns_label(label) => Ok(label.to_owned()),
        other => Err(invalid(format_args!("namespace: ({}) is invalid, must be a valid DNS entry", shown(other)))),
    }
}

/// Checks a secret's name.
pub(crate) fn secret_name(name: &str) -> Result<(), ProviderError> {
    if name.is_empty() {
        return Err(invalid("secret: name is required"));
    }
    // Labels joined by dots: so never "..", never a path, never hidden.
    if name.len() <= SECRET_NAME_BYTES_MAX && name.split('.').all(is_dns_label) {
        return Ok(());
    }
    Err(invalid(format_args!("secret: ({}) is invalid, must be a valid DNS entry", shown(name))))
}

/// A secret's bytes: `value`, or `rawValue` out of its base64. Errors never show them.
pub(crate) fn secret_value(secret: &Secret, bytes_max: usize) -> Result<Vec<u8>, ProviderError> {
    let value = match (secret.value.is_empty(), secret.raw_value.is_empty()) {
        (false, true) => secret.value.clone().into_bytes(),
        (true, false) => base64::engine::general_purpose::STANDARD
            .decode(&secret.raw_value)
            .map_err(|_| invalid("secret: rawValue is not base64"))?,
        (true, true) => return Err(invalid("secret: value is required")),
        (false, false) => return Err(invalid("secret: give value or rawValue, not both")),
    };
    if value.len() > bytes_max {
        return Err(invalid(format_args!("secret: {} bytes, at most {bytes_max} are taken", value.len())));
    }
    Ok(value)
}

fn check_resources(resources: &Resources) -> Result<(), String> {
    if !resources.memory.is_empty() {
        quantity::memory_bytes(&resources.memory)?;
    }
    if !resources.cpu.is_empty() {
        quantity::cpu_cores(&resources.cpu)?;
    }
    Ok(())
}

/// `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, at most 63 bytes.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            bytes.len() <= LABEL_BYTES_MAX
                && inner(first)
                && inner(last)
                && bytes.iter().all(|&b| inner(b) || b == b'-')
        }
        _ => false,
    }
}

/// Letters, digits and `-_./`, with a letter or digit at each end.
fn is_label_key(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
        && bytes.len() <= 317
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(b))
}

/// What a client sent, short and without control characters, for a message.
fn shown(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::ImageManifest;
    use crate::image::{Image, Images};
    use crate::launch::Launch;

    fn plain() -> FunctionDeployment {
        FunctionDeployment { service: "hello".to_owned(), image: "hello".to_owned(), ..FunctionDeployment::default() }
    }

    fn refusal(change: impl FnOnce(&mut FunctionDeployment)) -> String {
        let mut d = plain();
        change(&mut d);
        deployment(d).expect_err("refused").to_string()
    }

    #[test]
    fn a_plain_deployment_gets_the_default_namespace() {
        let (name, deployment) = deployment(plain()).expect("valid");
        assert_eq!(name.to_string(), "hello.openfaas-fn");
        assert_eq!(deployment.namespace, DEFAULT_NAMESPACE);
    }

    #[test]
    fn each_mistake_has_the_usual_text() {
        assert_eq!(refusal(|d| d.service.clear()), "validation failed: service: is required");
        assert_eq!(refusal(|d| d.image.clear()), "validation failed: image: is required");
        for name in ["Hello", "-a", "a-", "a_b", "a.b", "../x", "a/b", "é", &"a".repeat(64)] {
            assert!(refusal(|d| d.service = name.to_owned()).contains("must be a valid DNS entry"), "{name}");
        }
        assert!(refusal(|d| d.namespace = "../etc".to_owned()).contains("namespace"));
        assert!(refusal(|d| d.secrets = vec!["../../etc/passwd".to_owned()]).contains("secret"));
        assert!(refusal(|d| d.secrets = vec!["a..b".to_owned()]).contains("secret"));
        assert!(refusal(|d| drop(d.labels.insert("a b".to_owned(), String::new()))).contains("labels"));
        assert!(refusal(|d| drop(d.env_vars.insert("A=B".to_owned(), String::new()))).contains("envVars"));
        let lots = Some(Resources { memory: "lots".to_owned(), cpu: String::new() });
        assert!(refusal(|d| d.limits = lots).contains("limits: memory \"lots\""));
        assert!(refusal(|d| d.env_process = "x".repeat(2 << 20)).contains("bytes"));
    }

    proptest! {
        /// Whatever a client sends: a launch, or a refusal in one short line.
        #[test]
        fn any_deployment_is_taken_or_refused(
            name in "[-a-z0-9A-Z./ ]{0,70}|\\PC{0,9}",
            image in "[-a-z0-9:/@.]{0,40}|\\PC{0,9}",
            limit in "[0-9.]{0,6}[a-zA-Z]{0,3}|\\PC{0,9}",
            (key, value) in ("[a-z=_./]{0,12}|\\PC{0,9}", "([0-9.]{1,9}[a-z]{1,2}){0,3}|\\PC{0,9}"),
        ) {
            let pair = BTreeMap::from([(key, value.clone())]);
            let timeouts = ["write_timeout", "healthcheck_interval"].map(|name| (name.to_owned(), value.clone()));
            let sent = FunctionDeployment {
                service: name,
                image,
                env_vars: pair.clone().into_iter().chain(timeouts).collect(),
                labels: pair.clone(),
                annotations: pair,
                secrets: vec![value],
                limits: Some(Resources { memory: limit.clone(), cpu: limit }),
                ..FunctionDeployment::default()
            };
            // Each part is reached even if one before it would refuse.
            let _ = Images::default().find(&sent.image);
            let launch = Launch::new(&Image { manifest: ImageManifest::default(), folder: None }, &sent);
            prop_assert!(launch.is_err(), "there is no process to run");
            let process = ImageManifest { fprocess: Some("cat".to_owned()), ..ImageManifest::default() };
            let _ = Launch::new(&Image { manifest: process, folder: None }, &sent);
            match deployment(sent) {
                Ok((name, _)) => prop_assert!(is_dns_label(&name.name)),
                Err(error) => prop_assert!(!error.to_string().contains('\n')),
            }
        }
    }

    #[test]
    fn a_secret_is_text_or_base64_and_an_error_never_shows_it() {
        let secret = |value: &str, raw: &str| Secret {
            name: "key".to_owned(),
            value: value.to_owned(),
            raw_value: raw.to_owned(),
            ..Secret::default()
        };
        assert_eq!(secret_value(&secret("abc", ""), 10).expect("valid"), b"abc");
        assert_eq!(secret_value(&secret("", "AP8="), 10).expect("valid"), [0, 255]);
        for bad in [secret("", "hunter2!"), secret("", ""), secret("hunter2", "AP8="), secret("hunter2hunter2", "")] {
            let error = secret_value(&bad, 10).expect_err("refused").to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
