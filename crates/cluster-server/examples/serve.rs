//! A bare API server for trying things: `cargo run -p cluster-server --example serve -- [DATA_DIR] [ADDRESS]`.
//!
//! It prints its URL, the administrator's token and the path of a kubeconfig, and ends on Ctrl-C.
#![expect(clippy::print_stdout, reason = "the example talks to a person")]

use std::net::SocketAddr;
use std::path::PathBuf;

use cluster_server::clock::Clock;
use cluster_server::{Config, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let temporary = tempfile::tempdir()?;
    let data_dir = arguments
        .next()
        .map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let listen: SocketAddr = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:0".to_owned())
        .parse()?;
    let server = Server::start(Config {
        data_dir: data_dir.clone(),
        listen,
        bare: true,
        clock: Clock::system(),
        audit: None,
    })
    .await?;
    println!("{} {}", server.url(), server.admin_token());
    println!(
        "export KUBECONFIG={}",
        data_dir.join("kubeconfig").display()
    );
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}
