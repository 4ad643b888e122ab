//! A function that answers `Hello` at once: what is measured behind the watchdog is the watchdog.
//!
//! `function 127.0.0.1:3000`, or `function unix:/tmp/fn.sock`.

use faas_lab_http::{Body, Endpoint, Limits, serve};
use http::Response;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let at: Endpoint = std::env::args().nth(1).ok_or("where to listen? such as 127.0.0.1:3000")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let answer = |_, _| std::future::ready(Response::new(Body::full("Hello\n")));
        let _ = serve(at.bind().await?, Limits::default(), answer, std::future::pending()).await;
        Ok(())
    })
}
