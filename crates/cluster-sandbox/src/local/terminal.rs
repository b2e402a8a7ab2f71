//! The master of a terminal as an asynchronous stream.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Sleep;

use crate::runtime::TerminalSize;

/// How long output may still come after the process ended while another process holds the terminal open.
const AFTERMATH: Duration = Duration::from_millis(200);

/// Reads and writes a terminal's master; each clone is another handle on the same terminal.
pub(super) struct Terminal {
    master: Arc<AsyncFd<OwnedFd>>,
    ended: watch::Receiver<bool>,
    waiting: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Resolves some time after the process has ended.
async fn aftermath(mut ended: watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
    let sleep: Sleep = tokio::time::sleep(AFTERMATH);
    sleep.await;
}

impl Clone for Terminal {
    fn clone(&self) -> Self {
        Self {
            master: self.master.clone(),
            ended: self.ended.clone(),
            waiting: Box::pin(aftermath(self.ended.clone())),
        }
    }
}

impl Terminal {
    pub(super) fn new(master: OwnedFd, ended: watch::Receiver<bool>) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&master, true)?;
        let waiting = Box::pin(aftermath(ended.clone()));
        Ok(Self {
            master: Arc::new(crate::sys::register(master)?),
            ended,
            waiting,
        })
    }

    pub(super) fn resize(&self, size: TerminalSize) {
        let size = Winsize {
            ws_row: size.height,
            ws_col: size.width,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let _ = tcsetwinsize(self.master.get_ref(), size);
    }
}

impl AsyncRead for Terminal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let mut guard = match this.master.poll_read_ready(context) {
                Poll::Ready(guard) => guard?,
                Poll::Pending => return this.waiting.as_mut().poll(context).map(Ok),
            };
            let free = buffer.initialize_unfilled();
            match guard
                .try_io(|master| rustix::io::read(master, &mut *free).map_err(io::Error::from))
            {
                Ok(Ok(count)) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                // The last process has closed the terminal.
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Terminal {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.master.poll_write_ready(context))?;
            if let Ok(outcome) =
                guard.try_io(|master| rustix::io::write(master, bytes).map_err(io::Error::from))
            {
                return Poll::Ready(outcome);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
