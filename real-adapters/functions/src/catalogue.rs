//! The functions that come with faas-lab: how each is run, and what a store tells of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::bw;

/// A built-in function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Name of function and image.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// How the watchdog runs it.
    pub mode: Mode,
    /// Default environment: its own settings and the watchdog's timeouts.
    pub environment: &'static [(&'static str, &'static str)],
    /// Default labels.
    pub labels: &'static [(&'static str, &'static str)],
    /// Default annotations.
    pub annotations: &'static [(&'static str, &'static str)],
    /// Secrets that it cannot do without.
    pub secrets: &'static [&'static str],
    /// Memory that it never needs more of, as a limit: `64Mi`.
    pub memory: &'static str,
    /// The class of its work, for an emulated machine.
    pub work: &'static str,
}

/// How a watchdog runs a built-in function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One process answers all calls over HTTP, on the socket `UPSTREAM_SOCKET` or the port `PORT`.
    Http,
    /// A process per call, whose output is sent as it comes.
    Streaming,
    /// No process: the watchdog serves [`homepage`]'s files itself.
    Static,
}

impl Mode {
    /// As the watchdog's `mode` has it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Http => "http",
            Mode::Streaming => "streaming",
            Mode::Static => "static",
        }
    }
}

impl Builtin {
    /// Arguments of `faas-lab-functions`, or of `faas-lab function`; none for static files.
    pub fn arguments(&self) -> Vec<&'static str> {
        match self.mode {
            Mode::Http => vec![self.name],
            Mode::Streaming => vec![self.name, "--stdin"],
            Mode::Static => Vec::new(),
        }
    }
}

/// What most functions are; each says only where it differs.
const PLAIN: Builtin = Builtin {
    name: "",
    title: "",
    description: "",
    mode: Mode::Http,
    environment: &[],
    labels: &[],
    annotations: &[],
    secrets: &[],
    memory: "64Mi",
    work: "scalar",
};

const CATALOGUE: [Builtin; 10] = [
    Builtin {
        name: "hello",
        title: "Hello",
        description: "Greets whoever the body names. What a call of it costs is what the platform costs.",
        ..PLAIN
    },
    Builtin {
        name: "printr",
        title: "Slow numbers",
        description: "Prints 1 to 10000, a line each 3.3 ms as on a Raspberry Pi 4: set read_timeout, write_timeout and \
                      exec_timeout to 10s and see where it is cut; with stream_buffer=4096 it is where the Pi cut it. \
                      PERIOD and COUNT change it.",
        mode: Mode::Streaming,
        environment: &[("read_timeout", "65s"), ("write_timeout", "65s"), ("exec_timeout", "60s")],
        work: "fork",
        ..PLAIN
    },
    Builtin { name: "figlet", title: "Large letters", description: "Writes the body in large letters.", ..PLAIN },
    Builtin {
        name: "homepage",
        title: "Home page",
        description: "A page with a style sheet and a picture, as static files.",
        mode: Mode::Static,
        ..PLAIN
    },
    Builtin {
        name: "url-search",
        title: "Search a page",
        description: "Is a term in a page? Send {\"url\": \"https://example.org/\", \"term\": \"Example\"}. Private \
                      addresses are refused unless ALLOW_PRIVATE_URLS=true.",
        work: "crypto",
        ..PLAIN
    },
    Builtin {
        name: "bw",
        title: "Black and white",
        description: "Makes a colour photo (JPEG, PNG or WebP) a greyscale JPEG. Needs the secret bw-api-key; callers \
                      show it as X-Api-Key.",
        environment: &[("read_timeout", "60s"), ("write_timeout", "60s"), ("exec_timeout", "55s")],
        secrets: &[bw::SECRET],
        memory: "1Gi",
        ..PLAIN
    },
    Builtin {
        name: "hits",
        title: "Hit counter",
        description: "Counts its calls in Redis, which REDIS_URL names.",
        ..PLAIN
    },
    Builtin {
        name: "sleep",
        title: "Sleep",
        description: "Takes a known time without using a processor: ?sleep=100ms, or exponential:100ms for a random \
                      one. SLEEP and SEED set the default.",
        environment: &[("read_timeout", "5m"), ("write_timeout", "5m"), ("exec_timeout", "5m")],
        ..PLAIN
    },
    Builtin {
        name: "cpu",
        title: "Burn",
        description: "Burns a known amount of processor time: ?ms=100, or ?iterations=1000000. MS sets the default.",
        environment: &[("read_timeout", "5m"), ("write_timeout", "5m"), ("exec_timeout", "5m")],
        ..PLAIN
    },
    Builtin {
        name: "chain",
        title: "Chain",
        description: "Calls other functions through the gateway, each with what the one before answered: \
                      ?function=hello,figlet. With async=true it queues them. CHAIN and GATEWAY_URL set the defaults.",
        environment: &[("read_timeout", "65s"), ("write_timeout", "65s"), ("exec_timeout", "65s")],
        ..PLAIN
    },
];

/// All built-in functions.
pub fn catalogue() -> &'static [Builtin] {
    &CATALOGUE
}

/// The built-in function of that name.
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    CATALOGUE.iter().find(|builtin| builtin.name == name)
}

/// The files that `homepage` serves, by name.
pub fn homepage() -> [(&'static str, &'static [u8]); 3] {
    [
        ("index.html", include_bytes!("../homepage/index.html")),
        ("style.css", include_bytes!("../homepage/style.css")),
        ("lab.svg", include_bytes!("../homepage/lab.svg")),
    ]
}

/// Writes the files that `homepage` serves into `folder`, which is made if need be.
pub fn write_homepage(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    homepage().iter().try_for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes))
}

/// The catalogue as a function store: what `faas-cli store list --url` reads, in version 0.2.0 of its format
/// (`{"version", "functions": […]}`).
///
/// A function's image is the same on every platform. `secrets`, `mode` and `memory` are additions of ours, which
/// faas-cli passes over.
pub fn store_json() -> Value {
    let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let entry = |builtin: &Builtin| {
        let images = ["x86_64", "arm64", "armhf"].map(|platform| (platform.to_owned(), json!(builtin.name)));
        json!({
            "title": builtin.title,
            "name": builtin.name,
            "author": "faas-lab",
            "icon": "",
            "description": builtin.description,
            "images": serde_json::Map::from_iter(images),
            "fprocess": "",
            "repo_url": "",
            "readOnlyRootFilesystem": false,
            "environment": text(builtin.environment),
            "labels": text(builtin.labels),
            "annotations": text(builtin.annotations),
            "secrets": builtin.secrets,
            "mode": builtin.mode.name(),
            "memory": builtin.memory,
        })
    };
    json!({ "version": "0.2.0", "functions": CATALOGUE.iter().map(entry).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once_and_can_be_deployed() {
        for builtin in catalogue() {
            assert_eq!(catalogue().iter().filter(|other| other.name == builtin.name).count(), 1);
            assert!(builtin.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", builtin.name);
            assert!(!builtin.description.contains("  "), "{}", builtin.name);
        }
    }

    #[test]
    fn a_store_lists_all_with_an_image_for_each_platform() {
        let store = store_json();
        let functions = store["functions"].as_array().unwrap();
        assert_eq!(functions.len(), catalogue().len());
        assert!(functions.iter().all(|entry| entry["images"]["arm64"] == entry["name"]));
    }
}
