//! Container logs in the CRI format: `<RFC 3339 time> stdout|stderr F|P <text>`
//! (`k8s.io/cri-client/pkg/logs`).

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, SeekFrom};
use tokio::sync::mpsc;

/// What of a log is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Go on until the container ends.
    pub follow: bool,
    /// Only so many lines from the end.
    pub tail: Option<u64>,
    /// Only lines from this time on.
    pub since: Option<Timestamp>,
    /// Each line after its time.
    pub timestamps: bool,
    /// Not more bytes than this.
    pub limit: Option<u64>,
}

/// A line of a log file.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    time: &'a str,
    is_stderr: bool,
    is_partial: bool,
    text: &'a [u8],
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    let mut parts = line.splitn(4, |&byte| byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let stream = parts.next()?;
    let tags = parts.next()?;
    let text = parts.next().unwrap_or_default();
    let is_stderr = match stream {
        b"stdout" => false,
        b"stderr" => true,
        _ => return None,
    };
    Some(Line {
        time,
        is_stderr,
        is_partial: tags.split(|&byte| byte == b':').next() == Some(b"P"),
        text,
    })
}

/// Turns lines into what a client reads.
struct Printer {
    options: Options,
    left: Option<u64>,
    /// The last line of standard output or error was not whole.
    partial: [bool; 2],
}

impl Printer {
    fn new(options: Options) -> Self {
        Self {
            left: options.limit,
            options,
            partial: [false; 2],
        }
    }

    fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    fn print(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let Some(line) = parse(line) else { return };
        if let Some(since) = self.options.since
            && line
                .time
                .parse::<Timestamp>()
                .is_ok_and(|time| time < since)
        {
            return;
        }
        let start = out.len();
        let partial = &mut self.partial[usize::from(line.is_stderr)];
        if self.options.timestamps && !*partial {
            out.extend_from_slice(line.time.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(line.text);
        *partial = line.is_partial;
        if !line.is_partial {
            out.push(b'\n');
        }
        if let Some(left) = &mut self.left {
            let wanted = usize::try_from(*left)
                .unwrap_or(usize::MAX)
                .min(out.len() - start);
            out.truncate(start + wanted);
            *left -= wanted as u64;
        }
    }
}

/// Where the last `lines` lines of a file begin.
async fn tail_start(file: &mut tokio::fs::File, lines: u64) -> io::Result<u64> {
    const BLOCK: u64 = 16 * 1024;
    let length = file.metadata().await?.len();
    let mut at = length;
    let mut left = lines;
    if left == 0 {
        return Ok(length);
    }
    let mut block = Vec::new();
    while at > 0 {
        let start = at.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start)).await?;
        block.resize(usize::try_from(at - start).unwrap_or_default(), 0);
        file.read_exact(&mut block).await?;
        for (index, _) in block
            .iter()
            .enumerate()
            .rev()
            .filter(|&(_, &byte)| byte == b'\n')
        {
            let end = start + index as u64 + 1;
            if end == length {
                continue;
            }
            left -= 1;
            if left == 0 {
                return Ok(end);
            }
        }
        at = start;
    }
    Ok(0)
}

/// Sends a log, piece by piece, until its end, or with `follow` until `ended` says that nothing more is
/// written. A reader that goes away ends it.
pub async fn send(
    path: PathBuf,
    options: Options,
    ended: impl Fn() -> BoxFuture<'static, bool> + Send,
    out: mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let mut file = tokio::fs::File::open(&path).await?;
    let start = match options.tail {
        Some(lines) => tail_start(&mut file, lines).await?,
        None => 0,
    };
    file.seek(SeekFrom::Start(start)).await?;
    let changes = if options.follow {
        Some(Changes::of(&path)?)
    } else {
        None
    };
    let mut printer = Printer::new(options);
    let (mut unread, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    let mut is_last = changes.is_none();
    loop {
        let read = file.read(&mut buffer).await?;
        unread.extend_from_slice(&buffer[..read]);
        let mut text = Vec::new();
        let mut used = 0;
        while let Some(end) = unread[used..].iter().position(|&byte| byte == b'\n') {
            printer.print(&unread[used..used + end], &mut text);
            used += end + 1;
            if printer.is_done() {
                break;
            }
        }
        unread.drain(..used);
        if !text.is_empty() && out.send(Ok(text.into())).await.is_err() {
            return Ok(());
        }
        if printer.is_done() || (read == 0 && is_last) {
            return Ok(());
        }
        if read == 0 {
            // What was written between the last read and the end is read once more.
            is_last = ended().await;
            if let (false, Some(changes)) = (is_last, &changes) {
                tokio::select! {
                    waited = changes.wait() => waited?,
                    () = out.closed() => return Ok(()),
                }
            }
        }
    }
}

/// Tells when a file is written to.
struct Changes(AsyncFd<rustix::fd::OwnedFd>);

impl Changes {
    fn of(path: &Path) -> io::Result<Self> {
        let notify = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&notify, path, inotify::WatchFlags::MODIFY)?;
        #[expect(
            deprecated,
            reason = "the descriptor is owned, so it stays open for as long as it is registered"
        )]
        let registered = AsyncFd::new(notify)?;
        Ok(Self(registered))
    }

    /// Waits for a write; at most a while, since the end of a container writes nothing.
    async fn wait(&self) -> io::Result<()> {
        const CHECK: std::time::Duration = std::time::Duration::from_millis(250);
        let Ok(ready) = tokio::time::timeout(CHECK, self.0.readable()).await else {
            return Ok(());
        };
        let mut ready = ready?;
        let mut events = [0; 4096];
        while rustix::io::read(self.0.get_ref(), &mut events).is_ok_and(|read| read > 0) {}
        ready.clear_ready();
        Ok(())
    }
}

/// The end of a log as a termination message: at most 80 lines and 2 KiB (`FallbackToLogsOnError`).
pub fn last_words(path: &Path) -> io::Result<String> {
    let tail = crate::files::tail(path, 16 * 1024)?;
    let mut printer = Printer::new(Options::default());
    let lines: Vec<&str> = tail.lines().collect();
    let mut text = Vec::new();
    for line in &lines[lines.len().saturating_sub(80)..] {
        printer.print(line.as_bytes(), &mut text);
    }
    let start = text.len().saturating_sub(2048);
    Ok(String::from_utf8_lossy(&text[start..]).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use futures::FutureExt as _;

    use super::{Options, send};

    const LOG: &str = "2026-01-01T00:00:00.5Z stdout F one\n2026-01-01T00:00:01Z stdout P tw\n\
        2026-01-01T00:00:02Z stdout F o\n2026-01-01T00:00:03Z stderr F three\n";

    async fn read(options: Options) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        std::fs::File::create(&path)
            .unwrap()
            .write_all(LOG.as_bytes())
            .unwrap();
        let (out, mut pieces) = tokio::sync::mpsc::channel(16);
        send(path, options, || async { true }.boxed(), out)
            .await
            .unwrap();
        let mut text = Vec::new();
        while let Some(piece) = pieces.recv().await {
            text.extend_from_slice(&piece.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn a_log_is_read_as_it_was_asked_for() {
        let check = async |options, expected: &str| assert_eq!(read(options).await, expected);
        check(Options::default(), "one\ntwo\nthree\n").await;
        check(
            Options {
                follow: true,
                ..Options::default()
            },
            "one\ntwo\nthree\n",
        )
        .await;
        check(
            Options {
                tail: Some(1),
                ..Options::default()
            },
            "three\n",
        )
        .await;
        check(
            Options {
                tail: Some(0),
                ..Options::default()
            },
            "",
        )
        .await;
        check(
            Options {
                tail: Some(99),
                ..Options::default()
            },
            "one\ntwo\nthree\n",
        )
        .await;
        check(
            Options {
                limit: Some(5),
                ..Options::default()
            },
            "one\nt",
        )
        .await;
        let since = Some("2026-01-01T00:00:03Z".parse().unwrap());
        check(
            Options {
                since,
                ..Options::default()
            },
            "three\n",
        )
        .await;
    }

    #[tokio::test]
    async fn times_are_shown_if_they_are_asked_for() {
        let stamped = "2026-01-01T00:00:02Z o\n2026-01-01T00:00:03Z three\n";
        let options = Options {
            timestamps: true,
            tail: Some(2),
            ..Options::default()
        };
        assert_eq!(read(options).await, stamped);
    }

    #[tokio::test]
    async fn a_followed_log_goes_on_until_the_container_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let mut file = std::fs::File::create(&path).unwrap();
        let (out, mut pieces) = tokio::sync::mpsc::channel(16);
        let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = ended.clone();
        let options = Options {
            follow: true,
            ..Options::default()
        };
        let ended_now = move || {
            let ended = seen.load(std::sync::atomic::Ordering::SeqCst);
            async move { ended }.boxed()
        };
        let sending = tokio::spawn(send(path, options, ended_now, out));
        file.write_all(b"2026-01-01T00:00:00Z stdout F late\n")
            .unwrap();
        assert_eq!(pieces.recv().await.unwrap().unwrap().as_ref(), b"late\n");
        file.write_all(b"2026-01-01T00:00:00Z stdout F last\n")
            .unwrap();
        ended.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(pieces.recv().await.unwrap().unwrap().as_ref(), b"last\n");
        assert!(pieces.recv().await.is_none());
        sending.await.unwrap().unwrap();
    }
}
