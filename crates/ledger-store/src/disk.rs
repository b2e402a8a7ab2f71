//! The few things that a store asks of a file system, as a port, so that tests can make them fail.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use ledger::Tiles;

/// A folder of files, told apart by what survives a loss of power.
///
/// Paths are relative, with `/`. After any error the state on disk is unknown; the store never retries.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// The bytes of a file; [`io::ErrorKind::NotFound`] when there is none.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The names in a folder; none when there is no such folder.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Adds bytes at the end of a file that exists and is `at` bytes long; an error when it is not.
    /// Durable on return; until then any part of the bytes may survive a crash.
    fn append(&self, path: &str, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes or replaces a file: readers see the old or the new one, never half of one. Its folders
    /// are made. **Not** durable: a loss of power may leave the old file, the new one or an empty one.
    fn publish(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// The same, durable on return; a loss of power leaves the old file or the new one.
    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes files that were published before durable, with their names and folders.
    fn sync(&self, paths: &BTreeSet<String>) -> io::Result<()>;

    /// Removes a folder and the files in it. Durable at some later time.
    fn remove_folder(&self, folder: &str) -> io::Result<()>;
}

/// A disk as the verifier and the readers see it.
#[derive(Debug)]
pub struct Public<'d>(pub &'d dyn Disk);

impl Tiles for Public<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }
}

/// Files that are synced at the same time: file systems with a journal commit several waiting syncs at once.
const AT_ONCE: usize = 8;

/// A folder of this machine. Also [`Tiles`]: all that `verify` needs, without a store or its lock.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Only remembers the path.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Makes folders down to `folder`, with their names durable in their parents later, by `sync`.
    fn write_beside(&self, path: &str, bytes: &[u8]) -> io::Result<(File, PathBuf)> {
        let target = self.root.join(path);
        let beside = target.with_added_extension("tmp");
        let create = || {
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .open(&beside)
        };
        let mut file = match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(target.parent().unwrap_or(&self.root))?;
                create()?
            }
            other => other?,
        };
        file.write_all(bytes)?;
        Ok((file, beside))
    }

    fn sync_files(&self, paths: &[&Path]) -> io::Result<()> {
        paths
            .iter()
            .try_for_each(|path| File::open(self.root.join(path))?.sync_all())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(self.root.join(folder))?.sync_all()
    }
}

impl Tiles for Folder {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.root.join(path))
    }
}

impl Disk for Folder {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        Tiles::read(self, path)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let names = match fs::read_dir(self.root.join(folder)) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        names
            .map(|name| Ok(name?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn append(&self, path: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.root.join(path))?;
        let len = file.metadata()?.len();
        if len != at {
            let what = format!(
                "{path} has {len} bytes where this writer left {at}: somebody else wrote to it"
            );
            return Err(io::Error::other(what));
        }
        file.write_all_at(bytes, at)?;
        // The length is data to fdatasync: without it the bytes could not be found again.
        file.sync_data()
    }

    fn publish(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let (_, beside) = self.write_beside(path, bytes)?;
        fs::rename(beside, self.root.join(path))
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let (file, beside) = self.write_beside(path, bytes)?;
        file.sync_all()?;
        fs::rename(beside, self.root.join(path))?;
        self.sync_folder(Path::new(path).parent().unwrap_or(Path::new("")))
    }

    fn sync(&self, paths: &BTreeSet<String>) -> io::Result<()> {
        let paths: Vec<&Path> = paths.iter().map(Path::new).collect();
        let share = paths.len().div_ceil(AT_ONCE).max(1);
        std::thread::scope(|scope| {
            let sync = |share| move || self.sync_files(share);
            let threads: Vec<_> = paths
                .chunks(share)
                .map(|share| scope.spawn(sync(share)))
                .collect();
            let panicked = |_| Err(io::Error::other("a thread that syncs files panicked"));
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(panicked))
        })?;
        let folders: BTreeSet<_> = paths
            .iter()
            .flat_map(|path| path.ancestors().skip(1))
            .collect();
        folders
            .iter()
            .try_for_each(|folder| self.sync_folder(folder))
    }

    fn remove_folder(&self, folder: &str) -> io::Result<()> {
        fs::remove_dir_all(self.root.join(folder))
    }
}
