//! Private files: written whole or not at all, readable by their owner only.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::{KeyPairPem, PkiError};

/// Writes `bytes` to `path` with mode 0600.
///
/// The bytes reach the disk under another name first and are renamed into place, so a crash leaves
/// the old file or the new one, and at worst a stray `.new` file that the next write replaces.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), PkiError> {
    stage(path, bytes)?;
    path.parent().map_or(Ok(()), settle)
}

/// As [`write_private`], but for the name: only after [`settle`] it is certain to be there.
fn stage(path: &Path, bytes: &[u8]) -> Result<(), PkiError> {
    try_stage(path, bytes).map_err(|source| PkiError::File {
        path: path.to_owned(),
        source,
    })
}

/// Brings the names in a directory to the disk: once for all files that were made, as each time costs a start-up some
/// milliseconds.
pub(super) fn settle(directory: &Path) -> Result<(), PkiError> {
    let settled = File::open(directory).and_then(|directory| directory.sync_all());
    settled.map_err(|source| PkiError::File {
        path: directory.to_owned(),
        source,
    })
}

fn try_stage(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    let staged = Path::new(&staged);
    match fs::remove_file(staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(staged)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(staged, path)
}

/// Makes the directory with mode 0700 if it is missing.
pub(super) fn private_dir(path: &Path) -> Result<(), PkiError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| PkiError::File {
            path: path.to_owned(),
            source,
        })
}

/// The file's text, or `None` if it is missing.
pub(super) fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PkiError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The bytes of `path`; made and staged if it is missing.
pub(super) fn bytes(
    path: &Path,
    make: impl FnOnce() -> Result<Vec<u8>, PkiError>,
) -> Result<Vec<u8>, PkiError> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = make()?;
            stage(path, &made)?;
            Ok(made)
        }
        Err(source) => Err(PkiError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Certificate and key of these two files; made and staged if either is missing.
pub(super) fn pair(
    certificate: &Path,
    key: &Path,
    make: impl FnOnce() -> Result<KeyPairPem, PkiError>,
) -> Result<KeyPairPem, PkiError> {
    if let (Some(certificate), Some(key)) = (read(certificate)?, read(key)?) {
        return Ok(KeyPairPem { certificate, key });
    }
    let made = make()?;
    // The certificate goes last: with only the key there, the next start makes both anew.
    stage(key, made.key.as_bytes())?;
    stage(certificate, made.certificate.as_bytes())?;
    Ok(made)
}
