//! The flags of the API server's audit, named as `kube-apiserver` names them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// Without a policy nothing is audited.
#[derive(Debug, Clone, Args)]
#[group(id = "audit")]
pub struct Audit {
    /// Write audit events of the requests that this audit.k8s.io/v1 Policy names
    #[arg(long, value_name = "FILE")]
    pub audit_policy_file: Option<PathBuf>,
    /// Write the events into this file, one a line; `-` is standard output
    #[arg(long, value_name = "FILE", requires = "audit_policy_file")]
    pub audit_log_path: Option<PathBuf>,
    /// Remove turned-over log files after so many days; 0 keeps them
    #[arg(
        long,
        value_name = "DAYS",
        default_value_t = 366,
        hide_default_value = true
    )]
    pub audit_log_maxage: u32,
    /// Keep so many turned-over log files; 0 keeps them all
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 100,
        hide_default_value = true
    )]
    pub audit_log_maxbackup: u32,
    /// Turn the log file over before it is larger than this; 0 never does
    #[arg(
        long,
        value_name = "MEGABYTES",
        default_value_t = 100,
        hide_default_value = true
    )]
    pub audit_log_maxsize: u32,
    /// Send the events to the server of this kubeconfig's current context
    #[arg(long, value_name = "FILE", requires = "audit_policy_file")]
    pub audit_webhook_config_file: Option<PathBuf>,
    /// Send so many events at once at most
    #[arg(long, value_name = "COUNT", default_value_t = 400, hide_default_value = true, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub audit_webhook_batch_max_size: usize,
    /// Send a batch that is not full after this time, such as 30s
    #[arg(long, value_name = "TIME", default_value = "30s", hide_default_value = true, value_parser = duration)]
    pub audit_webhook_batch_max_wait: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    parsed
        .ok()
        .and_then(|time| Duration::try_from(time).ok())
        .ok_or_else(|| "give a number with its unit, such as 500ms, 30s or 1m".to_owned())
}
