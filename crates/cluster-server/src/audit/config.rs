//! Where audit events go, in the words of `kube-apiserver`'s flags.

use std::path::PathBuf;
use std::time::Duration;

/// What is audited, and where the events go.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// `--audit-policy-file`: an `audit.k8s.io/v1 Policy`, YAML or JSON.
    pub policy_file: PathBuf,
    /// The log file, if there is to be one.
    pub log: Option<LogConfig>,
    /// The webhook, if there is to be one.
    pub webhook: Option<WebhookConfig>,
}

/// When a back end writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Events wait in a buffer; when it is full they are dropped, counted and told of.
    Batch,
    /// The answer waits until the event is written; a failure is logged.
    #[default]
    Blocking,
    /// As [`Blocking`](Self::Blocking), and a request whose first event cannot be written is refused.
    BlockingStrict,
}

/// A file of JSON lines that is turned over by size.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `--audit-log-path`; `-` is standard output.
    pub path: PathBuf,
    /// `--audit-log-mode`.
    pub mode: Mode,
    /// `--audit-log-maxage`, in days: older files are removed; 0 keeps them all.
    pub max_age: u32,
    /// `--audit-log-maxbackup`: so many turned-over files are kept; 0 keeps them all.
    pub max_backup: u32,
    /// `--audit-log-maxsize`, in megabytes: a file that would grow beyond is turned over; 0 never turns over.
    pub max_size: u32,
}

impl LogConfig {
    /// Kubernetes' defaults: 100 files of 100 megabytes for 366 days, written before the answer goes out.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            mode: Mode::Blocking,
            max_age: 366,
            max_backup: 100,
            max_size: 100,
        }
    }
}

/// Somebody who takes an `audit.k8s.io/v1 EventList` by `POST`.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// `--audit-webhook-config-file`: a kubeconfig whose current context names the server and the credentials.
    pub config_file: PathBuf,
    /// `--audit-webhook-batch-buffer-size`: so many events wait at most; more are dropped.
    pub buffer_size: usize,
    /// `--audit-webhook-batch-max-size`: so many events go out at once at most.
    pub max_size: usize,
    /// `--audit-webhook-batch-max-wait`: a batch that is not full goes out after this.
    pub max_wait: Duration,
    /// `--audit-webhook-batch-throttle-qps`: so many batches a second on average.
    pub throttle_qps: u32,
    /// `--audit-webhook-batch-throttle-burst`: so many at once after a quiet time.
    pub throttle_burst: u32,
    /// `--audit-webhook-initial-backoff`: the wait before a batch that failed is sent again the first time.
    pub initial_backoff: Duration,
}

impl WebhookConfig {
    /// Kubernetes' defaults: 10,000 events wait, 400 go out at once, at least every 30 seconds.
    pub fn new(config_file: impl Into<PathBuf>) -> Self {
        Self {
            config_file: config_file.into(),
            buffer_size: 10_000,
            max_size: 400,
            max_wait: Duration::from_secs(30),
            throttle_qps: 10,
            throttle_burst: 15,
            initial_backoff: Duration::from_secs(10),
        }
    }
}
