//! A container's root file system: the image's layers with a layer of its own on top.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// What kept a root file system from being mounted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OverlayError {
    #[error("prepare {path}: {source}")]
    Prepare { path: PathBuf, source: io::Error },
    #[error(
        "mount the overlay: {0} (is the data dir itself on an overlay, or is overlayfs missing?)"
    )]
    Mount(io::Error),
    #[error("the image has too many layers for one mount")]
    TooManyLayers,
}

/// Mounts `lowers` (topmost first) under a new upper layer at `<folder>/rootfs`.
pub(crate) fn mount_root(folder: &Path, lowers: &[PathBuf]) -> Result<PathBuf, OverlayError> {
    let make = |name: &str| {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(|source| OverlayError::Prepare {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    };
    let (root, upper, work) = (
        make(crate::protocol::file::ROOTFS)?,
        make("upper")?,
        make("work")?,
    );
    let empty;
    let lowers = if lowers.is_empty() {
        empty = [make("empty")?];
        &empty
    } else {
        lowers
    };
    let lowers: Vec<String> = lowers.iter().map(|lower| escaped(lower)).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lowers.join(":"),
        escaped(&upper),
        escaped(&work)
    );
    if options.len() >= 4096 {
        return Err(OverlayError::TooManyLayers);
    }
    let options =
        std::ffi::CString::new(options).map_err(|error| OverlayError::Mount(error.into()))?;
    mount(
        "overlay",
        &root,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )
    .map_err(|errno| OverlayError::Mount(errno.into()))?;
    Ok(root)
}

/// Backslash, comma and colon have a meaning in overlay's options.
fn escaped(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace(':', "\\:")
}

/// Lets go of a mount that may be gone already.
pub(crate) fn unmount_all(target: &Path) -> io::Result<()> {
    loop {
        match unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Opens a path as a process inside `root` would: no link leads out.
pub(crate) fn open_inside(root: &Path, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let folder = openat2(
        CWD,
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::empty(),
    )?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(
        folder,
        path,
        flags | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )?)
}

/// The text of a file inside `root`, at most a MiB; empty if it is not there.
pub(crate) fn read_inside(root: &Path, path: &str) -> String {
    let mut text = String::new();
    if let Ok(file) = open_inside(root, path, OFlags::RDONLY | OFlags::NONBLOCK) {
        let _ = File::from(file).take(1 << 20).read_to_string(&mut text);
    }
    text
}

/// Makes a folder and those above it inside `root`, as runtimes do for a working directory.
pub(crate) fn make_folder_inside(root: &Path, path: &str) -> io::Result<()> {
    let mut made = String::from("/");
    for part in Path::new(path).components() {
        let Component::Normal(name) = part else {
            continue;
        };
        let parent = open_inside(root, &made, OFlags::PATH | OFlags::DIRECTORY)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        made.push_str(&name.to_string_lossy());
        made.push('/');
    }
    Ok(())
}
