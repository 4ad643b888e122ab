//! `hits`: counts its calls in Redis, so that the count is one and the same in all replicas and outlives them.

use std::time::Duration;

use http::StatusCode;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use serde_json::json;
use tokio::sync::Mutex;

use crate::call::{Answer, Call};
use crate::settings::{Lookup, SettingError};

/// How long Redis may take to be reached or to answer, before the caller is told that it is away.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct Hits {
    client: Client,
    key: String,
    /// One connection carries the commands of all calls; `None` until it is needed, and after it broke.
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Hits {
    /// From `REDIS_URL` (default `redis://127.0.0.1:6379`) and `HITS_KEY`, the counter's name (default `hits`).
    pub(crate) fn from_settings(lookup: Lookup<'_>) -> Result<Hits, SettingError> {
        let url = lookup("REDIS_URL").unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
        // The URL may hold a password, so it is not repeated.
        let wrong = |error: RedisError| SettingError::new("REDIS_URL", "…", format!("redis://HOST:PORT/DB: {error}"));
        let client = Client::open(url).map_err(wrong)?;
        Ok(Hits { client, key: lookup("HITS_KEY").unwrap_or_else(|| "hits".to_owned()), connection: Mutex::new(None) })
    }

    /// Counts the call; 503 when Redis is away.
    pub(crate) async fn call(&self, call: &Call) -> Answer {
        match self.count().await {
            Ok(hits) if call.header("accept").is_some_and(|accept| accept.contains("application/json")) => {
                Answer::json(&json!({ "hits": hits }))
            }
            Ok(hits) => Answer::text(format!("{hits} {} so far\n", if hits == 1 { "hit" } else { "hits" })),
            Err(error) => {
                eprintln!("hits: Redis does not answer: {error}");
                let reason = format!("Redis does not answer, so this call was not counted: {}", error.category());
                Answer::refuse(StatusCode::SERVICE_UNAVAILABLE, reason)
            }
        }
    }

    /// A connection that broke while it was idle is replaced, and the command sent again: Redis had not seen it.
    async fn count(&self) -> Result<i64, RedisError> {
        let (connection, fresh) = self.connected().await?;
        match self.increment(connection).await {
            Err(error) if !fresh && error.is_connection_dropped() => {
                let (connection, _) = self.connected().await?;
                self.increment(connection).await
            }
            result => result,
        }
    }

    async fn increment(&self, mut connection: MultiplexedConnection) -> Result<i64, RedisError> {
        let result = redis::cmd("INCR").arg(&self.key).query_async(&mut connection).await;
        if let Err(error) = &result {
            let error: &RedisError = error;
            if error.is_connection_dropped() || error.is_timeout() || error.is_io_error() {
                *self.connection.lock().await = None;
            }
        }
        result
    }

    /// The connection, and whether it was made for this call. Calls that come while it is being made wait for it.
    async fn connected(&self) -> Result<(MultiplexedConnection, bool), RedisError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok((connection.clone(), false));
        }
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        *slot = Some(connection.clone());
        Ok((connection, true))
    }
}
