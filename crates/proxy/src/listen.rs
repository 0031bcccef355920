//! Accepting: sockets, the PROXY protocol, TLS, and which protocol a connection speaks.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use portcullis_gate::edge::proxy_protocol;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::buffers::Buffer;
use crate::core::{Core, Entered};
use crate::h1::Caller;
use crate::h1::{self, Door};
use crate::h2;
use crate::io::Stream;

/// How long accepting rests after the process ran out of file descriptors.
const BREATH: Duration = Duration::from_millis(50);
/// Connections waiting to be accepted.
const BACKLOG: i32 = 4096;

/// A bound socket, before it belongs to a core.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// What the connections of one listener begin with.
#[derive(Clone)]
pub(crate) struct Manner {
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) proxy_protocol: bool,
}

/// Whether nobody listens there yet. Sockets that share a port would not notice another process that shares
/// it too, and the kernel would give that one half of our connections.
pub(crate) fn check_free(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

/// Binds a TCP socket that other cores may bind too.
pub(crate) fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` takes IPv4 too, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Binds a Unix socket; one that a dead process left behind is replaced, a living one is not.
pub(crate) fn bind_unix(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts until `ended`, and then those who were let into the queue before: to close it with them in it would
/// reset them.
pub(crate) async fn accept(
    core: Rc<Core>,
    bound: Bound,
    manner: Manner,
    ended: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut ended = pin!(ended);
    let mut left = BACKLOG;
    match bound {
        Bound::Tcp(listener) => {
            let listener = TcpListener::from_std(listener)?;
            while left > 0 {
                tokio::select! {
                    biased;
                    accepted = listener.accept() => match accepted {
                        Ok((stream, peer)) => {
                            hold(&core, greet_tcp(Rc::clone(&core), stream, peer.ip(), manner.clone()));
                        }
                        Err(error) => rest(&error).await,
                    },
                    () = &mut ended => return Ok(()),
                }
                left -= i32::from(core.shared.is_draining());
            }
        }
        Bound::Unix(listener) => {
            let listener = UnixListener::from_std(listener)?;
            while left > 0 {
                tokio::select! {
                    biased;
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => {
                            hold(&core, std::future::ready(greet_unix(&core, stream)));
                        }
                        Err(error) => rest(&error).await,
                    },
                    () = &mut ended => return Ok(()),
                }
                left -= i32::from(core.shared.is_draining());
            }
        }
    }
    Ok(())
}

/// Serves a connection on a task of its own, which its core waits for.
///
/// First it is greeted, then it is served: two futures one after the other take the room of the larger, where the
/// one inside the other would take that of both (2.3 KiB a connection instead of 1.2).
fn hold(core: &Rc<Core>, greeting: impl Future<Output = Option<Greeted>> + 'static) {
    let held = core.hold();
    let core = Rc::clone(core);
    tokio::task::spawn_local(async move {
        if let Some(Greeted { entered, door, http2 }) = greeting.await {
            let door = if http2 { Some(door) } else { h1::serve(Rc::clone(&core), door).await };
            // What only some connections need is boxed: every waiting connection would carry the room for it.
            if let Some(Door { stream, caller, inbox }) = door {
                Box::pin(h2::serve(core, stream, caller, inbox)).await;
            }
            drop(entered);
        }
        drop(held);
    });
}

/// A connection that was let in.
struct Greeted {
    entered: Entered,
    door: Door,
    /// Whether it was agreed to speak HTTP/2.
    http2: bool,
}

/// A client that went away before it was accepted is nothing; no descriptors left needs a moment.
async fn rest(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tokio::time::sleep(BREATH).await;
    }
}

fn greet_unix(core: &Rc<Core>, stream: UnixStream) -> Option<Greeted> {
    let caller = Caller { peer: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: false };
    let entered = core.shared.enter(caller.peer)?;
    let door = Door { stream: Stream::Unix(stream), caller, inbox: Buffer::default() };
    Some(Greeted { entered, door, http2: false })
}

async fn greet_tcp(core: Rc<Core>, mut stream: TcpStream, peer: IpAddr, manner: Manner) -> Option<Greeted> {
    // Small answers must not wait for the other side's acknowledgement.
    stream.set_nodelay(true).ok()?;
    let header_timeout = core.local().settings.caps.header_timeout;
    let mut peer = portcullis_core::client::canonical(peer);
    if manner.proxy_protocol {
        peer = Box::pin(timeout(header_timeout, introduced(&core, &mut stream, peer))).await.ok()??;
    }
    let entered = core.shared.enter(peer)?;
    let inbox = Buffer::default();
    let Some(config) = manner.tls else {
        let caller = Caller { peer, secure: false };
        let door = Door { stream: Stream::Tcp(stream), caller, inbox };
        return Some(Greeted { entered, door, http2: false });
    };
    let handshake = Box::pin(timeout(header_timeout, TlsAcceptor::from(config).accept(stream)));
    let stream = handshake.await.ok()?.ok()?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let caller = Caller { peer, secure: true };
    Some(Greeted { entered, door: Door { stream: Stream::Tls(Box::new(stream)), caller, inbox }, http2 })
}

/// The address that a trusted proxy names in its PROXY header; `None` ends the connection.
///
/// Only the header is taken from the connection: what stands behind it, such as the `ClientHello` in the same
/// packet, is looked at and left where it is.
async fn introduced(core: &Core, stream: &mut TcpStream, peer: IpAddr) -> Option<IpAddr> {
    if !core.local().policy.edge().trusts(peer) {
        return None;
    }
    let mut header = Vec::new();
    let mut seen = [0; 512];
    loop {
        let count = stream.peek(&mut seen).await.ok()?;
        if count == 0 {
            return None;
        }
        let before = header.len();
        header.extend_from_slice(&seen[..count]);
        let found = proxy_protocol::parse(&header).ok()?;
        // Until it is whole, all that came belongs to it.
        let taken = found.map_or(count, |(_, length)| length.saturating_sub(before));
        stream.read_exact(&mut seen[..taken]).await.ok()?;
        if let Some((header, _)) = found {
            return Some(
                header.source.map_or(peer, |source| portcullis_core::client::canonical(source.ip())),
            );
        }
    }
}
