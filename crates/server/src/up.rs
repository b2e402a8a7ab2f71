//! The small cluster and the governance beside it, in one process: `ephemera up`.
//!
//! They meet only over HTTPS: the governance is given a kubeconfig and webhooks by URL, as on any cluster.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cluster_node::node::Keep;
use cluster_node::{Node, NodeConfig};
use cluster_sandbox::{Cgroups, HelperCommand, LocalConfig, LocalRuntime};
pub use cluster_server::audit::{AuditConfig, LogConfig, WebhookConfig};
use cluster_server::http::TlsError;
use cluster_server::{Server, StartError};
use jiff::Timestamp;
use kube::config::AuthInfo;
use rustix::fs::{FlockOperation, flock};

use crate::governance::access::Access;
use crate::governance::{Governance, GovernanceConfig};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What is to be started.
pub struct UpConfig {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where the API server listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The node's name.
    pub node_name: String,
    /// Without the governance.
    pub bare: bool,
    /// What the API server audits, and where to.
    pub audit: Option<AuditConfig>,
    /// Tells the time.
    pub clock: Clock,
}

/// Why it cannot be started. Each says in one line what to do.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// Containers need root.
    #[error("containers need root: run it with sudo")]
    NotRoot,
    /// This machine cannot run containers as it is.
    #[error(transparent)]
    Runtime(#[from] cluster_sandbox::OpenError),
    /// The data directory cannot be used.
    #[error("the data directory {} cannot be used ({source}): choose another with --data-dir", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another one runs on the same data directory.
    #[error("another `ephemera up` runs on {}: end it first, or choose another --data-dir", path.display())]
    Running {
        /// Which directory.
        path: PathBuf,
    },
    /// The port is taken.
    #[error(
        "{address} is taken: end what listens there, or choose another with --listen (port 0 takes a free one)"
    )]
    PortTaken {
        /// Which address.
        address: SocketAddr,
    },
    /// The address is not this machine's, or may not be listened on.
    #[error(
        "cannot listen on {address} ({source}): choose another with --listen, such as 127.0.0.1:7443"
    )]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A part did not start.
    #[error("the {part} did not start: {message}")]
    Part {
        /// Which.
        part: &'static str,
        /// Why, with causes.
        message: String,
    },
}

/// A running cluster.
pub struct Up {
    governance: Option<Governance>,
    node: Node,
    runtime: Arc<LocalRuntime>,
    server: Server,
    /// Held as long as the data directory is in use.
    _lock: File,
}

impl Up {
    /// Starts the API server, the node agent and, unless it is to be bare, the governance; ready when it returns.
    pub async fn start(config: UpConfig) -> Result<Self, UpError> {
        if !rustix::process::geteuid().is_root() {
            return Err(UpError::NotRoot);
        }
        let lock = take(&config.data_dir)?;
        let runtime = LocalRuntime::open(LocalConfig {
            data_dir: config.data_dir.clone(),
            helper: HelperCommand::this_program(),
            cgroups: Cgroups::Detected,
        });
        let runtime = runtime.await?;
        let server = api_server(&config).await?;
        let node = node(&config, &server, &runtime).await?;
        let governance = if config.bare {
            None
        } else {
            Some(govern(&config, &server).await?)
        };
        Ok(Self {
            governance,
            node,
            runtime,
            server,
            _lock: lock,
        })
    }

    /// Where the API server is.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Ends everything in the opposite order; containers too, unless they are to be kept.
    pub async fn stop(self, keep: bool) -> Result<(), UpError> {
        if let Some(governance) = self.governance {
            governance.stop().await;
        }
        self.node
            .stop(if keep {
                Keep::Containers
            } else {
                Keep::Nothing
            })
            .await;
        self.runtime
            .shutdown(keep)
            .await
            .map_err(|error| part("container runtime", &error))?;
        self.server.stop().await;
        Ok(())
    }
}

async fn api_server(config: &UpConfig) -> Result<Server, UpError> {
    let clock = Arc::clone(&config.clock);
    let server = cluster_server::Config {
        data_dir: config.data_dir.clone(),
        listen: config.listen,
        bare: config.bare,
        clock: cluster_server::clock::Clock::new(move || clock()),
        audit: config.audit.clone(),
    };
    Server::start(server).await.map_err(|error| match error {
        StartError::Listen(TlsError::Bind { address, source })
            if source.kind() == std::io::ErrorKind::AddrInUse =>
        {
            UpError::PortTaken { address }
        }
        StartError::Listen(TlsError::Bind { address, source }) => {
            UpError::Listen { address, source }
        }
        other => part("API server", &other),
    })
}

async fn node(
    config: &UpConfig,
    server: &Server,
    runtime: &Arc<LocalRuntime>,
) -> Result<Node, UpError> {
    let credential = server
        .node_credential(&config.node_name)
        .map_err(|error| part("node agent", &error))?;
    let identity = AuthInfo {
        client_certificate_data: Some(BASE64.encode(&credential.client.certificate)),
        client_key_data: Some(BASE64.encode(&credential.client.key).into()),
        ..AuthInfo::default()
    };
    let access = Access::identity(&server.url(), server.ca_pem(), identity)
        .and_then(|access| access.client());
    let node = NodeConfig {
        name: config.node_name.clone(),
        client: access.map_err(|error| part("node agent", &error))?,
        runtime: Arc::clone(runtime) as _,
        images: Arc::clone(runtime) as _,
        data_dir: config.data_dir.clone(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        certificate: credential.serving.certificate,
        key: credential.serving.key,
        authority: credential.ca_pem,
        clock: Arc::clone(&config.clock),
    };
    Node::start(node)
        .await
        .map_err(|error| part("node agent", &error))
}

async fn govern(config: &UpConfig, server: &Server) -> Result<Governance, UpError> {
    let governance = GovernanceConfig::beside(
        &server.url(),
        server.ca_pem(),
        server.admin_token(),
        &config.data_dir,
        Arc::clone(&config.clock),
    );
    Governance::start(governance)
        .await
        .map_err(|error| part("governance", &error))
}

/// Each cause said once.
fn part(part: &'static str, error: &dyn std::error::Error) -> UpError {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    UpError::Part { part, message }
}

/// One `up` for one data directory. The lock goes with the process, whatever ends it.
fn take(data_dir: &Path) -> Result<File, UpError> {
    let unusable = |source| UpError::DataDir {
        path: data_dir.to_owned(),
        source,
    };
    std::fs::create_dir_all(data_dir).map_err(unusable)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data_dir.join("lock"))
        .map_err(unusable)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(UpError::Running {
            path: data_dir.to_owned(),
        }),
        Err(errno) => Err(unusable(errno.into())),
    }
}
