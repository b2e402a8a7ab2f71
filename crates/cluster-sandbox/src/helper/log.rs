//! Container logs in the CRI format: `<RFC 3339 time> <stream> <P|F> <content>`
//! (Kubernetes, `design-proposals/node/kubelet-cri-logging.md`).

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;

/// Longest content of one line; a longer one is written in parts, as containerd does.
const LONGEST: usize = 16 * 1024;

/// One of the two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Standard output, and everything of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Writes the log of one container.
#[derive(Debug)]
pub(crate) struct LogWriter {
    file: File,
    unfinished: [Vec<u8>; 2],
}

impl LogWriter {
    /// Opens the log for appending, with its folder.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            file,
            unfinished: [Vec::new(), Vec::new()],
        })
    }

    /// Takes bytes of one stream that arrived at `now`; whole lines and full parts are written.
    pub(crate) fn write(
        &mut self,
        channel: Channel,
        bytes: &[u8],
        now: Timestamp,
    ) -> io::Result<()> {
        let mut out = Vec::with_capacity(bytes.len() + 64);
        split(
            &mut self.unfinished[channel as usize],
            bytes,
            |tag, content| {
                line(&mut out, channel, tag, content, now);
            },
        );
        self.file.write_all(&out)
    }

    /// Writes what a stream ended with, if that was no whole line.
    pub(crate) fn end(&mut self, channel: Channel, now: Timestamp) -> io::Result<()> {
        let rest = std::mem::take(&mut self.unfinished[channel as usize]);
        if rest.is_empty() {
            return Ok(());
        }
        let mut out = Vec::new();
        line(&mut out, channel, 'F', &rest, now);
        self.file.write_all(&out)
    }
}

/// Cuts `unfinished` and `bytes` into lines and parts; what is neither yet stays in `unfinished`.
fn split(unfinished: &mut Vec<u8>, mut bytes: &[u8], mut emit: impl FnMut(char, &[u8])) {
    while !bytes.is_empty() {
        let room = LONGEST - unfinished.len();
        let newline = bytes.iter().take(room + 1).position(|byte| *byte == b'\n');
        let (taken, skipped, tag) = match newline {
            Some(at) => (at, at + 1, Some('F')),
            None if bytes.len() >= room => (room, room, Some('P')),
            None => (bytes.len(), bytes.len(), None),
        };
        match tag {
            Some(tag) if unfinished.is_empty() => emit(tag, &bytes[..taken]),
            Some(tag) => {
                unfinished.extend_from_slice(&bytes[..taken]);
                emit(tag, unfinished);
                unfinished.clear();
            }
            None => unfinished.extend_from_slice(&bytes[..taken]),
        }
        bytes = &bytes[skipped..];
    }
}

fn line(out: &mut Vec<u8>, channel: Channel, tag: char, content: &[u8], now: Timestamp) {
    out.extend_from_slice(format!("{now:.9} {} {tag} ", channel.name()).as_bytes());
    out.extend_from_slice(content);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chunks: &[&[u8]], expected: &[(char, &[u8])], left: &[u8]) {
        let mut unfinished = Vec::new();
        let mut seen = Vec::new();
        for chunk in chunks {
            split(&mut unfinished, chunk, |tag, content| {
                seen.push((tag, content.to_vec()));
            });
        }
        let expected: Vec<_> = expected
            .iter()
            .map(|(tag, content)| (*tag, content.to_vec()))
            .collect();
        assert_eq!(seen, expected);
        assert_eq!(unfinished, left);
    }

    #[test]
    fn lines_are_put_together_over_reads() {
        check(
            &[b"a\nb", b"c\n\n", b"d"],
            &[('F', b"a"), ('F', b"bc"), ('F', b"")],
            b"d",
        );
    }

    #[test]
    fn a_long_line_comes_in_parts() {
        let long = vec![b'x'; LONGEST];
        check(&[&long, b"y\n"], &[('P', &long), ('F', b"y")], b"");
        check(
            &[&long[1..], b"z\n"],
            &[('F', &[&long[1..], b"z"].concat())],
            b"",
        );
    }

    #[test]
    fn a_line_reads_as_a_kubelet_reads_it() {
        let mut out = Vec::new();
        line(
            &mut out,
            Channel::Stderr,
            'F',
            b"oops",
            "2026-11-22T10:00:00.5Z".parse().unwrap(),
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "2026-11-22T10:00:00.500000000Z stderr F oops\n"
        );
    }
}
