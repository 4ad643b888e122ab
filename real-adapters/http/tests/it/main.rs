//! The server and the client against real sockets, spoken to byte by byte where that matters.

mod client;
mod server;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use faas_lab_http::{Body, Drained, Endpoint, Limits, Stream, serve};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server that ends when it is dropped or told to.
struct Server {
    endpoint: Endpoint,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Drained>,
}

async fn start<R>(limits: Limits, handler: impl Fn(Request<Body>) -> R + Clone + Send + Sync + 'static) -> Server
where
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let any: Endpoint = "127.0.0.1:0".parse().expect("an endpoint");
    start_at(&any, limits, handler).await
}

async fn start_at<R>(
    at: &Endpoint,
    limits: Limits,
    handler: impl Fn(Request<Body>) -> R + Clone + Send + Sync + 'static,
) -> Server
where
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = at.bind().await.expect("a free address");
    let endpoint = listener.endpoint().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, limits, move |request, _peer| handler(request), async move {
        let _ = stopped.await;
    }));
    Server { endpoint, stop, task }
}

/// Answers with what it got.
async fn echo(request: Request<Body>) -> Response<Body> {
    let text = format!("{} {}", request.method(), request.uri());
    let body = request.into_body().collect(1 << 20).await;
    match body {
        Ok(body) => Response::new(Body::full(format!("{text} {}", String::from_utf8_lossy(&body)))),
        Err(error) => {
            let mut response = Response::new(Body::full(error.to_string()));
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

/// All that a server answers to these bytes until it closes, or for ten seconds.
async fn talk(endpoint: &Endpoint, bytes: &[u8]) -> String {
    let mut stream = endpoint.connect().await.expect("a connection");
    stream.write_all(bytes).await.expect("room for the request");
    rest(&mut stream).await
}

async fn rest(stream: &mut Stream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(read.is_ok(), "the server keeps the connection open after {text:?}");
    text
}

fn get(uri: &str) -> Request<Body> {
    Request::builder().uri(uri).header("host", "test").body(Body::empty()).expect("a request")
}

fn status_of(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

async fn text_of(response: Response<Body>) -> String {
    let bytes: Bytes = response.into_body().collect(1 << 24).await.expect("a whole body");
    String::from_utf8_lossy(&bytes).into_owned()
}
