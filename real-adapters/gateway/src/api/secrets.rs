//! Secrets: their names are listed, their values never.

use faas_lab_http::Body;
use faas_lab_provider::api::{DEFAULT_NAMESPACE, Secret};
use http::{Method, Request, Response, StatusCode};

use super::{Refused, namespace, read, refused};
use crate::gateway::Inner;
use crate::reply;

impl Inner {
    pub(super) async fn list_secrets(&self, request: &Request<Body>) -> Result<Response<Body>, Refused> {
        let namespace = namespace(request);
        self.check_namespace(&namespace).await?;
        let names = self.provider.secrets(&namespace).await.map_err(|why| refused(&why, StatusCode::CONFLICT))?;
        let listed: Vec<Secret> =
            names.into_iter().map(|name| Secret { name, namespace: namespace.clone(), ..Secret::default() }).collect();
        Ok(reply::json(&listed))
    }

    pub(super) async fn change_secret(
        &self,
        method: &Method,
        request: Request<Body>,
    ) -> Result<Response<Body>, Refused> {
        let in_query = namespace(&request);
        let limit = self.options.limits.system_body;
        // The reason would quote what was sent, which is a secret.
        let mut secret: Secret = read(request.into_body(), limit, "").await.map_err(|refusal| {
            let text = match refusal.status() {
                StatusCode::PAYLOAD_TOO_LARGE => format!("a secret of more than {limit} bytes is not taken"),
                _ => "failed to unmarshal request: write {\"name\": …, \"value\": …}".to_owned(),
            };
            reply::text(refusal.status(), text)
        })?;
        if secret.name.trim().is_empty() {
            return Err(reply::text(StatusCode::BAD_REQUEST, "validation failed: name: is required"));
        }
        if secret.namespace.is_empty() {
            secret.namespace = if in_query.is_empty() { DEFAULT_NAMESPACE.to_owned() } else { in_query };
        }
        let changed = match *method {
            Method::POST => self.provider.create_secret(secret).await,
            Method::PUT => self.provider.update_secret(secret).await,
            _ => self.provider.remove_secret(&secret.namespace, &secret.name).await,
        };
        changed.map_err(|why| refused(&why, StatusCode::CONFLICT))?;
        Ok(reply::empty(StatusCode::ACCEPTED))
    }
}
