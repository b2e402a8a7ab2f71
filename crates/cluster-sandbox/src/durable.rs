//! Small files that must be whole after a crash.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Replaces `path` with `bytes`.
///
/// A crash leaves the old file or the new one, and perhaps a `.new` beside it that the next write replaces.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, bytes, Sync::Flushed)
}

/// Whether a file outlives a power cut, or only the process that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// On the disk when the call returns.
    Flushed,
    /// Atomic towards other processes; a power cut may lose it, and what it describes with it.
    Process,
}

pub(crate) fn write_with(path: &Path, bytes: &[u8], sync: Sync) -> io::Result<()> {
    let mut name = path.file_name().map(ToOwned::to_owned).unwrap_or_default();
    name.push(".new");
    let staged = path.with_file_name(name);
    let mut file = File::create(&staged)?;
    file.write_all(bytes)?;
    if sync == Sync::Flushed {
        file.sync_all()?;
    }
    drop(file);
    fs::rename(&staged, path)?;
    if sync == Sync::Flushed {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// As [`write_with`], with `value` as JSON.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T, sync: Sync) -> io::Result<()> {
    write_with(path, &serde_json::to_vec(value)?, sync)
}

/// The value in a JSON file; `None` if there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a folder, and those above it, that only its owner can enter; one that is there is closed to others.
///
/// Below it lie what people who are no more than users of this machine must not reach: Secrets as files, programs of
/// images that are set-uid root, logs.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// Removes a file that may be gone already.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a tree that may be gone already.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
