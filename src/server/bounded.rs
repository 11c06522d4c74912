//! A connection to a client that may be slow to read, or never read at all.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How long a client may take to read an answer, counted from when the system takes no more of it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the rest of what a client sends is read and dropped after the last answer.
const LINGER: Duration = Duration::from_secs(1);
/// How much of it is.
const LINGER_BYTES: usize = 256 * 1024;

/// A TCP stream whose writes and end take bounded time.
pub(super) struct Bounded {
    stream: TcpStream,
    /// When an answer that was begun must have been taken; none while nothing is held up.
    deadline: Option<Pin<Box<Sleep>>>,
    ending: Option<Ending>,
}

/// The end of a connection: our side is shut, the client's is read out.
///
/// A socket that is closed with unread bytes in it resets the connection, and the reset can overtake the answer: who sent too
/// large a head would never read that it was.
struct Ending {
    deadline: Pin<Box<Sleep>>,
    left: usize,
}

impl Bounded {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, deadline: None, ending: None }
    }

    /// Passes on what a write or flush came to, or that it took too long.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            return progress;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(ANSWER_TIMEOUT)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.in_time(cx, progress)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.in_time(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // Whoever writes flushes once all of an answer is written, and not before.
        self.deadline = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, ending, .. } = &mut *self;
        if ending.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        let ending = ending.get_or_insert_with(|| Ending { deadline: Box::pin(sleep(LINGER)), left: LINGER_BYTES });
        ending.poll(stream, cx).map(Ok)
    }
}

impl Ending {
    /// Reads until the client ends its side, or long enough.
    fn poll(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<()> {
        let mut dropped = [0; 4096];
        while self.left > 0 && self.deadline.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut dropped);
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                break;
            }
            self.left = self.left.saturating_sub(buf.filled().len());
        }
        Poll::Ready(())
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        if self.deadline.is_some() {
            // Otherwise the system would keep the rest of the answer, for minutes, for somebody who does not read it.
            let _ = self.stream.set_zero_linger();
        }
    }
}
