//! A TCP stream with timeouts for clients that read slowly or not at all.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How long a client may take to read a response once the send buffer is full.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long input is discarded after the last response.
const LINGER: Duration = Duration::from_secs(1);
/// How much input is discarded after the last response, in bytes.
const LINGER_BYTES: usize = 256 * 1024;

/// A TCP stream whose writes and shutdown take bounded time.
pub(super) struct TimedStream {
    stream: TcpStream,
    /// When the pending write must be done. Absent while no write has blocked.
    deadline: Option<Pin<Box<Sleep>>>,
    draining: Option<Draining>,
}

/// The shutdown of a connection: our side is closed, and input is discarded until the client closes its side.
///
/// Closing a socket with unread input resets the connection, and the reset can overtake the response: a client whose request was too
/// large would not learn why it was refused.
struct Draining {
    deadline: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl TimedStream {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, deadline: None, draining: None }
    }

    /// Returns the progress of a write, or a timeout when it has been blocked for too long.
    fn with_timeout<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            return progress;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.with_timeout(cx, progress)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.with_timeout(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // hyper flushes once the whole response is written, and not before.
        self.deadline = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, draining, .. } = &mut *self;
        if draining.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        let draining = draining.get_or_insert_with(|| Draining { deadline: Box::pin(sleep(LINGER)), bytes_left: LINGER_BYTES });
        draining.poll(stream, cx).map(Ok)
    }
}

impl Draining {
    /// Discards input until the client closes its side or a limit is reached.
    fn poll(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<()> {
        let mut discarded = [0; 4096];
        while self.bytes_left > 0 && self.deadline.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut discarded);
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                break;
            }
            self.bytes_left = self.bytes_left.saturating_sub(buf.filled().len());
        }
        Poll::Ready(())
    }
}

impl Drop for TimedStream {
    fn drop(&mut self) {
        if self.deadline.is_some() {
            // Otherwise the kernel would buffer the rest of the response for minutes for a client that does not read it.
            let _ = self.stream.set_zero_linger();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (TimedStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        (TimedStream::new(listener.accept().await.expect("a connection").0), client)
    }

    // The paused clock advances when all tasks are idle, that is, when the send buffer is full.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_reset_after_the_timeout() {
        let (mut server, mut client) = pair().await;
        let began = tokio::time::Instant::now();
        let error = loop {
            if let Err(error) = server.write_all(&[0; 8 * 1024]).await {
                break error;
            }
        };
        assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, WRITE_TIMEOUT.as_secs()));
        drop(server);
        let error = client.read_to_end(&mut Vec::new()).await.expect_err("a reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test(start_paused = true)]
    async fn a_completed_response_clears_the_timeout() {
        let (mut server, mut client) = pair().await;
        let _ = server.with_timeout::<()>(&mut Context::from_waker(std::task::Waker::noop()), Poll::Pending);
        server.write_all(b"response").await.expect("written");
        server.flush().await.expect("flushed");
        assert!(server.deadline.is_none());
        let mut response = [0; 8];
        client.read_exact(&mut response).await.expect("a response");
    }

    #[tokio::test(start_paused = true)]
    async fn the_shutdown_waits_for_the_client_for_a_bounded_time() {
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
