//! `ephemera up`: a small Kubernetes on this machine, until Ctrl-C.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use server::up::{Up, UpConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::args;
use crate::clock;
use crate::exit::{Exit, Outcome};
use crate::printer::Printer;

/// Runs until it is interrupted, then ends everything that it started.
pub async fn run(args: args::Up, printer: Printer) -> Outcome {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(args::log_filter()).context("EPHEMERA_LOG")?)
        .with_writer(std::io::stderr)
        .init();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // A terminal that is closed would else end it as a crash does, and leave its containers.
    let mut hang_up = signal(SignalKind::hangup())?;
    let config = UpConfig {
        data_dir: args.data_dir.clone(),
        listen: args.listen,
        node_name: node_name(args.node_name),
        bare: args.bare,
        clock: Arc::new(clock::now),
    };
    let up = Up::start(config).await?;
    ready(&up, &args.data_dir, args.bare, printer)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    printer.say(if args.keep {
        "Ending; containers keep running."
    } else {
        "Ending, containers too."
    });
    up.stop(args.keep).await?;
    Ok(Exit::Done)
}

fn ready(up: &Up, data_dir: &Path, bare: bool, printer: Printer) -> std::io::Result<()> {
    printer.line(format!("ready  {}", up.url()))?;
    printer.line(format!(
        "use    export KUBECONFIG={}",
        data_dir.join("kubeconfig").display()
    ))?;
    printer.line("       contexts: admin, alice (sre), bob (sre, approvers), carl (viewers)")?;
    if !bare {
        printer.line("visits are refused until a DebugPolicy allows them: `kubectl apply -f` one (docs/policies.md)")?;
    }
    printer.line("end    Ctrl-C")
}

fn node_name(typed: Option<String>) -> String {
    let host = || {
        rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .to_lowercase()
    };
    typed.unwrap_or_else(host)
}
