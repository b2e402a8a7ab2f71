//! Directories: `emptyDir` on disk and in memory, `hostPath` and its types, and taking them away again.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::unix::fs::{FileTypeExt, PermissionsExt as _};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, HostPathVolumeSource};
use rustix::mount::{MountFlags, UnmountFlags};

use super::VolumeFault;
use crate::pod::quantity::value;

/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS: i64 = 0x0102_1994;

/// A directory that only the node's root can enter from outside.
pub fn make(path: &Path) -> Result<(), VolumeFault> {
    std::fs::create_dir_all(path).map_err(VolumeFault::files(format!(
        "failed to make {}",
        path.display()
    )))
}

/// A directory in memory; one that is there already is left as it is.
pub fn in_memory(path: &Path, size: Option<i64>, mode: &str) -> Result<(), VolumeFault> {
    make(path)?;
    let step = || format!("failed to mount a tmpfs on {}", path.display());
    let here =
        rustix::fs::statfs(path).map_err(|error| VolumeFault::files(step())(error.into()))?;
    let is_root = is_mount_point(path).map_err(VolumeFault::files(step()))?;
    if is_root && here.f_type == TMPFS {
        return Ok(());
    }
    let size = size
        .map(|bytes| format!(",size={bytes}"))
        .unwrap_or_default();
    let options = CString::new(format!("mode={mode}{size}")).unwrap_or_default();
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("tmpfs", path, "tmpfs", flags, Some(options.as_c_str()))
        .map_err(|error| VolumeFault::files(step())(error.into()))
}

fn is_mount_point(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let parent = path.parent().unwrap_or(path);
    Ok(std::fs::metadata(path)?.dev() != std::fs::metadata(parent)?.dev())
}

/// An `emptyDir`: writable for everybody in the Pod; with a group it belongs to that.
pub fn empty(
    path: &Path,
    source: &EmptyDirVolumeSource,
    group: Option<u32>,
) -> Result<PathBuf, VolumeFault> {
    let is_new = !path.exists();
    match source.medium.as_deref().unwrap_or_default() {
        "" => make(path)?,
        "Memory" => in_memory(path, source.size_limit.as_ref().and_then(value), "0777")?,
        other => {
            return Err(VolumeFault::Content(format!(
                "emptyDir medium {other:?} is not available on this node"
            )));
        }
    }
    if is_new {
        let step = || format!("failed to hand over {}", path.display());
        if group.is_some() {
            std::os::unix::fs::chown(path, None, group).map_err(VolumeFault::files(step()))?;
        }
        let mode = if group.is_some() { 0o2777 } else { 0o777 };
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).map_err(VolumeFault::files(step()))?;
    }
    Ok(path.to_owned())
}

/// A `hostPath`, checked against its type.
pub fn host_path(source: &HostPathVolumeSource) -> Result<PathBuf, VolumeFault> {
    let path = PathBuf::from(&source.path);
    let kind = source.type_.as_deref().unwrap_or_default();
    let step = || format!("failed to make {}", path.display());
    if !path.exists() {
        match kind {
            "DirectoryOrCreate" => {
                std::fs::create_dir_all(&path).map_err(VolumeFault::files(step()))?;
            }
            "FileOrCreate" => {
                std::fs::File::create_new(&path).map_err(VolumeFault::files(step()))?;
            }
            _ => {}
        }
    }
    let found = std::fs::metadata(&path).ok();
    let is = |test: fn(&std::fs::FileType) -> bool| {
        found.as_ref().is_some_and(|meta| test(&meta.file_type()))
    };
    let (holds, noun) = match kind {
        "" => (true, ""),
        "Directory" | "DirectoryOrCreate" => (is(std::fs::FileType::is_dir), "a directory"),
        "File" | "FileOrCreate" => (is(std::fs::FileType::is_file), "a file"),
        "Socket" => (is(FileTypeExt::is_socket), "a socket file"),
        "CharDevice" => (is(FileTypeExt::is_char_device), "a character device"),
        "BlockDevice" => (is(FileTypeExt::is_block_device), "a block device"),
        other => {
            return Err(VolumeFault::Content(format!(
                "{other:?} is an invalid volume type"
            )));
        }
    };
    if holds {
        return Ok(path);
    }
    Err(VolumeFault::Content(format!(
        "hostPath type check failed: {} is not {noun}",
        path.display()
    )))
}

/// Unmounts the volumes of one Pod.
fn unmount(directory: &Path) -> std::io::Result<()> {
    for kind in entries(&directory.join("volumes"))? {
        for volume in entries(&kind)? {
            if is_mount_point(&volume)? {
                rustix::mount::unmount(&volume, UnmountFlags::DETACH)?;
            }
        }
    }
    Ok(())
}

/// Unmounts the volumes of all Pods below `pods`.
pub fn unmount_all(pods: &Path) -> std::io::Result<()> {
    entries(pods)?
        .iter()
        .try_for_each(|directory| unmount(directory))
}

/// Takes away the directories below `pods` that are not of a Pod in `known`.
pub fn remove_others(pods: &Path, known: &BTreeSet<String>) -> std::io::Result<()> {
    let is_known = |path: &Path| {
        path.file_name()
            .is_some_and(|name| known.contains(&*name.to_string_lossy()))
    };
    entries(pods)?
        .iter()
        .filter(|path| !is_known(path))
        .try_for_each(|path| remove(path))
}

/// Takes a Pod's directory away, what is mounted below it first. What is not there is gone already.
pub fn remove(directory: &Path) -> std::io::Result<()> {
    unmount(directory)?;
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn entries(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
