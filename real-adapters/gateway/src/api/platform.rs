//! What runs here: info, namespaces, alerts from outside.

use faas_lab_http::Body;
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{Refused, read, refused};
use crate::gateway::Inner;
use crate::reply;

/// An Alertmanager's notification, as far as it matters.
#[derive(Deserialize)]
struct Notification {
    #[serde(default)]
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    #[serde(default)]
    status: String,
    #[serde(default)]
    labels: AlertLabels,
}

#[derive(Default, Deserialize)]
struct AlertLabels {
    #[serde(default)]
    function_name: String,
}

impl Inner {
    pub(super) fn info(&self) -> Response<Body> {
        let version = json!({ "sha": self.options.commit, "release": self.options.version });
        let span = faas_lab_http::go::format_duration;
        reply::json(&json!({
            "provider": {
                "provider": self.provider.name(),
                "version": version,
                "orchestration": self.provider.name(),
            },
            "version": { "commit_message": "", "sha": self.options.commit, "release": self.options.version },
            "arch": std::env::consts::ARCH,
            // Not part of OpenFaaS's API: nobody can tell whether timeouts agree without knowing them.
            "timeouts": {
                "read": span(self.options.read_timeout),
                "write": span(self.options.write_timeout),
                "upstream": span(self.options.upstream_timeout),
            },
        }))
    }

    pub(super) async fn list_namespaces(&self) -> Result<Response<Body>, Refused> {
        let namespaces = self.provider.namespaces().await;
        Ok(reply::json(&namespaces.map_err(|why| refused(&why, StatusCode::INTERNAL_SERVER_ERROR))?))
    }

    /// A step up for each alert that fires, the minimum for each that is resolved, as the Community Edition does.
    pub(super) async fn alert(&self, request: Request<Body>) -> Result<Response<Body>, Refused> {
        let limit = self.options.limits.system_body;
        let told: Notification =
            read(request.into_body(), limit, "").await.map_err(|refusal| match refusal.status() {
                StatusCode::BAD_REQUEST => reply::text(StatusCode::BAD_REQUEST, "Unable to parse alert, bad format."),
                _ => refusal,
            })?;
        for alert in told.alerts {
            // An alert of a function that is not there (any more) is no error.
            let Some(function) = self.functions.get(&alert.labels.function_name) else { continue };
            let state = function.lock();
            let (bounds, current) = (state.settings.bounds, state.desired);
            // In the original's order of operations, to keep its rounding.
            let step = (f64::from(bounds.max) / 100.0 * f64::from(state.settings.alert_step)).ceil() as u32;
            drop(state);
            if step == 0 {
                // The label says that it is not to be scaled.
                continue;
            }
            let least = bounds.min.max(1);
            let wanted = match alert.status.as_str() {
                "firing" => current.saturating_add(step).clamp(least, bounds.max.max(least)),
                _ => least,
            };
            function.set_desired(wanted);
        }
        Ok(reply::empty(StatusCode::OK))
    }
}
