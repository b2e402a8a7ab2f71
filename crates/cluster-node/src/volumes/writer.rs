//! Replaces a volume's content all at once (`pkg/volume/util/atomic_writer.go`).
//!
//! The files are in a directory of their own, `..data` is a link to it, and every file that a container
//! sees is a link through `..data`: so one rename changes them all. A crash before the rename leaves a
//! directory that nothing points to, which the next write takes away.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path};

use jiff::Timestamp;

use super::payload::{File, Payload};

const DATA: &str = "..data";

/// Writes `payload` unless it is what is there.
pub fn write(
    volume: &Path,
    payload: &Payload,
    group: Option<u32>,
    now: Timestamp,
) -> io::Result<()> {
    if payload.keys().any(|path| !is_plain(path)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a path leaves the volume",
        ));
    }
    let data = volume.join(DATA);
    if is_current(&data, payload) {
        return Ok(());
    }
    let old = fs::read_link(&data).ok();
    let name = format!("..{}", now.strftime("%Y_%m_%d_%H_%M_%S.%9f"));
    let fresh = volume.join(&name);
    fs::create_dir(&fresh)?;
    for (path, file) in payload {
        write_file(&fresh.join(path), file, group)?;
    }
    let link = volume.join("..data_tmp");
    let _ = fs::remove_file(&link);
    symlink(&name, &link)?;
    fs::rename(&link, &data)?;
    link_tops(volume, payload)?;
    if let Some(old) = old {
        fs::remove_dir_all(volume.join(old))?;
    }
    Ok(())
}

fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with("..")
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

/// Whether each file is there with this content and mode, and none besides.
fn is_current(data: &Path, payload: &Payload) -> bool {
    let same = |(path, file): (&String, &File)| {
        let path = data.join(path);
        fs::read(&path).is_ok_and(|bytes| bytes == file.bytes)
    };
    data.exists()
        && count(data).is_ok_and(|found| found == payload.len())
        && payload.iter().all(same)
}

fn count(directory: &Path) -> io::Result<usize> {
    let mut found = 0;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        found += if path.is_dir() { count(&path)? } else { 1 };
    }
    Ok(found)
}

fn write_file(path: &Path, file: &File, group: Option<u32>) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    out.write_all(&file.bytes)?;
    // Readable for the Pod's group, as a kubelet's SetVolumeOwnership does.
    let mode = if group.is_some() {
        file.mode | 0o440
    } else {
        file.mode
    };
    if group.is_some() {
        std::os::unix::fs::fchown(&out, None, group)?;
    }
    out.set_permissions(fs::Permissions::from_mode(mode))
}

/// A link for each first path element; links of files that are gone go.
fn link_tops(volume: &Path, payload: &Payload) -> io::Result<()> {
    let tops: BTreeSet<&str> = payload
        .keys()
        .filter_map(|path| path.split('/').next())
        .collect();
    for entry in fs::read_dir(volume)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !tops.contains(name.as_ref()) {
            fs::remove_file(volume.join(name.as_ref()))?;
        }
    }
    for top in tops {
        let link = volume.join(top);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(top), link)?;
        }
    }
    Ok(())
}
