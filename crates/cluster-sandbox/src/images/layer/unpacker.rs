//! Writing one entry of a layer, as root, from a stranger: every name is resolved below the layer's own root.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::fs::{
    chownat, fchmod, fchown, fsetxattr, linkat, mkdirat, mknodat, openat, openat2, symlinkat,
    unlinkat, utimensat,
};
use rustix::io::Errno;
use tar::{Entry, EntryType};

use super::{Budget, LayerError};

/// Writes entries below one folder.
pub(super) struct Unpacker {
    pub(super) root: OwnedFd,
    /// Only root can give files away; others unpack to look, and throw it away.
    pub(super) owns: bool,
}

/// A name inside the layer, split from its parent.
struct Place {
    parent: PathBuf,
    name: OsString,
}

/// The plain names of a path; `None` if it leads upwards.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}

/// Whether a symbolic link at `parent` climbs above the root; an absolute one is taken from the container's root.
fn climbs(parent: &Path, link: &Path) -> bool {
    let mut depth = if link.is_absolute() {
        0
    } else {
        parent.components().count()
    };
    for part in link.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir if depth == 0 => return true,
            Component::ParentDir => depth -= 1,
            _ => {}
        }
    }
    false
}

impl Unpacker {
    /// Writes one entry, unless it leads out of the layer or is what no image needs.
    pub(super) fn write<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        budget: &mut Budget,
    ) -> Result<(), LayerError> {
        let path = entry.path()?.into_owned();
        budget.take(entry.size())?;
        let plain = inside(&path).ok_or_else(|| LayerError::Escape(path.clone()))?;
        let Some(name) = plain.file_name().map(ToOwned::to_owned) else {
            return Ok(());
        };
        let place = Place {
            parent: plain.parent().unwrap_or(Path::new("")).to_owned(),
            name,
        };
        let failed = |errno: Errno| LayerError::Write {
            path: path.clone(),
            source: errno.into(),
        };
        let parent = self.folder(&place.parent).map_err(failed)?;
        if let Some(hidden) = place.name.as_bytes().strip_prefix(b".wh.") {
            if matches!(hidden, b"." | b"..") {
                return Err(LayerError::Escape(path));
            }
            return self.whiteout(&parent, hidden).map_err(failed);
        }
        match entry.header().entry_type() {
            EntryType::Directory => self.make_folder(entry, &parent, &place).map_err(failed),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.make_file(entry, &parent, &place, &path)
            }
            EntryType::Symlink => self.make_link(entry, &parent, &place, &path),
            EntryType::Link => self.make_hard_link(entry, &parent, &place, &path),
            EntryType::Fifo => {
                clear(&parent, &place.name).map_err(failed)?;
                mknodat(&parent, &place.name, FileType::Fifo, mode(entry), 0).map_err(failed)?;
                self.give(entry, &parent, &place.name).map_err(failed)
            }
            EntryType::Char | EntryType::Block => Err(LayerError::Device(path)),
            EntryType::XGlobalHeader => Ok(()),
            _ => Err(LayerError::Kind(path)),
        }
    }

    /// Opens a folder of the layer as a process in the container would, and makes it if need be.
    fn folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let open = |path: &Path| {
            let path = if path.as_os_str().is_empty() {
                Path::new("/")
            } else {
                path
            };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat2(
                &self.root,
                path,
                flags,
                Mode::empty(),
                ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
            )
        };
        match open(path) {
            Err(Errno::NOENT) => {
                let parent = self.folder(path.parent().unwrap_or(Path::new("")))?;
                mkdirat(
                    &parent,
                    path.file_name().unwrap_or_default(),
                    Mode::from_raw_mode(0o755),
                )?;
                open(path)
            }
            found => found,
        }
    }

    /// A deleted name is a character device 0:0 to overlayfs; a folder that hides those below has an attribute.
    fn whiteout(&self, parent: &OwnedFd, hidden: &[u8]) -> Result<(), Errno> {
        if hidden == b".wh..opq" {
            let opaque = fsetxattr(parent, "trusted.overlay.opaque", b"y", XattrFlags::empty());
            return if self.owns { opaque } else { Ok(()) };
        }
        if hidden.starts_with(b".wh.") || hidden.is_empty() {
            return Ok(());
        }
        let name = OsStr::from_bytes(hidden);
        clear(parent, name)?;
        mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), 0)
    }

    fn make_folder<R: Read>(
        &self,
        entry: &Entry<'_, R>,
        parent: &OwnedFd,
        place: &Place,
    ) -> Result<(), Errno> {
        let open = || {
            openat(
                parent,
                &place.name,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )
        };
        let folder = if let Ok(folder) = open() {
            folder
        } else {
            clear(parent, &place.name)?;
            mkdirat(parent, &place.name, Mode::from_raw_mode(0o755))?;
            open()?
        };
        self.own(entry, &folder)?;
        fchmod(&folder, mode(entry))
    }

    fn make_file<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        parent: &OwnedFd,
        place: &Place,
        path: &Path,
    ) -> Result<(), LayerError> {
        let failed = |source: io::Error| LayerError::Write {
            path: path.to_owned(),
            source,
        };
        clear(parent, &place.name).map_err(|errno| failed(errno.into()))?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(parent, &place.name, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| failed(errno.into()))?;
        let mut file = File::from(file);
        io::copy(entry, &mut file)?;
        self.own(entry, &file)
            .map_err(|errno| failed(errno.into()))?;
        fchmod(&file, mode(entry)).map_err(|errno| failed(errno.into()))?;
        self.file_capabilities(entry, &file)?;
        rustix::fs::futimens(&file, &times(entry)).map_err(|errno| failed(errno.into()))
    }

    /// The one extended attribute that programs need; others are not taken over.
    fn file_capabilities<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        file: &File,
    ) -> Result<(), LayerError> {
        const KEY: &[u8] = b"SCHILY.xattr.security.capability";
        let Some(extensions) = entry.pax_extensions()? else {
            return Ok(());
        };
        for extension in extensions {
            let extension = extension?;
            if extension.key_bytes() == KEY && self.owns {
                fsetxattr(
                    file,
                    "security.capability",
                    extension.value_bytes(),
                    XattrFlags::empty(),
                )
                .map_err(io::Error::from)?;
            }
        }
        Ok(())
    }

    fn make_link<R: Read>(
        &self,
        entry: &Entry<'_, R>,
        parent: &OwnedFd,
        place: &Place,
        path: &Path,
    ) -> Result<(), LayerError> {
        let failed = |errno: Errno| LayerError::Write {
            path: path.to_owned(),
            source: errno.into(),
        };
        let link = entry
            .link_name()?
            .ok_or_else(|| LayerError::Kind(path.to_owned()))?;
        if climbs(&place.parent, &link) {
            return Err(LayerError::Escape(path.to_owned()));
        }
        clear(parent, &place.name).map_err(failed)?;
        symlinkat(&*link, parent, &place.name).map_err(failed)?;
        self.give(entry, parent, &place.name).map_err(failed)?;
        utimensat(
            parent,
            &place.name,
            &times(entry),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .map_err(failed)
    }

    fn make_hard_link<R: Read>(
        &self,
        entry: &Entry<'_, R>,
        parent: &OwnedFd,
        place: &Place,
        path: &Path,
    ) -> Result<(), LayerError> {
        let failed = |errno: Errno| LayerError::Write {
            path: path.to_owned(),
            source: errno.into(),
        };
        let target = entry
            .link_name()?
            .ok_or_else(|| LayerError::Kind(path.to_owned()))?;
        let target = inside(&target).ok_or_else(|| LayerError::Escape(path.to_owned()))?;
        let name = target
            .file_name()
            .ok_or_else(|| LayerError::Escape(path.to_owned()))?;
        let from = self
            .folder(target.parent().unwrap_or(Path::new("")))
            .map_err(failed)?;
        clear(parent, &place.name).map_err(failed)?;
        linkat(&from, name, parent, &place.name, AtFlags::empty()).map_err(failed)
    }

    fn own<R: Read>(&self, entry: &Entry<'_, R>, file: impl AsFd) -> Result<(), Errno> {
        let (uid, gid) = owner(entry);
        if self.owns {
            fchown(file, Some(uid), Some(gid))
        } else {
            Ok(())
        }
    }

    fn give<R: Read>(
        &self,
        entry: &Entry<'_, R>,
        parent: &OwnedFd,
        name: &OsStr,
    ) -> Result<(), Errno> {
        let (uid, gid) = owner(entry);
        if self.owns {
            chownat(
                parent,
                name,
                Some(uid),
                Some(gid),
                AtFlags::SYMLINK_NOFOLLOW,
            )
        } else {
            Ok(())
        }
    }
}

fn owner<R: Read>(entry: &Entry<'_, R>) -> (Uid, Gid) {
    let number = |value: io::Result<u64>| {
        value
            .ok()
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(0)
    };
    (
        Uid::from_raw(number(entry.header().uid())),
        Gid::from_raw(number(entry.header().gid())),
    )
}

fn mode<R: Read>(entry: &Entry<'_, R>) -> Mode {
    Mode::from_raw_mode(entry.header().mode().unwrap_or(0o644) & 0o7777)
}

fn times<R: Read>(entry: &Entry<'_, R>) -> Timestamps {
    let seconds = entry
        .header()
        .mtime()
        .ok()
        .and_then(|time| i64::try_from(time).ok())
        .unwrap_or(0);
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Removes what has the name, unless it is a folder with something in it.
fn clear(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => unlinkat(parent, name, AtFlags::REMOVEDIR),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_may_lead_anywhere_inside() {
        let check = |parent: &str, link: &str| climbs(Path::new(parent), Path::new(link));
        assert!(!check("usr/bin", "../lib/x") && !check("", "/etc/passwd") && !check("a", "../b"));
        assert!(
            check("", "../x")
                && check("a", "../../x")
                && check("a", "/../x")
                && check("a", "b/../../../x")
        );
    }
}
