//! OpenFaaS stack files (`stack.yml`): the functions that they name, ready to be deployed.
//!
//! Understood is what a deployment is made of. What only concerns building (`lang`, `handler`, `build_args` …) and
//! where to deploy (`provider`) is passed over. `${NAME}` and `${NAME:-default}` are replaced from the environment
//! before the file is read, as faas-cli does.

use std::collections::BTreeMap;

use faas_lab_provider::api::{FunctionDeployment, Resources};
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

/// A stack file is at most this long, before and after its variables are replaced.
pub const STACK_BYTES_MAX: usize = 1 << 20;

/// A function of a stack file.
#[derive(Clone, Debug, PartialEq)]
pub struct StackFunction {
    /// What to deploy.
    pub deployment: FunctionDeployment,
    /// Files with more environment, relative to the stack file; [`environment_file`] reads them. Later ones win, and
    /// all win over what the stack file itself says.
    pub environment_files: Vec<String>,
}

/// What is wrong with a stack file.
#[derive(Debug, Error)]
pub enum StackError {
    /// It is not YAML, or not a stack; with the place.
    #[error("{0}")]
    Syntax(String),
    /// It is too long.
    #[error("{0} bytes are more than the {STACK_BYTES_MAX} that a stack file may have")]
    TooLong(usize),
    /// `${` without an end, or around something that is not a variable.
    #[error("line {0}: write ${{NAME}} or ${{NAME:-default}}, or $${{ for a plain ${{")]
    Variable(usize),
    /// A function that lacks something.
    #[error("function {function}: {problem}")]
    Function {
        /// Its name.
        function: String,
        /// What is wrong, and what to write.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    functions: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default, rename = "version")]
    _version: IgnoredAny,
    #[serde(default, rename = "provider")]
    _provider: IgnoredAny,
    #[serde(default, rename = "configuration")]
    _configuration: IgnoredAny,
}

type Pairs = BTreeMap<String, Option<String>>;

/// Names are faas-cli's. A misspelt one is refused, as a function without its environment is worse than none.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entry {
    image: Option<String>,
    namespace: Option<String>,
    fprocess: Option<String>,
    environment: Option<Pairs>,
    environment_file: Option<Vec<String>>,
    labels: Option<Pairs>,
    annotations: Option<Pairs>,
    secrets: Option<Vec<String>>,
    constraints: Option<Vec<String>>,
    limits: Option<Quantities>,
    requests: Option<Quantities>,
    readonly_root_filesystem: Option<bool>,
    #[serde(rename = "lang")]
    _lang: IgnoredAny,
    #[serde(rename = "handler")]
    _handler: IgnoredAny,
    #[serde(rename = "skip_build")]
    _skip_build: IgnoredAny,
    #[serde(rename = "build_args")]
    _build_args: IgnoredAny,
    #[serde(rename = "build_options")]
    _build_options: IgnoredAny,
    #[serde(rename = "build_secrets")]
    _build_secrets: IgnoredAny,
    #[serde(rename = "copy")]
    _copy: IgnoredAny,
    #[serde(rename = "platforms")]
    _platforms: IgnoredAny,
    #[serde(rename = "publish")]
    _publish: IgnoredAny,
    #[serde(rename = "registry_auth")]
    _registry_auth: IgnoredAny,
}

/// Of any resource; those that are neither memory nor CPU have no effect here.
type Quantities = BTreeMap<String, Option<String>>;

/// The functions of a stack file, by name. `variable` looks environment variables up.
pub fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<StackFunction>, StackError> {
    if text.len() > STACK_BYTES_MAX {
        return Err(StackError::TooLong(text.len()));
    }
    let text = substitute(text, variable)?;
    let file: File = read(&text)?;
    let functions = file.functions.unwrap_or_default();
    if functions.is_empty() {
        return Err(StackError::Syntax("there is no function in it: write functions:, and below it NAME:".to_owned()));
    }
    functions.into_iter().map(|(name, entry)| function(name, entry.unwrap_or_default())).collect()
}

/// The variables of a file that `environment_file` names: an `environment:` table.
pub fn environment_file(text: &str) -> Result<BTreeMap<String, String>, StackError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        environment: Option<Pairs>,
    }
    if text.len() > STACK_BYTES_MAX {
        return Err(StackError::TooLong(text.len()));
    }
    Ok(filled(read::<File>(text)?.environment))
}

/// The text of an error names line and column and shows the place.
fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, StackError> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| StackError::Syntax(error.to_string()))
}

fn function(name: String, entry: Entry) -> Result<StackFunction, StackError> {
    let wrong = |problem: &str| StackError::Function { function: name.clone(), problem: problem.to_owned() };
    let is_label = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
    };
    if !is_label(&name) {
        return Err(wrong("a name has a to z, 0 to 9 and - (not at its ends), at most 63 of them"));
    }
    let image = entry.image.filter(|image| !image.is_empty());
    let image = image.ok_or_else(|| wrong("it has no image: write image: NAME, of a built-in function or a folder"))?;
    let deployment = FunctionDeployment {
        service: name,
        image,
        namespace: entry.namespace.unwrap_or_default(),
        env_process: entry.fprocess.unwrap_or_default(),
        env_vars: filled(entry.environment),
        constraints: entry.constraints.unwrap_or_default(),
        secrets: entry.secrets.unwrap_or_default(),
        labels: filled(entry.labels),
        annotations: filled(entry.annotations),
        limits: entry.limits.map(resources),
        requests: entry.requests.map(resources),
        read_only_root_filesystem: entry.readonly_root_filesystem.unwrap_or(false),
    };
    Ok(StackFunction { deployment, environment_files: entry.environment_file.unwrap_or_default() })
}

/// A name without a value has the empty one.
fn filled(pairs: Option<Pairs>) -> BTreeMap<String, String> {
    pairs.unwrap_or_default().into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
}

fn resources(mut quantities: Quantities) -> Resources {
    let mut take = |name| quantities.remove(name).flatten().unwrap_or_default();
    Resources { memory: take("memory"), cpu: take("cpu") }
}

/// Replaces `${NAME}` and `${NAME:-default}`; `$${` is a plain `${`. A variable that is not set has the empty value,
/// and one that is empty has its default. A `$` before anything else stands for itself.
fn substitute(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, StackError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let here = text.len() - rest.len() + at;
        let wrong = || StackError::Variable(text[..here].matches('\n').count() + 1);
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let end = inside.find(['}', '\n']).filter(|end| inside[*end..].starts_with('}')).ok_or_else(wrong)?;
        let (name, default) = inside[..end].split_once(":-").unwrap_or((&inside[..end], ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) || name.as_bytes()[0].is_ascii_digit() {
            return Err(wrong());
        }
        match variable(name).filter(|value| !value.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(default),
        }
        if out.len() > STACK_BYTES_MAX {
            return Err(StackError::TooLong(out.len()));
        }
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn only(text: &str) -> StackFunction {
        let mut functions = parse(text, &|_| None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(functions.len(), 1);
        functions.remove(0)
    }

    #[test]
    fn a_full_entry_becomes_a_deployment() {
        let text = r#"
version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
functions:
  hello:
    lang: python3-http
    handler: ./hello
    image: registry:5000/hello:latest
    fprocess: cat
    environment: {exec_timeout: 30s, write_debug: true, COUNT: 010, EMPTY: , TEXT: "a: b"}
    environment_file: [more.yml]
    constraints: ["node.platform.os=linux"]
    secrets: [s1]
    labels:
      com.openfaas.scale.min: 1
    annotations:
      schedule: "*/5 * * * *"
      topic: cron-function
    limits: {memory: 128Mi, cpu: 100m, nvidia.com/gpu: 1}
    requests:
      memory: 64Mi
    readonly_root_filesystem: true
    build_args: {X: y}
configuration:
  templates: []
"#;
        let function = only(text);
        let expected = FunctionDeployment {
            service: "hello".to_owned(),
            image: "registry:5000/hello:latest".to_owned(),
            env_process: "cat".to_owned(),
            env_vars: pairs(&[
                ("exec_timeout", "30s"),
                ("write_debug", "true"),
                ("COUNT", "010"),
                ("EMPTY", ""),
                ("TEXT", "a: b"),
            ]),
            constraints: vec!["node.platform.os=linux".to_owned()],
            secrets: vec!["s1".to_owned()],
            labels: pairs(&[("com.openfaas.scale.min", "1")]),
            annotations: pairs(&[("schedule", "*/5 * * * *"), ("topic", "cron-function")]),
            limits: Some(Resources { memory: "128Mi".to_owned(), cpu: "100m".to_owned() }),
            requests: Some(Resources { memory: "64Mi".to_owned(), cpu: String::new() }),
            read_only_root_filesystem: true,
            ..FunctionDeployment::default()
        };
        assert_eq!(function.deployment, expected);
        assert_eq!(function.environment_files, ["more.yml"]);
    }

    #[test]
    fn the_stack_of_our_own_functions_names_them_all() {
        let functions = parse(include_str!("../stack.yml"), &|_| None).unwrap();
        let mut named: Vec<_> = functions.iter().map(|function| function.deployment.image.as_str()).collect();
        let mut there: Vec<_> = crate::catalogue().iter().map(|builtin| builtin.name).collect();
        named.sort_unstable();
        there.sort_unstable();
        assert_eq!(named, there);
    }

    #[test]
    fn anchors_and_merge_keys_are_understood() {
        let text = "functions:\n  a: &base\n    image: x\n    labels: {k: v}\n  b:\n    <<: *base\n    fprocess: cat\n";
        let functions = parse(text, &|_| None).unwrap();
        assert_eq!(functions[1].deployment.image, "x");
        assert_eq!(functions[1].deployment.labels, pairs(&[("k", "v")]));
    }

    #[test]
    fn variables_come_from_the_environment() {
        let text = "functions:\n  f:\n    image: ${WHO:-nobody}/f${TAG}\n    fprocess: echo $$ $5 $${HOME}\n";
        assert_eq!(only(text).deployment.image, "nobody/f");
        let functions = parse(text, &|name| Some(format!("<{name}>"))).unwrap();
        assert_eq!(functions[0].deployment.image, "<WHO>/f<TAG>");
        assert_eq!(functions[0].deployment.env_process, "echo $$ $5 ${HOME}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, words) in [
            ("", &["no function"][..]),
            ("functions: {}", &["no function"]),
            ("functions:\n  f:\n    lang: go", &["function f", "no image"]),
            ("functions:\n  f:", &["function f", "no image"]),
            ("functions:\n  F_1:\n    image: x", &["function F_1", "a to z"]),
            ("functions:\n  f:\n    image: x\n    enviroment: {}", &["enviroment", "4"]),
            ("functions:\n  f:\n    image: x\n    secrets: s", &["4"]),
            ("functions:\n  f:\n    image: x\n  f:\n    image: y", &["f", "4"]),
            ("functions:\n  f: [", &["2"]),
            ("functions:\n  f:\n    image: ${", &["line 3", "${NAME}"]),
            ("functions:\n  f:\n    image: ${a b}", &["line 3"]),
            ("functions:\n  f:\n    image: ${1}", &["line 3"]),
        ] {
            let error = parse(text, &|_| None).expect_err(text).to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{text:?}: {error}");
        }
    }

    /// Nine levels of nine: a billion laughs.
    #[test]
    fn a_bomb_of_anchors_is_refused() {
        let mut text = "a0: &a0 ha\n".to_owned();
        for level in 1..=9 {
            let parts = vec![format!("*a{}", level - 1); 9].join(", ");
            text += &format!("a{level}: &a{level} [{parts}]\n");
        }
        let text = format!("provider:\n  {}\nfunctions:\n  f: {{image: x}}\n", text.trim_end().replace('\n', "\n  "));
        assert!(matches!(parse(&text, &|_| None), Err(StackError::Syntax(_))));
        assert!(matches!(parse(&"#".repeat(STACK_BYTES_MAX + 1), &|_| None), Err(StackError::TooLong(_))));
    }

    #[test]
    fn files_of_environment_are_tables() {
        assert_eq!(environment_file("environment:\n  A: 1\n").unwrap(), pairs(&[("A", "1")]));
        assert!(environment_file("A: 1").is_err());
    }

    proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "\\PC*|([a-z${}:\\-\\[\\]&* \n#'\"]|functions:\n|  f:\n|    image: x\n){0,60}") {
            let _ = parse(&text, &|_| None);
        }

        /// What is written comes back, whatever it is, in JSON's quotes, which are YAML's too.
        #[test]
        fn values_survive(image in "[a-z/:.]{1,20}", key in "[A-Za-z_][A-Za-z0-9_.]{0,10}", value in "[ -~äß€😀]{0,30}") {
            let quoted = serde_json::to_string(&value).unwrap().replace("${", "$${");
            let text = format!("functions:\n  f:\n    image: \"{image}\"\n    environment:\n      \"{key}\": {quoted}\n");
            let function = only(&text);
            prop_assert_eq!(&function.deployment.image, &image);
            prop_assert_eq!(&function.deployment.env_vars, &pairs(&[(&key, &value)]));
        }
    }
}
