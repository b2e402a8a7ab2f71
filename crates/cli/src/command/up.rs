//! `ephemera up`: a small Kubernetes on this machine, until Ctrl-C.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::up::{AuditConfig, LogConfig, Up, UpConfig, WebhookConfig};
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
    raise_the_limit_of_open_files();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // A terminal that is closed would else end it as a crash does, and leave its containers.
    let mut hang_up = signal(SignalKind::hangup())?;
    let config = UpConfig {
        data_dir: args.data_dir.clone(),
        listen: args.listen,
        node_name: node_name(args.node_name),
        bare: args.bare,
        audit: audit(&args.audit)?,
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

/// Each watch is an open file, and 1,024 is what a shell allows. Up to the hard limit everybody may; a machine that
/// refuses nevertheless serves as many as it allows.
fn raise_the_limit_of_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _ = setrlimit(Resource::Nofile, raised);
}

/// What is audited and where to, in the API server's words.
fn audit(args: &args::Audit) -> anyhow::Result<Option<AuditConfig>> {
    let Some(policy_file) = args.audit_policy_file.clone() else {
        return Ok(None);
    };
    let log = args.audit_log_path.as_ref().map(|path| LogConfig {
        max_age: args.audit_log_maxage,
        max_backup: args.audit_log_maxbackup,
        max_size: args.audit_log_maxsize,
        ..LogConfig::new(path)
    });
    let webhook = args
        .audit_webhook_config_file
        .as_ref()
        .map(|file| WebhookConfig {
            max_size: args.audit_webhook_batch_max_size,
            max_wait: args.audit_webhook_batch_max_wait,
            ..WebhookConfig::new(file)
        });
    anyhow::ensure!(
        log.is_some() || webhook.is_some(),
        "the audit policy has nowhere to go: give --audit-log-path or --audit-webhook-config-file too"
    );
    Ok(Some(AuditConfig {
        policy_file,
        log,
        webhook,
    }))
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
