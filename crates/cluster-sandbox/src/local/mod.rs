//! The runtime of one machine: [`Runtime`] and [`Images`] over helpers, namespaces and folders.
//!
//! Everything that must be known after a crash is in files under `<data dir>/pods/.run`; what runs is
//! held by the helpers. A runtime that is opened again finds both.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};

use crate::cgroups::Hierarchies;
use crate::images::{ImageError, ImageStore};
use crate::protocol::{ProcessMark, Started};
use crate::runtime::{
    ContainerConfig, ContainerEvent, ContainerId, ContainerState, ContainerStatus, ImageStatus,
    Images, Runtime, RuntimeError, SandboxConfig, SandboxStatus, StreamOptions, Streams,
};

mod client;
mod create;
mod life;
mod open;
mod record;
mod sandbox;
mod streams;
mod terminal;

pub use open::OpenError;

use record::{ContainerRecord, SandboxRecord};

/// Which cgroups are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroups {
    /// What the node has.
    Detected,
    /// None: no limits.
    Off,
}

/// The program that becomes a container's helper: its `main` calls [`crate::helper_main`] before anything
/// else if its name is [`crate::HELPER_ARG0`].
#[derive(Debug, Clone)]
pub struct HelperCommand {
    executable: PathBuf,
}

impl HelperCommand {
    /// This very program.
    pub fn this_program() -> Self {
        Self {
            executable: PathBuf::from("/proc/self/exe"),
        }
    }

    /// Another program.
    pub fn program(executable: PathBuf) -> Self {
        Self { executable }
    }
}

/// What a runtime is opened with.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// `images/` and `pods/` are in it.
    pub data_dir: PathBuf,
    /// The helper program.
    pub helper: HelperCommand,
    /// Cgroups.
    pub cgroups: Cgroups,
}

/// Pods and containers of this machine.
pub struct LocalRuntime {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    images: ImageStore,
    hierarchies: Hierarchies,
    /// The helper program, sealed: no container can change what later helpers execute.
    helper: OwnedFd,
    events: broadcast::Sender<ContainerEvent>,
    held: Held,
    filters: Mutex<HashMap<u64, Vec<String>>>,
    sandboxes: Mutex<BTreeMap<String, Sandbox>>,
    containers: Mutex<BTreeMap<ContainerId, Container>>,
    /// One sandbox of a Pod, ever.
    making: tokio::sync::Mutex<()>,
    _lock: File,
}

/// What this process may hand on.
#[derive(Debug, Clone, Copy)]
struct Held {
    capabilities: u64,
    /// The lowest OOM score adjustment that may be set.
    oom_score_floor: i32,
}

struct Sandbox {
    record: SandboxRecord,
    ready: bool,
}

struct Container {
    record: ContainerRecord,
    state: watch::Sender<ContainerState>,
    started: Option<Started>,
    helper: Option<ProcessMark>,
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed<E: std::fmt::Display>(step: &'static str) -> impl FnOnce(E) -> RuntimeError {
    move |error| RuntimeError::Failed {
        step,
        message: error.to_string(),
    }
}

/// Runs what blocks beside the reactor.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(failed("run a step")(error)))
}

impl Inner {
    fn container_folder(&self, id: &str) -> PathBuf {
        self.folder.join("containers").join(id)
    }

    fn sandbox_folder(&self, id: &str) -> PathBuf {
        self.folder.join("sandboxes").join(id)
    }

    fn cluster_folder(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    fn state(&self, id: &str) -> Result<watch::Receiver<ContainerState>, RuntimeError> {
        let containers = guard(&self.containers);
        let container = containers
            .get(id)
            .ok_or_else(|| RuntimeError::NotFound(format!("container {id}")))?;
        Ok(container.state.subscribe())
    }

    /// Takes a new state of a container over and tells it.
    fn set_state(&self, id: &str, state: &ContainerState) {
        let containers = guard(&self.containers);
        let Some(container) = containers.get(id) else {
            return;
        };
        container.state.send_replace(state.clone());
        let event = ContainerEvent {
            sandbox: container.record.sandbox.clone(),
            container: id.to_owned(),
            state: state.clone(),
        };
        if !container.record.is_pause {
            // Nobody may be listening.
            let _ = self.events.send(event);
        }
    }

    fn cgroup_parents(&self) -> BTreeSet<PathBuf> {
        let sandboxes = guard(&self.sandboxes);
        let groups = sandboxes
            .values()
            .filter_map(|sandbox| sandbox.record.config.cgroup_parent.as_deref());
        groups
            .flat_map(|group| group.match_indices('/').map(|(at, _)| &group[..at]))
            .flat_map(|above| self.hierarchies.folders(above))
            .collect()
    }

    fn addresses(&self) -> BTreeSet<std::net::IpAddr> {
        guard(&self.sandboxes)
            .values()
            .filter(|sandbox| !sandbox.record.stopped)
            .filter_map(|sandbox| sandbox.record.ip)
            .collect()
    }
}

fn container_status(id: &str, container: &Container) -> ContainerStatus {
    let state = container.state.borrow().clone();
    let running = matches!(state, ContainerState::Running { .. });
    ContainerStatus {
        id: id.to_owned(),
        sandbox: container.record.sandbox.clone(),
        config: container.record.config.clone(),
        image_ref: container.record.image_ref.clone(),
        image_id: container.record.image_id.clone(),
        pid: container
            .started
            .filter(|_| running)
            .map(|started| started.process.pid),
        created_at: container.record.created_at,
        state,
    }
}

impl LocalRuntime {
    /// The images of this runtime, also usable without one.
    pub fn image_store(&self) -> &ImageStore {
        &self.inner.images
    }

    /// What this node cannot do for containers, in words for its owner; empty is nothing.
    pub fn reductions(&self) -> Vec<String> {
        let mut reductions: Vec<String> = self.inner.hierarchies.reduction().into_iter().collect();
        let missing = crate::capabilities::all() & !self.inner.held.capabilities;
        if missing != 0 {
            let names = crate::capabilities::names(missing).join(", ");
            reductions.push(format!(
                "this process lacks the capabilities {names}: containers cannot be given them"
            ));
        }
        reductions
    }

    /// Opens a TCP connection from inside a Pod's network, as a kubelet's HTTP and TCP probes need.
    pub async fn dial(
        &self,
        sandbox: &str,
        address: std::net::SocketAddr,
        limit: Duration,
    ) -> io::Result<tokio::net::TcpStream> {
        let namespace =
            crate::namespaces::held(&self.inner.sandbox_folder(sandbox).join("ns"), "net");
        let dialed = tokio::task::spawn_blocking(move || match namespace {
            Some(namespace) => crate::network::dial(&namespace, address, limit),
            None => std::net::TcpStream::connect_timeout(&address, limit),
        });
        let stream = dialed.await.map_err(io::Error::other)??;
        stream.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(stream)
    }

    /// Ends the work of this runtime. With `keep` everything that runs goes on without it; otherwise all
    /// Pods end and nothing is left but images.
    pub async fn shutdown(&self, keep: bool) -> Result<(), RuntimeError> {
        if keep {
            return Ok(());
        }
        let sandboxes: Vec<String> = guard(&self.inner.sandboxes).keys().cloned().collect();
        let parents = self.inner.cgroup_parents();
        let ends = sandboxes.iter().map(|id| self.remove_sandbox(id));
        futures::future::join_all(ends)
            .await
            .into_iter()
            .collect::<Result<Vec<()>, _>>()?;
        let cluster = self.inner.cluster_folder();
        blocking(move || {
            // The cgroups above the Pods' own, the deepest first: only empty ones can be removed.
            for parent in parents.iter().rev() {
                let _ = std::fs::remove_dir(parent);
            }
            crate::namespaces::release(&cluster).map_err(failed("release the cluster's network"))
        })
        .await
    }
}

#[async_trait]
impl Runtime for LocalRuntime {
    fn version(&self) -> String {
        concat!("libcontainer://0.7.0+", env!("CARGO_PKG_VERSION")).to_owned()
    }

    async fn run_sandbox(&self, config: SandboxConfig) -> Result<SandboxStatus, RuntimeError> {
        sandbox::run(&self.inner, config).await
    }

    async fn stop_sandbox(&self, id: &str) -> Result<(), RuntimeError> {
        sandbox::stop(&self.inner, id).await
    }

    async fn remove_sandbox(&self, id: &str) -> Result<(), RuntimeError> {
        sandbox::remove(&self.inner, id).await
    }

    async fn sandboxes(&self) -> Result<Vec<SandboxStatus>, RuntimeError> {
        Ok(guard(&self.inner.sandboxes)
            .values()
            .map(Sandbox::status)
            .collect())
    }

    async fn create_container(
        &self,
        sandbox: &str,
        config: ContainerConfig,
    ) -> Result<ContainerId, RuntimeError> {
        create::create(&self.inner, sandbox, config).await
    }

    async fn start_container(&self, id: &str) -> Result<(), RuntimeError> {
        life::start(&self.inner, id).await
    }

    async fn stop_container(&self, id: &str, grace: Duration) -> Result<(), RuntimeError> {
        life::stop(&self.inner, id, grace).await
    }

    async fn remove_container(&self, id: &str) -> Result<(), RuntimeError> {
        life::remove(&self.inner, id).await
    }

    async fn containers(&self) -> Result<Vec<ContainerStatus>, RuntimeError> {
        let containers = guard(&self.inner.containers);
        let shown = containers
            .iter()
            .filter(|(_, container)| !container.record.is_pause);
        Ok(shown
            .map(|(id, container)| container_status(id, container))
            .collect())
    }

    async fn container(&self, id: &str) -> Result<ContainerStatus, RuntimeError> {
        let containers = guard(&self.inner.containers);
        let container = containers
            .get(id)
            .ok_or_else(|| RuntimeError::NotFound(format!("container {id}")))?;
        Ok(container_status(id, container))
    }

    fn events(&self) -> broadcast::Receiver<ContainerEvent> {
        self.inner.events.subscribe()
    }

    async fn exec(
        &self,
        id: &str,
        command: Vec<String>,
        options: StreamOptions,
    ) -> Result<Streams, RuntimeError> {
        streams::exec(&self.inner, id, command, options).await
    }

    async fn attach(&self, id: &str, options: StreamOptions) -> Result<Streams, RuntimeError> {
        streams::attach(&self.inner, id, options).await
    }
}

fn image_error(error: ImageError) -> RuntimeError {
    match error {
        ImageError::NotFound(name) => RuntimeError::NotFound(format!("image {name}")),
        other => failed("read the images")(other),
    }
}

#[async_trait]
impl Images for LocalRuntime {
    async fn status(&self, reference: &str) -> Result<Option<ImageStatus>, RuntimeError> {
        let (images, reference) = (self.inner.images.clone(), reference.to_owned());
        blocking(move || images.status(&reference).map_err(image_error)).await
    }

    async fn list(&self) -> Result<Vec<ImageStatus>, RuntimeError> {
        let images = self.inner.images.clone();
        blocking(move || images.list().map_err(image_error)).await
    }
}

/// Where a container's folder is, for a path that must not be longer than a socket's name may be.
fn control_path(folder: &Path, hold: &mut Option<OwnedFd>) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd as _;
    let flags =
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let opened = hold.insert(rustix::fs::open(folder, flags, rustix::fs::Mode::empty())?);
    Ok(PathBuf::from(format!(
        "/proc/self/fd/{}/{}",
        opened.as_raw_fd(),
        crate::protocol::file::CONTROL
    )))
}
