//! Unpacking a layer: a tar stream from a stranger, written by root. Nothing outside the target is
//! touched whatever the names and links in it are, and what no image needs is refused.

mod unpacker;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use sha2::{Digest as _, Sha256};
use tar::Archive;

use unpacker::Unpacker;

/// Why a layer was refused.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Its compression is not known.
    #[error("is compressed with zstd, which is not supported: save it with gzip")]
    Compression,
    /// It unpacks to something else than the image says.
    #[error("unpacks to sha256:{found}, the image says {expected}")]
    DiffId {
        /// What it is.
        found: String,
        /// What the image says.
        expected: String,
    },
    /// A name leads out of the layer.
    #[error("holds {0:?}, which leads out of the layer")]
    Escape(PathBuf),
    /// A device.
    #[error("holds the device {0:?}")]
    Device(PathBuf),
    /// Something that a layer does not have.
    #[error("holds {0:?}, which is neither file, folder, link nor pipe")]
    Kind(PathBuf),
    /// Too much.
    #[error("unpacks to more than {0} allowed")]
    TooBig(&'static str),
    /// One entry cannot be written.
    #[error("{path:?} cannot be written: {source}")]
    Write {
        /// The entry.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What one image may still unpack to.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: u64,
    entries: u64,
    pub(super) used: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: 16 << 30,
            entries: 1_000_000,
            used: 0,
        }
    }
}

impl Budget {
    #[cfg(test)]
    pub(super) fn of(bytes: u64) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    fn take(&mut self, bytes: u64) -> Result<(), LayerError> {
        self.entries = self
            .entries
            .checked_sub(1)
            .ok_or(LayerError::TooBig("the 1,000,000 files"))?;
        self.bytes = self
            .bytes
            .checked_sub(bytes)
            .ok_or(LayerError::TooBig("the bytes"))?;
        self.used += bytes;
        Ok(())
    }
}

struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// The uncompressed stream of a file that is gzip or nothing.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, LayerError> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let magic = io::BufRead::fill_buf(&mut file)?;
    if magic.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(file)));
    }
    if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(LayerError::Compression);
    }
    Ok(Box::new(file))
}

/// Unpacks the layer in the file `blob` into the new folder `target` and compares its diff id.
pub(super) fn unpack(
    blob: &Path,
    target: &Path,
    diff_id: &str,
    budget: &mut Budget,
) -> Result<(), LayerError> {
    std::fs::create_dir(target)?;
    let root = openat2(
        CWD,
        target,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::empty(),
    )
    .map_err(io::Error::from)?;
    let unpacker = Unpacker {
        root,
        owns: rustix::process::geteuid().is_root(),
    };
    let mut stream = Hashing {
        inner: open(blob)?,
        hash: Sha256::new(),
    };
    let mut archive = Archive::new(&mut stream);
    for entry in archive.entries()? {
        unpacker.write(&mut entry?, budget)?;
    }
    // What follows the end mark counts for the digest.
    let mut rest = stream.by_ref().take(64 << 20);
    io::copy(&mut rest, &mut io::sink())?;
    let found = hex::encode(stream.hash.finalize());
    if diff_id.strip_prefix("sha256:") != Some(&found) {
        return Err(LayerError::DiffId {
            found,
            expected: diff_id.to_owned(),
        });
    }
    std::fs::set_permissions(target, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_refused_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let blob = folder.path().join("blob");
        let mut tar = tar::Builder::new(File::create(&blob).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(2048);
        header.set_mode(0o644);
        tar.append_data(&mut header, "big", &[0_u8; 2048][..])
            .unwrap();
        tar.finish().unwrap();
        let target = folder.path().join("layer");
        let error = unpack(&blob, &target, "sha256:", &mut Budget::of(1024)).unwrap_err();
        assert!(matches!(error, LayerError::TooBig(_)), "{error}");
        assert!(!target.join("big").exists());
    }
}
