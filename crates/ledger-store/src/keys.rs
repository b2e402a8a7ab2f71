//! The log's key: `ledger.key` (private, mode 0600, the text form of Go's `note` package) and
//! `ledger.vkey` (public, to be handed out).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use ledger::{KeyError, Signer, Verifier};
use rand::{TryRngCore, rngs::OsRng};
use thiserror::Error;

/// The private key's file.
pub const KEY: &str = "ledger.key";
/// The public key's file.
pub const VKEY: &str = "ledger.vkey";

/// Why there is no key. No key is made where one may have been: a log goes on with the key it began with.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The file system said no.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may have read the key.
    #[error(
        "{path} can be read by others (mode {mode:o}): find out who did, then `chmod 600` it or begin a new log"
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file has no key in it.
    #[error("{path} has no key in it: restore it from a copy")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: KeyError,
    },
    /// The key is of another log.
    #[error("{path} is the key of {found}, and this log is {wanted}: use another data directory")]
    OtherLog {
        /// The file.
        path: PathBuf,
        /// The key's name.
        found: String,
        /// The origin asked for.
        wanted: String,
    },
    /// The public key is there without the private one.
    #[error(
        "{path} is there but {KEY} is not: restore the key, or remove the log and begin a new one"
    )]
    KeyLost {
        /// The public key's file.
        path: PathBuf,
    },
    /// The machine gives no randomness.
    #[error("the system gives no random numbers")]
    Random(#[source] rand::rand_core::OsError),
    /// The origin cannot be the name of a key.
    #[error("`{origin}` cannot be the origin of a log")]
    Origin {
        /// What was asked for.
        origin: String,
        /// Why not.
        source: KeyError,
    },
}

/// Loads the log's key from a folder, or makes one if there has never been one.
///
/// A crash in between leaves a private key without its public one (written again here), or a
/// temporary file that nothing reads.
pub fn create_or_load(folder: &Path, origin: &str) -> Result<Signer, KeysError> {
    let (key, vkey) = (folder.join(KEY), folder.join(VKEY));
    let exists = |path: &PathBuf| path.try_exists().map_err(|source| io_error(path, source));
    if !exists(&key)? {
        if exists(&vkey)? {
            return Err(KeysError::KeyLost { path: vkey });
        }
        create(&key, origin)?;
    }
    let signer = load(&key)?;
    let found = signer.verifier().name();
    if found != origin {
        let (found, wanted) = (found.to_owned(), origin.to_owned());
        return Err(KeysError::OtherLog {
            path: key,
            found,
            wanted,
        });
    }
    let text = format!("{}\n", signer.verifier());
    if fs::read_to_string(&vkey).is_ok_and(|old| old == text) {
        return Ok(signer);
    }
    let beside = beside(&vkey);
    write(&beside, &text, 0o644)
        .and_then(|()| fs::rename(&beside, &vkey))
        .and_then(|()| sync_folder(&vkey))
        .map_err(|source| io_error(&vkey, source))?;
    Ok(signer)
}

/// Reads a public key file: one line of `name+hash+base64`.
pub fn load_verifier(path: &Path) -> Result<Verifier, KeysError> {
    let text = fs::read_to_string(path).map_err(|source| io_error(path, source))?;
    text.trim_end().parse().map_err(|source| KeysError::Key {
        path: path.to_owned(),
        source,
    })
}

fn create(path: &Path, origin: &str) -> Result<(), KeysError> {
    let mut seed = [0; 32];
    OsRng.try_fill_bytes(&mut seed).map_err(KeysError::Random)?;
    let signer = Signer::from_seed(origin, &seed).map_err(|source| KeysError::Origin {
        origin: origin.to_owned(),
        source,
    })?;
    // A link does not replace: of two that make a key at once, one wins and both load the same.
    let beside = beside(path);
    let linked = write(&beside, &format!("{}\n", signer.to_skey()), 0o600)
        .and_then(|()| match fs::hard_link(&beside, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        })
        .and_then(|()| fs::remove_file(&beside))
        .and_then(|()| sync_folder(path));
    linked.map_err(|source| io_error(path, source))
}

fn load(path: &Path) -> Result<Signer, KeysError> {
    let failed = |source| io_error(path, source);
    let mut file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeysError::Readable {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    Signer::from_skey(text.trim_end()).map_err(|source| KeysError::Key {
        path: path.to_owned(),
        source,
    })
}

fn beside(path: &Path) -> PathBuf {
    path.with_added_extension(format!("{}.tmp", std::process::id()))
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn io_error(path: &Path, source: io::Error) -> KeysError {
    KeysError::Io {
        path: path.to_owned(),
        source,
    }
}
