//! Where the server listens: at the addresses of the command line, or on sockets that systemd has opened. It accepts nothing.

use crate::commands::cli::Options;
use crate::system::lane::Lane;
use listenfd::ListenFd;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as Socket, ToSocketAddrs};
use tokio::net::TcpListener;

/// What to listen on.
pub(crate) enum Places {
    /// `HOST:PORT`, to be opened.
    Addresses(Vec<String>),
    /// Opened by systemd.
    Sockets(Vec<Socket>),
}

impl Places {
    /// As the command line says. To be called before the program has threads: it takes systemd's variables out of the environment.
    ///
    /// # Errors
    /// What is wrong with systemd's sockets, and the mend.
    pub(crate) fn of(options: &Options) -> Result<Self, String> {
        if options.systemd_socket {
            inherited().map(Self::Sockets)
        } else {
            Ok(Self::Addresses(options.listen_addresses.clone()))
        }
    }

    /// Listens, within a runtime. Names are looked up in the lane.
    ///
    /// # Errors
    /// Where it cannot listen, and the mend.
    pub(crate) async fn listen(self, lane: &Lane) -> Result<Vec<TcpListener>, String> {
        let mut listeners = Vec::new();
        match self {
            Self::Sockets(sockets) => {
                for socket in sockets {
                    let listener = socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket));
                    listeners.push(listener.map_err(|error| format!("cannot use a socket of systemd: {error}"))?);
                }
            }
            Self::Addresses(addresses) => {
                for address in addresses {
                    let listener = bind(&address, lane).await;
                    listeners.push(listener.map_err(|error| {
                        format!("cannot listen on {address}: {error}; choose another with --web.listen-address")
                    })?);
                }
            }
        }
        Ok(listeners)
    }
}

fn inherited() -> Result<Vec<Socket>, String> {
    let mut handed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for i in 0..handed.len() {
        let bad = |cause: String| {
            format!(
                "--web.systemd-socket: socket {i} of systemd cannot be used: {cause}; use ListenStream=HOST:PORT and Accept=no"
            )
        };
        let socket = handed.take_tcp_listener(i).map_err(|error| bad(error.to_string()))?;
        let socket = socket.ok_or_else(|| bad("it is taken".to_owned()))?;
        if !rustix::net::sockopt::socket_acceptconn(&socket).unwrap_or(false) {
            return Err(bad("it does not listen".to_owned()));
        }
        sockets.push(socket);
    }
    if sockets.is_empty() {
        let mend = "start the program by way of a socket unit, or leave the option out";
        return Err(format!("--web.systemd-socket: there is no socket from systemd; {mend}"));
    }
    Ok(sockets)
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
