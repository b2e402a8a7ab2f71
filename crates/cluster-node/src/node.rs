//! Starting and stopping a node.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster_sandbox::runtime::{Images, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Clock;
use crate::client::brief;
use crate::dispatch::Dispatcher;
use crate::events::Recorder;
use crate::objects::Objects;
use crate::pod::fields::NodeFacts;
use crate::register;
use crate::serve::{Endpoint, TlsError, server_config};
use crate::shared::Shared;

/// What a node is started with.
pub struct NodeConfig {
    /// Name of the Node object.
    pub name: String,
    /// To the API server, with the node's credential (`system:node:<name>` in `system:nodes`).
    pub client: kube::Client,
    /// Runs containers.
    pub runtime: Arc<dyn Runtime>,
    /// Knows images.
    pub images: Arc<dyn Images>,
    /// Where volumes and logs of Pods are kept.
    pub data_dir: PathBuf,
    /// Where the node's HTTPS endpoint listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serving certificate (PEM) for the address of `listen`.
    pub certificate: String,
    /// Its key (PEM).
    pub key: String,
    /// The cluster's authority (PEM); only clients that it vouches for, and that bear the API server's name
    /// ([`crate::serve::API_SERVER_NAME`]), are served.
    pub authority: String,
    /// The time.
    pub clock: Clock,
}

/// Why a node did not start. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The certificates cannot be used.
    #[error("the node's certificates cannot be used")]
    Tls(#[from] TlsError),
    /// The endpoint's address is not free.
    #[error("the node cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The data directory cannot be named.
    #[error("the data directory {path} cannot be used")]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The API server does not take the node.
    #[error("the API server does not take the node: {}", brief(.0))]
    Register(Box<kube::Error>),
}

/// How long what is under way for a Pod may take to end when the node stops.
const LAST_STEPS: Duration = Duration::from_secs(10);

/// A running node.
pub struct Node {
    shared: Arc<Shared>,
    port: u16,
    stop: CancellationToken,
    loops: TaskTracker,
    pods: TaskTracker,
}

impl Node {
    /// Registers the node, serves its endpoint, and runs the Pods that are bound to it.
    pub async fn start(mut config: NodeConfig) -> Result<Self, StartError> {
        // Containers mount what is in it: a relative path would mean another place there.
        let absolute = std::path::absolute(&config.data_dir);
        config.data_dir = absolute.map_err(|source| StartError::DataDir {
            path: config.data_dir.clone(),
            source,
        })?;
        for name in ["kubelet", "logs"] {
            let path = config.data_dir.join(name);
            private_folder(&path).map_err(|source| StartError::DataDir { path, source })?;
        }
        let tls = server_config(&config.certificate, &config.key, &config.authority)?;
        let listen = |source| StartError::Listen {
            address: config.listen,
            source,
        };
        let endpoint = Endpoint::bind(config.listen, tls).await.map_err(listen)?;
        let port = endpoint.port().map_err(listen)?;
        let shared = Arc::new(shared(&config));
        register::register(&shared, port)
            .await
            .map_err(|error| StartError::Register(Box::new(error)))?;
        let (stop, loops, pods) = (
            CancellationToken::new(),
            TaskTracker::new(),
            TaskTracker::new(),
        );
        let node = Self {
            shared: shared.clone(),
            port,
            stop,
            loops,
            pods,
        };
        node.until_stopped(endpoint.run(shared.clone(), node.stop.clone()));
        node.until_stopped(register::keep_alive(shared.clone(), port));
        node.until_stopped(Dispatcher::new(shared, node.pods.clone()).run());
        Ok(node)
    }

    fn until_stopped(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.loops.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// The port of the node's HTTPS endpoint.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the agent. Containers go on unless `keep` is [`Keep::Nothing`]; their Pods stay in the API either
    /// way, and the next start finds what is there.
    pub async fn stop(self, keep: Keep) {
        self.stop.cancel();
        self.loops.close();
        self.loops.wait().await;
        // Without the dispatcher each worker ends at its next turn.
        self.pods.close();
        if tokio::time::timeout(LAST_STEPS, self.pods.wait())
            .await
            .is_err()
        {
            tracing::warn!("a Pod's last step was cut off");
        }
        if keep == Keep::Nothing {
            self.stop_sandboxes().await;
        }
    }

    async fn stop_sandboxes(&self) {
        let sandboxes = match self.shared.runtime.sandboxes().await {
            Ok(sandboxes) => sandboxes,
            Err(error) => return tracing::warn!(%error, "the runtime does not list its sandboxes"),
        };
        let stops = sandboxes
            .into_iter()
            .filter(|sandbox| sandbox.ready)
            .map(|sandbox| {
                let runtime = self.shared.runtime.clone();
                async move { (runtime.stop_sandbox(&sandbox.id).await, sandbox.id) }
            });
        for (stopped, sandbox) in futures::future::join_all(stops).await {
            if let Err(error) = stopped {
                tracing::warn!(sandbox, %error, "a sandbox was not stopped");
            }
        }
        // What is mounted for Pods would outlive this process; the next start mounts it again.
        let pods = self.shared.pods_directory();
        let unmounted =
            tokio::task::spawn_blocking(move || crate::volumes::directory::unmount_all(&pods))
                .await;
        if let Ok(Err(error)) = unmounted {
            tracing::warn!(%error, "a volume was not unmounted");
        }
    }
}

/// Secrets and logs are below: nobody but root may enter, whatever the modes of the files are for the containers' users.
fn private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

/// What of a node stays when its agent stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Containers run on.
    Containers,
    /// Nothing runs any more.
    Nothing,
}

fn shared(config: &NodeConfig) -> Shared {
    let (cpu, memory, bytes) = register::capacity();
    let version = config.runtime.version();
    let scheme = version.split("://").next().unwrap_or_default().to_owned();
    Shared {
        client: config.client.clone(),
        runtime: config.runtime.clone(),
        images: config.images.clone(),
        objects: Objects::new(config.client.clone()),
        events: Recorder::start(
            config.client.clone(),
            config.name.clone(),
            config.clock.clone(),
        ),
        facts: NodeFacts {
            name: config.name.clone(),
            host_ip: config.listen.ip().to_string(),
            cpu,
            memory,
        },
        memory: bytes,
        scheme,
        data_dir: config.data_dir.clone(),
        clock: config.clock.clone(),
        views: Mutex::default(),
        listeners: Mutex::default(),
    }
}
