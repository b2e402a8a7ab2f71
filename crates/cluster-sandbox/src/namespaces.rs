//! A Pod's namespaces, held open by bind mounts of `/proc/<thread>/ns/*`: no process is needed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns, unshare};
use rustix::mount::mount_bind;

use crate::overlay::unmount_all;

/// The kinds that a sandbox may hold.
const KINDS: [&str; 3] = ["net", "ipc", "uts"];

/// Which namespaces to make.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) net: bool,
    pub(crate) ipc: bool,
    /// The host name of a UTS namespace; `None` makes none.
    pub(crate) hostname: Option<String>,
    pub(crate) sysctls: Vec<(String, String)>,
}

/// Runs `work` on a thread of its own, whose namespaces nobody else sees changed.
pub(crate) fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let thread = std::thread::Builder::new()
        .name("namespaces".to_owned())
        .spawn(work)?;
    thread
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the namespace thread panicked")))
}

/// Makes the namespaces and holds them at `<folder>/net`, `ipc` and `uts`; on failure none is left.
pub(crate) fn make(folder: &Path, wanted: Wanted) -> io::Result<()> {
    let own = folder.to_owned();
    let made = on_a_thread(move || make_here(&own, &wanted));
    if made.is_err() {
        let _ = release(folder);
    }
    made
}

fn make_here(folder: &Path, wanted: &Wanted) -> io::Result<()> {
    let mut flags = CloneFlags::empty();
    flags.set(CloneFlags::CLONE_NEWNET, wanted.net);
    flags.set(CloneFlags::CLONE_NEWIPC, wanted.ipc);
    flags.set(CloneFlags::CLONE_NEWUTS, wanted.hostname.is_some());
    unshare(flags)?;
    if let Some(hostname) = &wanted.hostname {
        rustix::system::sethostname(hostname.as_bytes())?;
    }
    let chosen = [wanted.net, wanted.ipc, wanted.hostname.is_some()];
    for (kind, _) in KINDS.iter().zip(chosen).filter(|(_, chosen)| *chosen) {
        hold(folder, kind)?;
    }
    for (name, value) in &wanted.sysctls {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        let file = fs::OpenOptions::new().write(true).open(&path)?;
        rustix::io::write(file, value.as_bytes()).map_err(|errno| {
            io::Error::other(format!("sysctl {name}: {}", io::Error::from(errno)))
        })?;
    }
    Ok(())
}

/// Holds one of the calling thread's namespaces.
pub(crate) fn hold(folder: &Path, kind: &str) -> io::Result<()> {
    let path = folder.join(kind);
    File::create(&path)?;
    Ok(mount_bind(format!("/proc/thread-self/ns/{kind}"), &path)?)
}

/// The file of a namespace that is held.
pub(crate) fn held(folder: &Path, kind: &str) -> Option<PathBuf> {
    const NSFS: i64 = 0x6e73_6673;
    let path = folder.join(kind);
    let kind = rustix::fs::statfs(&path).ok()?.f_type;
    (kind == NSFS).then_some(path)
}

/// Lets all namespaces of a folder go. Idempotent.
pub(crate) fn release(folder: &Path) -> io::Result<()> {
    for kind in KINDS {
        unmount_all(&folder.join(kind))?;
        crate::durable::remove_file(&folder.join(kind))?;
    }
    Ok(())
}

/// Enters a network namespace with the calling thread.
pub(crate) fn enter_network(path: &Path) -> io::Result<()> {
    Ok(setns(File::open(path)?, CloneFlags::CLONE_NEWNET)?)
}
