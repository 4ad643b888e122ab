//! Which functions `--functions` names: built-in ones, folders with a `function.toml`, and stack files.

use std::env;
use std::fs;
use std::path::Path;

use faas_lab_functions::{Builtin, builtin, catalogue, stack};
use faas_lab_provider::MANIFEST_FILE;
use faas_lab_provider::api::FunctionDeployment;

use super::images;
use crate::failure::Failure;

/// What to deploy for the words of `--functions`.
pub(crate) fn named(words: &[String], program: &Path, gateway: &str) -> Result<Vec<FunctionDeployment>, Failure> {
    let mut all: Vec<FunctionDeployment> = Vec::new();
    for word in words {
        for deployment in of(word, program, gateway)? {
            if all.iter().any(|other| same_name(other, &deployment)) {
                return Err(Failure::new(format!("--functions names {} twice", deployment.service)));
            }
            all.push(deployment);
        }
    }
    Ok(all)
}

/// What to deploy where nothing was deployed yet and nothing is named.
pub(crate) fn all_built_in() -> Vec<FunctionDeployment> {
    catalogue().iter().map(deployment).collect()
}

fn same_name(one: &FunctionDeployment, other: &FunctionDeployment) -> bool {
    (&one.service, &one.namespace) == (&other.service, &other.namespace)
}

fn of(word: &str, program: &Path, gateway: &str) -> Result<Vec<FunctionDeployment>, Failure> {
    if let Some(builtin) = builtin(word) {
        return Ok(vec![deployment(builtin)]);
    }
    if word == images::FACE {
        images::face(program).ok_or_else(|| images::no_face(program))?;
        return Ok(vec![plain(word, word.to_owned())]);
    }
    let path = Path::new(word);
    if path.is_dir() {
        return folder(path).map(|deployment| vec![deployment]);
    }
    if path.is_file() || path.extension().is_some_and(|kind| kind == "yml" || kind == "yaml") {
        return stack_file(path, gateway);
    }
    let names: Vec<&str> = catalogue().iter().map(|builtin| builtin.name).collect();
    Err(Failure::new(format!("--functions: there is no function {word:?}")).help(format!(
        "write {}, {}, a folder with a {MANIFEST_FILE}, or a stack file such as stack.yml",
        names.join(", "),
        images::FACE
    )))
}

fn plain(name: &str, image: String) -> FunctionDeployment {
    FunctionDeployment { service: name.to_owned(), image, ..FunctionDeployment::default() }
}

/// Environment and limits are the image's own.
fn deployment(builtin: &Builtin) -> FunctionDeployment {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    FunctionDeployment {
        secrets: builtin.secrets.iter().map(|name| (*name).to_owned()).collect(),
        labels: builtin.labels.iter().map(owned).collect(),
        annotations: builtin.annotations.iter().map(owned).collect(),
        ..plain(builtin.name, builtin.name.to_owned())
    }
}

/// A folder is deployed under its own name.
fn folder(path: &Path) -> Result<FunctionDeployment, Failure> {
    let folder = path.canonicalize().map_err(|error| Failure::with_path("read", path, &error))?;
    if !folder.join(MANIFEST_FILE).is_file() {
        return Err(Failure::new(format!("there is no {MANIFEST_FILE} in {}", path.display()))
            .help("write one with at least fprocess = \"PROGRAM\" and mode = \"http\" or \"streaming\""));
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let image = folder.to_str().ok_or_else(|| Failure::new(format!("{} is not UTF-8", folder.display())))?;
    Ok(plain(&name, image.to_owned()))
}

/// Images that are folders are meant as seen from the stack file.
fn stack_file(path: &Path, gateway: &str) -> Result<Vec<FunctionDeployment>, Failure> {
    let wrong = |path: &Path, error: stack::StackError| Failure::new(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| Failure::with_path("read", path, &error))?;
    // A stack that asks for the gateway means the one that it is deployed to.
    let variable = |name: &str| env::var(name).ok().or_else(|| (name == "GATEWAY_URL").then(|| gateway.to_owned()));
    let functions = stack::parse(&text, &variable).map_err(|error| wrong(path, error))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let deploy = |function: stack::StackFunction| {
        let mut deployment = function.deployment;
        for file in &function.environment_files {
            let file = base.join(file);
            let text = fs::read_to_string(&file).map_err(|error| Failure::with_path("read", &file, &error))?;
            deployment.env_vars.extend(stack::environment_file(&text).map_err(|error| wrong(&file, error))?);
        }
        if base.join(&deployment.image).join(MANIFEST_FILE).is_file() {
            deployment.image = folder(&base.join(&deployment.image))?.image;
        }
        Ok(deployment)
    };
    functions.into_iter().map(deploy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(words: &[&str]) -> Result<Vec<FunctionDeployment>, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        named(&words, Path::new("/nowhere/faas-lab"), "http://127.0.0.1:9").map_err(|failure| failure.to_string())
    }

    #[test]
    fn built_in_functions_come_with_their_secrets() {
        let chosen = choose(&["hello", "bw"]).unwrap();
        assert_eq!((chosen[0].image.as_str(), chosen[1].secrets.len()), ("hello", 1));
        assert_eq!(all_built_in().len(), catalogue().len());
    }

    #[test]
    fn folders_and_stack_files_are_read_where_they_lie() {
        let root = tempfile::tempdir().unwrap();
        let greet = root.path().join("greet");
        fs::create_dir(&greet).unwrap();
        fs::write(greet.join(MANIFEST_FILE), "fprocess = \"cat\"\n").unwrap();
        let path = greet.to_str().unwrap();
        assert_eq!(choose(&[path]).unwrap()[0].service, "greet");

        let text = "functions:\n  g:\n    image: greet\n    environment: {A: 1, URL: \"${GATEWAY_URL:-x}\"}\n    environment_file: [more.yml]\n";
        fs::write(root.path().join("stack.yml"), text).unwrap();
        fs::write(root.path().join("more.yml"), "environment: {A: 2}\n").unwrap();
        let stack = root.path().join("stack.yml");
        let chosen = choose(&[stack.to_str().unwrap()]).unwrap();
        assert_eq!(Path::new(&chosen[0].image), greet.canonicalize().unwrap());
        assert_eq!((chosen[0].env_vars["A"].as_str(), chosen[0].env_vars["URL"].as_str()), ("2", "http://127.0.0.1:9"));
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        assert!(choose(&["helo"]).is_err_and(|failure| failure.contains("hello, printr")));
        assert!(choose(&["hello", "hello"]).is_err_and(|failure| failure.contains("twice")));
        assert!(choose(&["nowhere.yml"]).is_err_and(|failure| failure.contains("nowhere.yml")));
        assert!(choose(&["face-recognition"]).is_err_and(|failure| failure.contains("cargo build")));
        let empty = tempfile::tempdir().unwrap();
        assert!(choose(&[empty.path().to_str().unwrap()]).is_err_and(|failure| failure.contains(MANIFEST_FILE)));
    }
}
