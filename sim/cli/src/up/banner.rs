//! What `faas-lab up` says once it is up.

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::Path;

use faas_lab_http::go::format_duration;

use super::state::State;
use super::timeouts::Timeouts;
use super::{BW_SECRET, from_here};

/// The parts of it.
pub(crate) struct Banner<'a> {
    pub(crate) api: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) state: &'a State,
    pub(crate) deployed: Vec<String>,
    pub(crate) timeouts: &'a Timeouts,
    pub(crate) emulated: Option<&'a str>,
}

impl Banner<'_> {
    pub(crate) fn text(&self) -> String {
        let mut text = format!("faas-lab {} is up; Ctrl-C stops it.\n\n", env!("CARGO_PKG_VERSION"));
        for (name, value) in self.rows() {
            text += &format!("  {name:<10} {value}\n");
        }
        text += &format!("\n{}", self.examples());
        text += &format!("\n{}\n", self.about_timeouts());
        if !self.api.ip().is_loopback() {
            text +=
                &format!("Whoever reaches {} may invoke functions; only /system asks for the password.\n", self.api);
        }
        text
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let url = format!("http://{}", from_here(self.api));
        let mut rows = vec![
            ("Gateway", url.clone()),
            ("Web UI", format!("{url}/ui/")),
            ("User", "admin".to_owned()),
            ("Password", self.password()),
            ("Metrics", format!("http://{}/metrics", from_here(self.metrics))),
            ("Functions", if self.deployed.is_empty() { "none".to_owned() } else { self.deployed.join(", ") }),
            ("State", quoted(self.state.folder())),
        ];
        if let Some(machine) = self.emulated {
            rows.push(("Speed", format!("held to a {machine}'s by CPU quotas, where control groups can be had")));
        }
        rows
    }

    /// Shown on a terminal; a log would keep it.
    fn password(&self) -> String {
        let file = self.state.password_file();
        match self.state.credentials() {
            Ok(credentials) if io::stdout().is_terminal() => {
                format!("{}  (from {})", credentials.password, quoted(&file))
            }
            _ => format!("in {}", quoted(&file)),
        }
    }

    fn examples(&self) -> String {
        let url = format!("http://{}", from_here(self.api));
        let password = quoted(&self.state.password_file());
        let first = |name: &str| self.deployed.iter().any(|deployed| deployed == name);
        let one = if first("hello") { "hello" } else { self.deployed.first().map_or("NAME", String::as_str) };
        let mut text = format!(
            "  curl {url}/function/{one} -d Ada\n  curl {url}/async-function/{one} -d Ada -H 'X-Callback-Url: http://…'\n"
        );
        if first("bw") {
            let key = quoted(&self.state.platform().join("secrets/openfaas-fn").join(BW_SECRET));
            text += &format!(
                "  curl {url}/function/bw -H \"X-Api-Key: $(cat {key})\" --data-binary @photo.jpg -o grey.jpg\n"
            );
        }
        text += &format!(
            "  faas-cli login --gateway {url} --username admin --password-stdin < {password}\n  \
             echo Ada | faas-cli invoke {one} --gateway {url}\n"
        );
        text
    }

    fn about_timeouts(&self) -> String {
        let Timeouts { write, upstream, raised_for, short_of, .. } = self.timeouts;
        let mut text = match (upstream.is_zero(), raised_for) {
            (true, _) => "The gateway waits for ever for a function.".to_owned(),
            (false, None) => format!("The gateway waits {} for a function.", format_duration(*upstream)),
            (false, Some((slowest, span))) => format!(
                "The gateway waits {} for a function, as the watchdog of {} lets it run for {}.",
                format_duration(*upstream),
                slowest.join(" and "),
                format_duration(*span)
            ),
        };
        let closes = !write.is_zero() && (upstream.is_zero() || write <= upstream);
        if closes {
            text += &format!("\nIt closes a connection after {}, without an answer.", format_duration(*write));
        }
        if let Some((slowest, span)) = short_of {
            let end = if closes { "closed connections" } else { "502" };
            text += &format!(
                "\nThat is less than the {} that the watchdog of {} allows: longer calls end with {end}.",
                format_duration(*span),
                slowest.join(" and ")
            );
        }
        text
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    if text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::args::GatewayTimeouts;

    #[test]
    fn it_says_where_and_how_but_not_the_password_to_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(Some(&folder.path().join("my state"))).unwrap();
        let timeouts = Timeouts::above(std::iter::empty(), GatewayTimeouts::default());
        let banner = Banner {
            api: SocketAddr::from(([0, 0, 0, 0], 8080)),
            metrics: SocketAddr::from(([127, 0, 0, 1], 8082)),
            state: &state,
            deployed: vec!["bw".to_owned(), "hello".to_owned()],
            timeouts: &timeouts,
            emulated: Some("raspberry-pi-4"),
        };
        let text = banner.text();
        for part in [
            "http://127.0.0.1:8080/ui/",
            "http://127.0.0.1:8082/metrics",
            "bw, hello",
            "X-Api-Key",
            "waits 1m0s",
            "function/hello",
            "raspberry-pi-4",
            "my state/basic-auth-password'",
            "Whoever reaches 0.0.0.0:8080",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains(&state.credentials().unwrap().password));
    }

    #[test]
    fn timeouts_that_cut_functions_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(Some(folder.path())).unwrap();
        let said = |asked: GatewayTimeouts| {
            let environment = BTreeMap::from([("exec_timeout".to_owned(), "5m".to_owned())]);
            let timeouts = Timeouts::above([("sleep", environment)].into_iter(), asked);
            let address = SocketAddr::from(([127, 0, 0, 1], 8080));
            let (api, metrics) = (address, address);
            Banner { api, metrics, state: &state, deployed: vec![], timeouts: &timeouts, emulated: None }
                .about_timeouts()
        };
        let span = |seconds| Some(Duration::from_secs(seconds));
        let raised = said(GatewayTimeouts::default());
        assert!(raised.contains("waits 5m5s") && raised.contains("of sleep") && !raised.contains('\n'), "{raised}");
        let short = said(GatewayTimeouts { upstream_timeout: span(5), ..GatewayTimeouts::default() });
        assert!(short.contains("waits 5s for a function.") && short.contains("end with 502"), "{short}");
        let closed = said(GatewayTimeouts { write_timeout: span(5), ..GatewayTimeouts::default() });
        assert!(closed.contains("after 5s, without an answer") && closed.contains("end with closed"), "{closed}");
        let never = said(GatewayTimeouts { upstream_timeout: span(0), ..GatewayTimeouts::default() });
        assert_eq!(never, "The gateway waits for ever for a function.");
    }

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted(Path::new("/a/b-c.d")), "/a/b-c.d");
        assert_eq!(quoted(Path::new("/it's")), r"'/it'\''s'");
    }
}
