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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (Bounded, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        (Bounded::new(listener.accept().await.expect("a connection").0), client)
    }

    // The clock runs ahead once nothing else can be done, which is when the system takes no more bytes.
    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_reset_in_time() {
        let (mut server, mut client) = pair().await;
        let began = tokio::time::Instant::now();
        let error = loop {
            if let Err(error) = server.write_all(&[0; 8 * 1024]).await {
                break error;
            }
        };
        assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, ANSWER_TIMEOUT.as_secs()));
        drop(server);
        let error = client.read_to_end(&mut Vec::new()).await.expect_err("a reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_leaves_time_for_the_next() {
        let (mut server, mut client) = pair().await;
        let _ = server.in_time::<()>(&mut Context::from_waker(std::task::Waker::noop()), Poll::Pending);
        server.write_all(b"answer").await.expect("written");
        server.flush().await.expect("flushed");
        assert!(server.deadline.is_none());
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await.expect("an answer");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_the_client_but_not_for_ever() {
        let (mut server, client) = pair().await;
        let began = tokio::time::Instant::now();
        server.shutdown().await.expect("shut");
        assert_eq!(began.elapsed().as_secs(), LINGER.as_secs());
        drop(client);
        let (mut server, mut client) = pair().await;
        client.write_all(&[0; 1000]).await.expect("sent");
        client.shutdown().await.expect("shut");
        server.shutdown().await.expect("shut");
        assert_eq!(client.read_to_end(&mut Vec::new()).await.expect("no reset"), 0);
    }
}
