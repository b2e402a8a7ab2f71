//! Opening a runtime: the sealed helper, what this process may do, and everything from before.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use tokio::sync::{broadcast, watch};

use super::record::{ContainerRecord, SandboxRecord};
use super::{
    Cgroups, Container, Held, Inner, LocalConfig, LocalRuntime, Sandbox, client, create, guard,
    life, sandbox,
};
use crate::cgroups::Hierarchies;
use crate::durable;
use crate::images::{ImageError, ImageStore};
use crate::namespaces;
use crate::protocol::{ProcessMark, Reply, Request, file};
use crate::runtime::{ContainerState, Exit};

/// What keeps a runtime from being opened, each with what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not root.
    #[error("containers need root: run it with sudo")]
    NotRoot,
    /// No overlayfs.
    #[error("this kernel has no overlayfs: load it with `modprobe overlay`")]
    NoOverlay,
    /// Another runtime.
    #[error("{0} is in use by another process: stop it, or choose another data dir")]
    InUse(PathBuf),
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The images.
    #[error(transparent)]
    Images(#[from] ImageError),
    /// The helper program.
    #[error("the helper program cannot be sealed in memory: {0}")]
    Helper(io::Error),
}

impl LocalRuntime {
    /// Opens the runtime in a data dir and takes over what runs there. Must be called in a tokio runtime.
    pub async fn open(config: LocalConfig) -> Result<Arc<Self>, OpenError> {
        if !rustix::process::geteuid().is_root() {
            return Err(OpenError::NotRoot);
        }
        if !has_overlay() {
            return Err(OpenError::NoOverlay);
        }
        let folder = config.data_dir.join("pods/.run");
        let made = durable::private_folder(&config.data_dir.join("pods")).and_then(|()| {
            ["sandboxes", "containers", "cluster"]
                .iter()
                .try_for_each(|name| fs::create_dir_all(folder.join(name)))
        });
        made.map_err(|source| OpenError::File {
            path: folder.clone(),
            source,
        })?;
        let folder = folder.canonicalize().map_err(|source| OpenError::File {
            path: folder,
            source,
        })?;
        let (events, _) = broadcast::channel(1024);
        let inner = Arc::new(Inner {
            images: ImageStore::open(&config.data_dir.join("images"))?,
            hierarchies: match config.cgroups {
                Cgroups::Detected => Hierarchies::detect(),
                Cgroups::Off => Hierarchies::None,
            },
            helper: seal(&config.helper.executable).map_err(OpenError::Helper)?,
            events,
            held: held(),
            filters: Mutex::new(HashMap::new()),
            sandboxes: Mutex::new(BTreeMap::new()),
            containers: Mutex::new(BTreeMap::new()),
            making: tokio::sync::Mutex::new(()),
            _lock: lock(&folder)?,
            folder,
        });
        let halves = recover(&inner);
        for id in halves {
            // Stopped or half made when the last runtime went: what is left of it goes now, or at the next removal.
            let _ = sandbox::stop(&inner, &id).await;
        }
        Ok(Arc::new(Self { inner }))
    }
}

fn has_overlay() -> bool {
    let listed = || {
        fs::read_to_string("/proc/filesystems")
            .is_ok_and(|text| text.lines().any(|line| line.ends_with("\toverlay")))
    };
    listed()
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let lock = File::create(&path).map_err(|source| OpenError::File {
        path: path.clone(),
        source,
    })?;
    lock.try_lock()
        .map_err(|_| OpenError::InUse(folder.to_owned()))?;
    Ok(lock)
}

/// A copy of the program that nobody can write any more, whatever a container does with `/proc/self/exe`.
fn seal(executable: &Path) -> io::Result<OwnedFd> {
    let mut program = File::open(executable)?;
    let copy = File::from(memfd_create(
        "container-helper",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?);
    io::copy(&mut program, &mut &copy)?;
    rustix::fs::fchmod(&copy, rustix::fs::Mode::from_raw_mode(0o555))?;
    fcntl_add_seals(
        &copy,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    Ok(copy.into())
}

fn held() -> Held {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default();
        u64::from_str_radix(line.trim(), 16).unwrap_or(0)
    };
    let capabilities = set("CapPrm:") & set("CapBnd:");
    let may_lower =
        crate::capabilities::bit("SYS_RESOURCE").is_some_and(|bit| capabilities & bit != 0);
    let own = fs::read_to_string("/proc/self/oom_score_adj")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    Held {
        capabilities,
        oom_score_floor: if may_lower { -1000 } else { own },
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Reads the records; returns the sandboxes that are not whole.
fn recover(inner: &Arc<Inner>) -> Vec<String> {
    let mut halves = Vec::new();
    for folder in folders(&inner.folder.join("sandboxes")) {
        match durable::read_json::<SandboxRecord>(&folder.join(file::RECORD)) {
            Ok(Some(record)) => {
                let pins = folder.join("ns");
                let whole = !record.stopped
                    && (record.config.host_network || namespaces::held(&pins, "net").is_some())
                    && (record.config.host_ipc || namespaces::held(&pins, "ipc").is_some());
                if !whole {
                    halves.push(record.id.clone());
                }
                guard(&inner.sandboxes).insert(
                    record.id.clone(),
                    Sandbox {
                        record,
                        ready: whole,
                    },
                );
            }
            _ => {
                let _ = namespaces::release(&folder.join("ns"))
                    .and_then(|()| durable::remove_tree(&folder));
            }
        }
    }
    for folder in folders(&inner.folder.join("containers")) {
        match durable::read_json::<ContainerRecord>(&folder.join(file::RECORD)) {
            Ok(Some(record)) => recover_container(inner, &folder, record),
            // It was being made, and nobody was told its name.
            _ => drop(create::clear(&folder)),
        }
    }
    halves
}

/// Nothing runs twice: a container whose start was begun is running, ended or lost, but never to be started again.
fn recover_container(inner: &Arc<Inner>, folder: &Path, record: ContainerRecord) {
    let id = name(folder);
    let (state, _) = watch::channel(ContainerState::Created);
    guard(&inner.containers).insert(
        id.clone(),
        Container {
            record,
            state,
            started: None,
            helper: None,
        },
    );
    let exit = durable::read_json::<Exit>(&folder.join(file::EXIT))
        .ok()
        .flatten();
    if let Some(exit) = exit {
        return inner.set_state(&id, &ContainerState::Exited(exit));
    }
    if !folder.join(file::STARTING).exists() {
        return;
    }
    let mut helper = None;
    match reach_helper(folder) {
        Helper::Answers(answer, process) => {
            helper = process;
            if let Reply::Started(started) = answer.reply
                && let Ok((replies, _)) = client::converse(answer.socket, answer.rest)
            {
                if let Some(container) = guard(&inner.containers).get_mut(&id) {
                    container.helper = helper;
                }
                life::runs(inner, &id, started);
                tokio::spawn(life::watch(Arc::downgrade(inner), id, replies));
                return;
            }
        }
        Helper::Hangs(process) => {
            tracing::warn!(container = id, "its helper does not answer and is ended");
            helper = process;
        }
        Helper::Gone => {}
    }
    let state =
        life::settle(folder, helper).map_or(ContainerState::Unknown, ContainerState::Exited);
    inner.set_state(&id, &state);
}

/// What became of a container's helper.
enum Helper {
    Answers(client::Answer, Option<ProcessMark>),
    /// It is there and says nothing; its process, if that can be known.
    Hangs(Option<ProcessMark>),
    Gone,
}

/// How long a helper may take for its first answer. Nothing else starts meanwhile.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// Asks the helper, as long as there is one: whoever holds the lock is it, and it may still be on its way.
fn reach_helper(folder: &Path) -> Helper {
    for _ in 0..2000 {
        if let Ok(socket) = client::connect(folder) {
            let process = client::helper(&socket);
            let patient = socket.set_read_timeout(Some(FIRST_ANSWER));
            match patient.and_then(|()| client::ask_on(socket, &Request::Watch, &[])) {
                Ok(answer) => return Helper::Answers(answer, process),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Helper::Hangs(process);
                }
                Err(_) => {}
            }
        }
        let lock = File::options()
            .create(true)
            .append(true)
            .open(folder.join(file::LOCK));
        let Ok(lock) = lock else { return Helper::Gone };
        if lock.try_lock().is_ok() {
            return Helper::Gone;
        }
        let pause = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 5_000_000,
        };
        let _ = rustix::event::poll(&mut [], Some(&pause));
    }
    Helper::Hangs(None)
}
