//! Keeps the causes that the container runtime only tells as tracing events: its forked children
//! hand their errors on without them.

use std::fmt::{self, Write as _};
use std::io;
use std::os::fd::OwnedFd;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Writes each ERROR event as a line into a pipe, which forked children inherit.
struct ErrorLines {
    pipe: OwnedFd,
}

impl Subscriber for ErrorLines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let text = format!("{}{}\n", line.message, line.fields);
        let _ = rustix::io::write(&self.pipe, text.replace('\0', "").as_bytes());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "err" | "error" => write!(self.fields, ": {value:?}"),
            name => write!(self.fields, " ({name} {value:?})"),
        };
    }
}

/// The reading end of the error lines.
pub(super) struct Causes {
    pipe: OwnedFd,
}

impl Causes {
    /// Starts to keep errors; once in a process.
    pub(super) fn keep() -> io::Result<Self> {
        let (read, write) = rustix::pipe::pipe_with(
            rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK,
        )?;
        tracing::subscriber::set_global_default(ErrorLines { pipe: write })
            .map_err(io::Error::other)?;
        Ok(Self { pipe: read })
    }

    /// What was said since the last call: the first line is nearest to the cause.
    pub(super) fn take(&self) -> Vec<String> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = rustix::io::read(&self.pipe, &mut buffer) {
            bytes.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&bytes)
            .lines()
            .map(ToOwned::to_owned)
            .collect()
    }
}
