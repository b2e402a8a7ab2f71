//! Images of programs of this machine, with the libraries they need: nothing is downloaded, and the
//! same files give the same bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::archive::{self, ArchiveError, Found};
use super::elf::{self, Program};
use super::manifest::{Descriptor, ImageConfig, Manifest, RootFs, Settings, architecture, media};

/// Why programs could not be made an image.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// None given.
    #[error("name at least one program, for example /bin/bash")]
    Nothing,
    /// Not there.
    #[error("{0} is not on this machine: give its path, or a name that is in /usr/bin or /bin")]
    NotFound(PathBuf),
    /// A library is not there.
    #[error("{program} needs {}, which this machine does not have", missing.join(", "))]
    Libraries {
        /// The program.
        program: PathBuf,
        /// The libraries.
        missing: Vec<String>,
    },
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The image.
    #[error("the image cannot be written: {0}")]
    Image(#[from] ArchiveError),
}

const SEARCH: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];
const FOLDERS: [(&str, u32); 9] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
];
const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n";

/// What stands at a path of the image.
enum Item {
    Folder(u32),
    Text(&'static str),
    Copy { from: PathBuf, mode: u32 },
    Link(PathBuf),
}

/// The image's files by path, without a leading slash.
#[derive(Default)]
struct Tree {
    items: BTreeMap<PathBuf, Item>,
    /// `bin` → `usr/bin`, where this machine's folders are merged.
    merged: BTreeMap<PathBuf, PathBuf>,
}

/// Makes the image `tag` of `paths`.
pub(super) fn build(tag: &str, paths: &[PathBuf], staging: &Path) -> Result<Found, HostError> {
    let first = paths.first().ok_or(HostError::Nothing)?;
    let mut tree = Tree::of_this_machine();
    let mut command = None;
    for path in paths {
        let found = locate(path)?;
        if path == first {
            command = Some(found.to_string_lossy().into_owned());
        }
        tree.add(&found)?;
    }
    tree.link_shell();
    let layer = staging.join("host-layer");
    tree.write(&layer)?;
    image(tag, command, &layer, staging)
}

fn locate(path: &Path) -> Result<PathBuf, HostError> {
    let is_name = path.components().count() == 1 && !path.is_absolute();
    let candidates: Vec<PathBuf> = if is_name {
        SEARCH
            .iter()
            .map(|folder| Path::new(folder).join(path))
            .collect()
    } else {
        vec![path.to_owned()]
    };
    let found = candidates.into_iter().find(|candidate| candidate.exists());
    let found = found.ok_or_else(|| HostError::NotFound(path.to_owned()))?;
    std::path::absolute(&found).map_err(|source| HostError::File {
        path: found,
        source,
    })
}

impl Tree {
    fn of_this_machine() -> Self {
        let mut tree = Self::default();
        for (name, mode) in FOLDERS {
            tree.items.insert(PathBuf::from(name), Item::Folder(mode));
        }
        tree.items
            .insert(PathBuf::from("etc/passwd"), Item::Text(PASSWD));
        tree.items
            .insert(PathBuf::from("etc/group"), Item::Text(GROUP));
        for name in ["bin", "sbin", "lib", "lib64", "lib32"] {
            if let Ok(target) = fs::read_link(Path::new("/").join(name))
                && target.is_relative()
            {
                tree.items
                    .insert(PathBuf::from(name), Item::Link(target.clone()));
                tree.items.insert(target.clone(), Item::Folder(0o755));
                tree.merged.insert(PathBuf::from(name), target);
            }
        }
        tree
    }

    /// Where a path of this machine stands in the image.
    fn place(&self, path: &Path) -> PathBuf {
        let plain: PathBuf = path
            .strip_prefix("/")
            .unwrap_or(path)
            .components()
            .collect();
        let merged = self
            .merged
            .iter()
            .find_map(|(from, to)| Some(to.join(plain.strip_prefix(from).ok()?)));
        merged.unwrap_or(plain)
    }

    fn add(&mut self, path: &Path) -> Result<(), HostError> {
        let failed = |source| HostError::File {
            path: path.to_owned(),
            source,
        };
        let about = fs::metadata(path).map_err(failed)?;
        let place = self.place(path);
        if about.is_dir() {
            self.items
                .entry(place)
                .or_insert(Item::Folder(about.mode() & 0o7777));
            return self.add_folder(path);
        }
        if self.items.contains_key(&place) {
            return Ok(());
        }
        let mode = about.permissions().mode() & 0o7777;
        self.items.insert(
            place,
            Item::Copy {
                from: path.to_owned(),
                mode,
            },
        );
        if mode & 0o111 != 0 {
            self.add_needed(path)
        } else {
            Ok(())
        }
    }

    fn add_folder(&mut self, path: &Path) -> Result<(), HostError> {
        let failed = |source| HostError::File {
            path: path.to_owned(),
            source,
        };
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_symlink() {
                let target = fs::read_link(entry.path()).map_err(failed)?;
                self.items
                    .entry(self.place(&entry.path()))
                    .or_insert(Item::Link(target));
            } else if kind.is_dir() || kind.is_file() {
                self.add(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Adds the loader, libraries or interpreter of a program.
    fn add_needed(&mut self, path: &Path) -> Result<(), HostError> {
        let failed = |source| HostError::File {
            path: path.to_owned(),
            source,
        };
        match elf::kind(path).map_err(failed)? {
            Program::Static | Program::Data => Ok(()),
            Program::Dynamic(loader) => {
                let found = elf::libraries(&loader, path).map_err(failed)?;
                let found = found.map_err(|missing| HostError::Libraries {
                    program: path.to_owned(),
                    missing,
                })?;
                self.add(&loader)?;
                found.iter().try_for_each(|library| self.add(library))
            }
            Program::Script(words) => {
                let mut needed = words.iter().map(PathBuf::from);
                let Some(interpreter) = needed.next() else {
                    return Ok(());
                };
                self.add(&locate(&interpreter)?)?;
                let by_name = needed.find(|word| {
                    interpreter.ends_with("env") && !word.to_string_lossy().starts_with('-')
                });
                by_name.map_or(Ok(()), |name| self.add(&locate(&name)?))
            }
        }
    }

    /// A shell under its usual name.
    fn link_shell(&mut self) {
        let sh = self.place(Path::new("/bin/sh"));
        let shell = ["bash", "dash", "busybox"].into_iter().find_map(|name| {
            SEARCH
                .iter()
                .map(|folder| self.place(&Path::new(folder).join(name)))
                .find(|place| self.items.contains_key(place))
        });
        if let (false, Some(shell)) = (self.items.contains_key(&sh), shell) {
            self.items
                .insert(sh, Item::Link(Path::new("/").join(shell)));
        }
    }

    fn write(&self, target: &Path) -> Result<(), HostError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| HostError::File { path, source }
        };
        let mut tar = tar::Builder::new(File::create(target).map_err(failed(target))?);
        tar.mode(tar::HeaderMode::Deterministic);
        for (path, item) in &self.items {
            let mut header = tar::Header::new_gnu();
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(0);
            let outcome = match item {
                Item::Folder(mode) => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(*mode);
                    tar.append_data(&mut header, path, io::empty())
                }
                Item::Text(text) => {
                    header.set_mode(0o644);
                    header.set_size(text.len() as u64);
                    tar.append_data(&mut header, path, text.as_bytes())
                }
                Item::Link(to) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    tar.append_link(&mut header, path, to)
                }
                Item::Copy { from, mode } => File::open(from).and_then(|file| {
                    header.set_mode(*mode);
                    header.set_size(file.metadata()?.len());
                    tar.append_data(&mut header, path, file)
                }),
            };
            outcome.map_err(failed(path))?;
        }
        tar.finish().map_err(failed(target))
    }
}

fn image(
    tag: &str,
    command: Option<String>,
    layer: &Path,
    staging: &Path,
) -> Result<Found, HostError> {
    let failed = |source| HostError::File {
        path: layer.to_owned(),
        source,
    };
    let diff = format!("sha256:{}", archive::hash(layer).map_err(failed)?);
    let config = ImageConfig {
        architecture: architecture().to_owned(),
        os: "linux".to_owned(),
        config: Some(Settings {
            env: Some(vec![format!("PATH={}", SEARCH.join(":"))]),
            cmd: command.map(|command| vec![command]),
            ..Settings::default()
        }),
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids: vec![diff.clone()],
        },
    };
    let path = staging.join("host-config");
    let bytes = serde_json::to_vec(&config).map_err(|error| failed(error.into()))?;
    File::create(&path)
        .and_then(|mut file| io::Write::write_all(&mut file, &bytes))
        .map_err(failed)?;
    let digest = format!("sha256:{}", archive::hash(&path).map_err(failed)?);
    let describe = |media_type: &str, digest: &str, size| Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_owned(),
        size,
        ..Descriptor::default()
    };
    let size = fs::metadata(layer).map_err(failed)?.len();
    let manifest = Manifest {
        schema_version: 2,
        media_type: media::MANIFEST.to_owned(),
        config: describe(media::CONFIG, &digest, bytes.len() as u64),
        layers: vec![describe(media::LAYER, &diff, size)],
    };
    let blobs = BTreeMap::from([(digest, path), (diff, layer.to_owned())]);
    Ok(archive::finish(
        &manifest,
        vec![tag.to_owned()],
        blobs,
        staging,
    )?)
}
