//! What was typed. No IO here: meaning and defaults are resolved by each command.

mod audit;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use audit::Audit;

/// Visits to running Pods through ephemeral containers, each with a name, a reason and a record.
#[derive(Debug, Parser)]
#[command(
    name = "ephemera",
    version,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Which cluster, as in kubectl.
    #[command(flatten)]
    pub cluster: Cluster,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which cluster and namespace.
#[derive(Debug, Clone, Args)]
pub struct Cluster {
    /// Path to the kubeconfig file
    #[arg(
        long,
        global = true,
        env = "KUBECONFIG",
        value_name = "FILE",
        hide_env = true
    )]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The namespace; the context's by default
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Say only what was asked for
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// An output format, as in kubectl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// RESOURCE/NAME only
    Name,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show one governed visit from refusal to proof, on real containers
    #[cfg(feature = "cluster")]
    Demo(Demo),
    /// Run a small Kubernetes on this machine, with the governance beside it
    #[cfg(feature = "cluster")]
    Up(Up),
    /// Images of the small cluster, without a registry
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    Image(Image),
    /// Ask for a visit; prints the `kubectl debug` line that the grant will admit
    Request(Request),
    /// Say yes to exactly what a session asks for
    Approve(Judge),
    /// Say no; the person who asked takes the session back with it
    Deny(Judge),
    /// Ask, wait, and attach in one go
    Debug(Debug),
    /// List sessions, or show one
    Sessions(Sessions),
    /// The whole account of one session, read from the ledger
    Record(Record),
    /// Check a ledger with public bytes alone
    Verify(Verify),
    /// Look at policies without a cluster: check them, or try cases on them
    #[command(subcommand)]
    Policy(Policy),
    /// Who may do what in this cluster, and through which bindings
    #[command(subcommand)]
    Rbac(Rbac),
    /// Print the version
    Version,
}

/// `up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Where everything is kept
    #[arg(long, default_value = DATA_DIR, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where the API server listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:7443", value_name = "ADDRESS:PORT")]
    pub listen: std::net::SocketAddr,
    /// The node's name; the host name by default
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<String>,
    /// A cluster without the governance
    #[arg(long)]
    pub bare: bool,
    /// Leave containers running at the end
    #[arg(long)]
    pub keep: bool,
    /// What the API server audits, and where to.
    #[command(flatten)]
    pub audit: Audit,
}

/// Where the small cluster lives unless told otherwise.
pub const DATA_DIR: &str = "/var/lib/ephemera";

/// `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave the cluster up at the end, to go on by hand
    #[arg(long)]
    pub keep: bool,
}

/// `image`.
#[derive(Debug, Subcommand)]
pub enum Image {
    /// Take in an OCI or `docker save` archive
    Load {
        /// The archive
        file: PathBuf,
        /// Where the cluster keeps everything
        #[arg(long, default_value = DATA_DIR, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Make an image of programs of this machine, with the shared libraries that they need
    Build {
        /// The image's name, `tools:1`
        name: String,
        /// Programs, by name or path; a directory is taken whole
        #[arg(long = "from-host", required = true, num_args = 1.., value_name = "PROG")]
        from_host: Vec<String>,
        /// Where the cluster keeps everything
        #[arg(long, default_value = DATA_DIR, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// List images
    List {
        /// Output format
        #[arg(short, long)]
        output: Option<Format>,
        /// Where the cluster keeps everything
        #[arg(long, default_value = DATA_DIR, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Remove an image
    Remove {
        /// Its name or digest
        name: String,
        /// Where the cluster keeps everything
        #[arg(long, default_value = DATA_DIR, value_name = "DIR")]
        data_dir: PathBuf,
    },
}

/// What a visit is asked with: shared by `request` and `debug`.
#[derive(Debug, Args)]
pub struct Ask {
    /// The Pod: NAME or pod/NAME
    pub pod: String,
    /// Image of the debug container
    #[arg(long, value_name = "IMAGE")]
    pub image: String,
    /// The container whose processes to see
    #[arg(long, value_name = "CONTAINER")]
    pub target: Option<String>,
    /// Debugging profile: legacy, general, baseline, restricted, netadmin or sysadmin
    #[arg(long, default_value = "general", value_name = "NAME")]
    pub profile: String,
    /// Environment, KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    pub env: Vec<String>,
    /// Image pull policy: Always, IfNotPresent or Never
    #[arg(long, value_name = "POLICY")]
    pub image_pull_policy: Option<String>,
    /// Keep standard input open
    #[arg(short = 'i', long)]
    pub stdin: bool,
    /// Give the container a terminal
    #[arg(short = 't', long)]
    pub tty: bool,
    /// Why the visit is needed
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// The incident's ticket
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    pub ticket: String,
    /// What was looked at first and fell short, as in `logs=nothing since 14:02`
    #[arg(long, value_name = "SURFACE=WHY")]
    pub checked: Vec<String>,
    /// How long the visit may last, as in 15m
    #[arg(long, default_value = "15m", value_name = "TIME")]
    pub duration: String,
    /// Use the words after `--` as the image's arguments, not as its command
    #[arg(long)]
    pub arguments_only: bool,
    /// Command to run in the container
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `request`.
#[derive(Debug, Args)]
pub struct Request {
    /// The ask
    #[command(flatten)]
    pub ask: Ask,
    /// Let the controller add the container, instead of `kubectl debug`
    #[arg(long)]
    pub inject: bool,
    /// Only show the decision and what would be exposed
    #[arg(long, value_parser = ["server"], value_name = "server")]
    pub dry_run: Option<String>,
    /// Output format
    #[arg(short, long)]
    pub output: Option<Format>,
}

/// `debug`.
#[derive(Debug, Args)]
pub struct Debug {
    /// The ask
    #[command(flatten)]
    pub ask: Ask,
    /// How long to wait for the approval and the container, as in 30m
    #[arg(long, default_value = "30m", value_name = "TIME")]
    pub timeout: String,
}

/// `approve` and `deny`.
#[derive(Debug, Args)]
pub struct Judge {
    /// The session
    pub session: String,
    /// The hash that was looked at; the session's present one by default
    #[arg(long, value_name = "sha256:…")]
    pub spec_hash: Option<String>,
    /// In your own words
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "TEXT"
    )]
    pub comment: String,
    /// Output format
    #[arg(short, long)]
    pub output: Option<Format>,
}

/// `sessions`.
#[derive(Debug, Args)]
pub struct Sessions {
    /// Show one
    #[command(subcommand)]
    pub get: Option<SessionsGet>,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Output format
    #[arg(short, long, global = true)]
    pub output: Option<Format>,
}

/// `sessions get`.
#[derive(Debug, Subcommand)]
pub enum SessionsGet {
    /// Show one session
    Get {
        /// Its name
        name: String,
    },
}

/// `policy`.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Check policies: unknown fields, values that mean nothing, rules that nobody can meet
    Check {
        /// YAML or JSON files with DebugPolicies
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Output format
        #[arg(short, long)]
        output: Option<Format>,
    },
    /// Decide the cases of a folder, and compare with what each expects
    Test {
        /// Folder with `*.yaml` files of cases
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// `rbac`.
#[derive(Debug, Subcommand)]
pub enum Rbac {
    /// Show who can debug, attach, exec, approve, or get around all of it
    WhoCan {
        /// What
        #[arg(value_enum)]
        what: Power,
        /// Only those who are given it directly: not by impersonation, tokens or rights to give rights
        #[arg(long)]
        direct: bool,
        /// In all namespaces
        #[arg(short = 'A', long)]
        all_namespaces: bool,
        /// Output format
        #[arg(short, long)]
        output: Option<Format>,
    },
    /// Show what the cluster's RBAC gives without meaning to, and what mends it
    Lint {
        /// Output format
        #[arg(short, long)]
        output: Option<Format>,
    },
}

/// A power that people can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Power {
    /// Add an ephemeral container, or ask for one
    Debug,
    /// Join a container's streams
    Attach,
    /// Run commands in containers
    Exec,
    /// Give verdicts on visits
    Approve,
    /// Get to the same without a visit, or change the rules
    Bypass,
}

/// `record`.
#[derive(Debug, Args)]
pub struct Record {
    /// The session's name or uid
    pub session: String,
    /// The ledger's folder
    #[arg(long, default_value = "/var/lib/ephemera/ledger", value_name = "DIR")]
    pub ledger: PathBuf,
    /// The log's public key (a signed-note verifier key); `ledger.vkey` beside the folder by default
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Output format
    #[arg(short, long)]
    pub output: Option<Format>,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The ledger's folder
    #[arg(long, default_value = "/var/lib/ephemera/ledger", value_name = "DIR")]
    pub ledger: PathBuf,
    /// The log's public key (a signed-note verifier key); `ledger.vkey` beside the folder by default
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Output format
    #[arg(short, long)]
    pub output: Option<Format>,
}

/// Where this program keeps what it should remember between runs; `None` where nobody has a home.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate that reads the environment"
)]
pub(crate) fn state_folder() -> Option<PathBuf> {
    let state = std::env::var("XDG_STATE_HOME")
        .ok()
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let home = || {
        std::env::var("HOME")
            .ok()
            .map(|home| PathBuf::from(home).join(".local/state"))
    };
    Some(state.or_else(home)?.join("ephemera"))
}

/// Which log lines `up` writes, in the notation of `tracing_subscriber::EnvFilter`.
#[cfg(feature = "cluster")]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate that reads the environment"
)]
pub(crate) fn log_filter() -> String {
    std::env::var("EPHEMERA_LOG").unwrap_or_else(|_| "warn".to_owned())
}
