//! A person's terminal joined to a container's streams.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use futures::channel::mpsc;
use futures::{AsyncBufReadExt, SinkExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess, LogParams, TerminalSize};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::{SignalKind, signal};

use crate::printer::Printer;

/// Bytes on their way; large enough that a big `cat` is not broken into crumbs.
const BUFFER: usize = 64 * 1024;

/// A terminal in raw mode; dropping it gives the terminal back as it was.
struct Raw(Termios);

impl Raw {
    fn enter() -> Result<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).context("the terminal's settings cannot be read")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Drain, &raw)
            .context("the terminal cannot be put into raw mode")?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone need not be given back.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Joins standard input and output to the container until its streams end.
pub(crate) async fn attach(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    tty: bool,
    printer: Printer,
) -> Result<()> {
    let terminal = tty && std::io::stdin().is_terminal();
    if tty && !terminal {
        printer.say("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    let params = AttachParams::default()
        .container(container)
        .stdin(true)
        .stdout(true)
        .stderr(!tty)
        .tty(tty)
        .max_stdin_buf_size(BUFFER)
        .max_stdout_buf_size(BUFFER)
        .max_stderr_buf_size(BUFFER);
    let process = pods
        .attach(pod, &params)
        .await
        .with_context(|| format!("cannot attach to {container}"))?;
    printer.say("If you don't see a command prompt, try pressing enter.");
    let _raw = if terminal { Some(Raw::enter()?) } else { None };
    join(process, terminal).await
}

async fn join(mut process: AttachedProcess, terminal: bool) -> Result<()> {
    if let (true, Some(sizes)) = (terminal, process.terminal_size()) {
        tokio::spawn(resize(sizes));
    }
    if let Some(mut stdin) = process.stdin() {
        // Ends with the program: a read of a terminal cannot be taken back.
        tokio::spawn(async move {
            let copied = tokio::io::copy(&mut tokio::io::stdin(), &mut stdin).await;
            let _ = stdin.shutdown().await;
            copied
        });
    }
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let out = async {
        if let Some(mut stream) = stdout {
            let mut to = tokio::io::stdout();
            tokio::io::copy(&mut stream, &mut to).await?;
            to.flush().await?;
        }
        anyhow::Ok(())
    };
    let err = async {
        if let Some(mut stream) = stderr {
            tokio::io::copy(&mut stream, &mut tokio::io::stderr()).await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(out, err).context("the container's streams broke off")?;
    Ok(())
}

/// Tells the container's terminal the size of this one, at first and whenever it changes.
async fn resize(mut sizes: mpsc::Sender<TerminalSize>) -> Result<()> {
    let mut changes = signal(SignalKind::window_change())?;
    loop {
        let now = tcgetwinsize(std::io::stdout())?;
        sizes
            .send(TerminalSize {
                width: now.ws_col,
                height: now.ws_row,
            })
            .await?;
        if changes.recv().await.is_none() {
            return Ok(());
        }
    }
}

/// Prints the container's log as it grows, until it ends.
pub(crate) async fn follow(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    printer: Printer,
) -> Result<()> {
    let params = LogParams {
        container: Some(container.to_owned()),
        follow: true,
        ..LogParams::default()
    };
    let mut log = pods
        .log_stream(pod, &params)
        .await
        .context("the container's log cannot be followed")?;
    let mut line = Vec::new();
    while log.read_until(b'\n', &mut line).await? > 0 {
        printer.bytes(&line)?;
        line.clear();
    }
    Ok(())
}

/// Prints what an ended container left in its log.
pub(crate) async fn print_log(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    printer: Printer,
) -> Result<()> {
    let params = LogParams {
        container: Some(container.to_owned()),
        ..LogParams::default()
    };
    let log = pods
        .logs(pod, &params)
        .await
        .context("the container's log cannot be read")?;
    Ok(printer.bytes(log.as_bytes())?)
}
