//! The log file: one event a line (`plugin/pkg/audit/log`).

mod file;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::config::{LogConfig, Mode};
use crate::clock::Clock;
use file::RotatingFile;

/// So many lines wait for the file in [`Mode::Batch`] (`defaultBatchBufferSize`).
const BUFFER: usize = 10_000;

/// Why a log file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the audit log {path}")]
pub struct LogError {
    /// Which file.
    path: PathBuf,
    /// Why.
    source: std::io::Error,
}

/// Where lines go.
#[derive(Debug)]
enum Out {
    File(RotatingFile),
    Stdout,
}

impl Out {
    fn open(config: &LogConfig, clock: &Clock) -> Result<Self, LogError> {
        if config.path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        RotatingFile::open(config, clock)
            .map(Self::File)
            .map_err(|source| LogError {
                path: config.path.clone(),
                source,
            })
    }

    fn write(&mut self, line: &[u8]) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.write(line),
            Self::Stdout => std::io::stdout().lock().write_all(line),
        }
    }
}

/// Writes events into the log.
///
/// # Guarantees
/// Unless the mode is Batch, an event is in the operating system's hands when [`write`](Self::write) returns: the end of
/// this process does not lose it. It is not synced to the disk, as in Kubernetes.
#[derive(Debug)]
pub(super) struct LogSink {
    out: Arc<Mutex<Out>>,
    strict: bool,
    buffer: Option<Buffer>,
    lost: AtomicU64,
}

/// Lines that wait, and who writes them.
#[derive(Debug)]
struct Buffer {
    lines: Mutex<Option<SyncSender<Vec<u8>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl LogSink {
    /// Opens the log.
    pub(super) fn open(config: &LogConfig, clock: &Clock) -> Result<Self, LogError> {
        let out = Arc::new(Mutex::new(Out::open(config, clock)?));
        let buffer = (config.mode == Mode::Batch).then(|| Buffer::start(Arc::clone(&out)));
        Ok(Self {
            out,
            strict: config.mode == Mode::BlockingStrict,
            buffer,
            lost: AtomicU64::new(0),
        })
    }

    /// Writes one event; `false` if it was not written and the request must not go on.
    pub(super) fn write(&self, item: &str) -> bool {
        let line = line(item);
        let written = match &self.buffer {
            Some(buffer) => buffer.push(line),
            None => put(&self.out, &line),
        };
        if let Err(why) = written {
            let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::error!(why, lost, "an audit event was not logged");
            return !self.strict;
        }
        true
    }

    /// Waits until all lines are written.
    pub(super) fn stop(&self) {
        if let Some(buffer) = &self.buffer {
            buffer.stop();
        }
    }
}

fn put(out: &Mutex<Out>, line: &[u8]) -> Result<(), String> {
    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
    out.write(line).map_err(|error| error.to_string())
}

/// The event as an object of its own, with the end of the line.
fn line(item: &str) -> Vec<u8> {
    let rest = item.strip_prefix('{').unwrap_or(item);
    format!("{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",{rest}\n").into_bytes()
}

impl Buffer {
    fn start(out: Arc<Mutex<Out>>) -> Self {
        let (sender, receiver) = sync_channel(BUFFER);
        let writer = std::thread::spawn(move || drain(&receiver, &out));
        Self {
            lines: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
        }
    }

    fn push(&self, line: Vec<u8>) -> Result<(), String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = lines.as_ref() else {
            return Err("audit backend shut down".to_owned());
        };
        sender.try_send(line).map_err(|error| match error {
            TrySendError::Full(_) => "audit buffer queue blocked".to_owned(),
            TrySendError::Disconnected(_) => "audit backend shut down".to_owned(),
        })
    }

    fn stop(&self) {
        let take = |sender: &Mutex<Option<_>>| {
            sender.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        drop(take(&self.lines));
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the writer of the audit log ended badly");
        }
    }
}

fn drain(lines: &Receiver<Vec<u8>>, out: &Mutex<Out>) {
    for line in lines {
        if let Err(why) = put(out, &line) {
            tracing::error!(why, "an audit event was not logged");
        }
    }
}

#[cfg(test)]
mod tests;
