//! The least that a hop can cost: copies bytes between two TCP connections and reads none of them. The yardstick of
//! `bench/overhead.sh`.
//!
//! `forwarder PORT UPSTREAM_PORT`, both on 127.0.0.1.

use std::error::Error;
use std::net::Ipv4Addr;

use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut ports = std::env::args().skip(1).map(|port| port.parse::<u16>());
    let mut port = || ports.next().ok_or("usage: forwarder PORT UPSTREAM_PORT");
    let (own, upstream) = (port()??, port()??);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, own)).await?;
    loop {
        let (mut caller, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await?;
            caller.set_nodelay(true)?;
            upstream.set_nodelay(true)?;
            tokio::io::copy_bidirectional(&mut caller, &mut upstream).await
        });
    }
}
