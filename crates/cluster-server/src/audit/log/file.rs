//! A file that is turned over when it is full, with lumberjack's names: `audit.log` becomes
//! `audit-2026-01-02T15-04-05.000.log`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::config::LogConfig;
use crate::clock::Clock;

const MEGABYTE: u64 = 1024 * 1024;
/// The time in the name of a file that was turned over.
const STAMP: &str = "%Y-%m-%dT%H-%M-%S%.3f";

/// The open file.
#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
    max_age: u32,
    max_backup: u32,
    clock: Clock,
}

impl RotatingFile {
    /// Opens the file, to write after what is there already. It and its folder are for this user alone.
    pub(super) fn open(config: &LogConfig, clock: &Clock) -> io::Result<Self> {
        if let Some(folder) = config.path.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let file = append(&config.path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: config.path.clone(),
            file,
            size,
            limit: u64::from(config.max_size) * MEGABYTE,
            max_age: config.max_age,
            max_backup: config.max_backup,
            clock: clock.clone(),
        })
    }

    /// Writes one line, whole or not at all; the file is turned over first if it would grow beyond its limit. A line
    /// that is longer than the limit gets a file of its own.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        if self.limit > 0 && self.size > 0 && self.size + length > self.limit {
            self.turn_over()?;
        }
        if let Err(error) = self.file.write_all(line) {
            // A torn line would spoil the next one too.
            self.file.set_len(self.size)?;
            return Err(error);
        }
        self.size += length;
        Ok(())
    }

    /// Puts the file aside and begins a new one. A crash in between leaves only the one put aside, and the next start
    /// makes the new one: no line is lost.
    fn turn_over(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let mut at = now;
        let mut aside = self.aside(at);
        while aside.exists() {
            at += SignedDuration::from_millis(1);
            aside = self.aside(at);
        }
        std::fs::rename(&self.path, aside)?;
        self.file = append(&self.path)?;
        self.size = 0;
        if let Err(error) = self.remove_old(now) {
            tracing::warn!(%error, "an old audit log was not removed");
        }
        Ok(())
    }

    fn parts(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.unwrap_or_default().to_string_lossy().into_owned()
        };
        let extension = self.path.extension();
        let ending = extension.map_or_else(String::new, |e| format!(".{}", text(Some(e))));
        (text(self.path.file_stem()), ending)
    }

    fn aside(&self, at: Timestamp) -> PathBuf {
        let (stem, ending) = self.parts();
        self.path
            .with_file_name(format!("{stem}-{}{ending}", at.strftime(STAMP)))
    }

    /// All that were turned over, the youngest first.
    fn backups(&self) -> io::Result<Vec<(Timestamp, PathBuf)>> {
        let (stem, ending) = self.parts();
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut out = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let stamp = name
                .strip_prefix(&format!("{stem}-"))
                .and_then(|rest| rest.strip_suffix(&ending));
            if let Some(at) = stamp.and_then(|stamp| DateTime::strptime(STAMP, stamp).ok())
                && let Ok(at) = at.to_zoned(TimeZone::UTC)
            {
                out.push((at.timestamp(), path));
            }
        }
        out.sort_by(|a, b| b.cmp(a));
        Ok(out)
    }

    /// Keeps `max_backup` files, and none that is older than `max_age` days.
    fn remove_old(&self, now: Timestamp) -> io::Result<()> {
        let oldest = now - SignedDuration::from_hours(24 * i64::from(self.max_age));
        for (index, (at, path)) in self.backups()?.into_iter().enumerate() {
            let too_many = self.max_backup > 0 && index >= self.max_backup as usize;
            if too_many || (self.max_age > 0 && at < oldest) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}
