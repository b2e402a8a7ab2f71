//! The files of an archive, put aside under numbers: the archive's own names are never used as paths.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::super::layer;
use super::ArchiveError;

/// Files of an archive by name.
pub(super) type Files = BTreeMap<String, PathBuf>;

/// Most bytes of all files together.
const TOTAL: u64 = 16 << 30;
/// Most files.
const FILES: usize = 10_000;

/// Copies every file of the archive into `staging`.
pub(super) fn put_aside(path: &Path, staging: &Path) -> Result<Files, ArchiveError> {
    let mut archive = tar::Archive::new(layer::open(path).map_err(ArchiveError::Outer)?);
    let (mut files, mut links, mut total) = (Files::new(), Vec::new(), 0);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some(name) = plain_name(&entry.path()?) else {
            continue;
        };
        match entry.header().entry_type() {
            tar::EntryType::Regular => {}
            tar::EntryType::Symlink | tar::EntryType::Link => {
                let target = entry.link_name()?.unwrap_or_default().into_owned();
                links.push((name, target));
                continue;
            }
            _ => continue,
        }
        total += entry.size();
        if total > TOTAL || files.len() >= FILES {
            return Err(ArchiveError::TooBig("the 16 GiB or 10,000 files allowed"));
        }
        let aside = staging.join(format!("file-{}", files.len()));
        io::copy(&mut entry, &mut File::create(&aside)?)?;
        files.insert(name, aside);
    }
    // Older `docker save` archives name a layer that is there already by a link.
    for (name, target) in links {
        let beside = Path::new(&name)
            .parent()
            .unwrap_or(Path::new(""))
            .join(&target);
        if let Some(found) = resolved(&beside).and_then(|target| files.get(&target).cloned()) {
            files.insert(name, found);
        }
    }
    Ok(files)
}

fn plain_name(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    parts.map(|parts| parts.join("/"))
}

fn resolved(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(parts.join("/"))
}
