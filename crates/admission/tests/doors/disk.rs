//! A disk that can break.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ledger_store::{Disk, Folder};

/// A folder on a disk that can break.
#[derive(Debug)]
pub(crate) struct Breaking {
    folder: Folder,
    broken: AtomicBool,
}

impl Breaking {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: Folder::new(folder),
            broken: AtomicBool::new(false),
        }
    }

    pub(crate) fn breaks(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    fn whole(&self) -> io::Result<&Folder> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is broken"));
        }
        Ok(&self.folder)
    }
}

impl Disk for Breaking {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.folder.read(path)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.folder.list(folder)
    }

    fn append(&self, path: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.whole()?.append(path, at, bytes)
    }

    fn publish(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.whole()?.publish(path, bytes)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.whole()?.replace(path, bytes)
    }

    fn sync(&self, paths: &BTreeSet<String>) -> io::Result<()> {
        self.whole()?.sync(paths)
    }

    fn remove_folder(&self, folder: &str) -> io::Result<()> {
        self.whole()?.remove_folder(folder)
    }
}
