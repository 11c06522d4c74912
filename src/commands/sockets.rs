//! Listening sockets: addresses from the command line, or sockets that systemd has opened. This module accepts no connection.

use crate::commands::cli::Options;
use crate::system::lane::Lane;
use listenfd::ListenFd;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as Socket, ToSocketAddrs};
use tokio::net::TcpListener;

/// What to listen on.
pub(crate) enum Places {
    /// `HOST:PORT`, not yet open.
    Addresses(Vec<String>),
    /// Opened by systemd.
    Sockets(Vec<Socket>),
}

/// Why the server cannot listen, and the fix.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("cannot listen on {address}: {source}; choose another with --web.listen-address")]
    Listen { address: String, source: io::Error },
    #[error("cannot use a socket of systemd: {0}")]
    Unusable(#[source] io::Error),
    #[error("--web.systemd-socket: socket {0} of systemd cannot be used: {1}; use ListenStream=HOST:PORT and Accept=no")]
    Unfit(usize, #[source] io::Error),
    #[error("--web.systemd-socket: there is no socket from systemd; start the program through a socket unit, or drop the option")]
    NoSocket,
}

impl Places {
    /// As the command line says. Call it before the program has threads: it takes systemd's variables out of the environment.
    ///
    /// # Errors
    /// What is wrong with systemd's sockets.
    pub(crate) fn of(options: &Options) -> Result<Self, SocketError> {
        if options.systemd_socket {
            inherited().map(Self::Sockets)
        } else {
            Ok(Self::Addresses(options.listen_addresses.clone()))
        }
    }

    /// Listens, within a runtime. The lane looks names up.
    ///
    /// # Errors
    /// The first address or socket that cannot be used.
    pub(crate) async fn listen(self, lane: &Lane) -> Result<Vec<TcpListener>, SocketError> {
        let mut listeners = Vec::new();
        match self {
            Self::Sockets(sockets) => {
                for socket in sockets {
                    let listener = socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket));
                    listeners.push(listener.map_err(SocketError::Unusable)?);
                }
            }
            Self::Addresses(addresses) => {
                for address in addresses {
                    let listener = bind(&address, lane).await;
                    listeners.push(listener.map_err(|source| SocketError::Listen { address, source })?);
                }
            }
        }
        Ok(listeners)
    }
}

fn inherited() -> Result<Vec<Socket>, SocketError> {
    let mut handed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for i in 0..handed.len() {
        let socket = handed.take_tcp_listener(i).map_err(|error| SocketError::Unfit(i, error))?;
        let socket = socket.ok_or_else(|| SocketError::Unfit(i, io::Error::other("it is taken")))?;
        if !rustix::net::sockopt::socket_acceptconn(&socket).unwrap_or(false) {
            return Err(SocketError::Unfit(i, io::Error::other("it does not listen")));
        }
        sockets.push(socket);
    }
    if sockets.is_empty() { Err(SocketError::NoSocket) } else { Ok(sockets) }
}

async fn bind(address: &str, lane: &Lane) -> io::Result<TcpListener> {
    let every_host = address.strip_prefix(':').and_then(|port| port.parse().ok());
    let addresses = if let Some(port) = every_host {
        // One socket for both families, or IPv4 alone on a machine without IPv6.
        vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))]
    } else {
        let name = address.to_owned();
        let found = lane.run(move || name.to_socket_addrs().map(Iterator::collect)).await;
        found.map_err(io::Error::other)??
    };
    TcpListener::bind(addresses.as_slice()).await
}
