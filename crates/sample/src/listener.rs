//! Where the application listens: a TCP address or a Unix socket.

use axum::Router;
use axum::serve::ListenerExt;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// On a TCP address.
    Tcp(TcpListener),
    /// On a Unix socket; its file is removed when serving ends.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Binds `HOST:PORT` or `unix:PATH`. A socket file that nobody answers at any more is replaced.
    pub async fn bind(address: &str) -> io::Result<Listener> {
        match address.strip_prefix("unix:") {
            Some(path) => bind_unix(Path::new(path)).await,
            None => Ok(Listener::Tcp(TcpListener::bind(address).await?)),
        }
    }

    /// Where it is bound, in the form that a gateway takes as its upstream: `http://HOST:PORT` or `unix:PATH`.
    pub fn address(&self) -> io::Result<String> {
        match self {
            Listener::Tcp(listener) => Ok(format!("http://{}", listener.local_addr()?)),
            Listener::Unix(_, path) => Ok(format!("unix:{}", path.display())),
        }
    }
}

/// Serves until the task is dropped.
pub async fn serve(listener: Listener, application: Router) -> io::Result<()> {
    serve_until(listener, application, std::future::pending()).await
}

/// Serves until `stop` is ready, then lets requests that are under way finish.
pub async fn serve_until(
    listener: Listener,
    application: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    match listener {
        Listener::Tcp(listener) => {
            // Small answers are not to wait for an acknowledgement; a failure here costs latency, no more.
            let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
            axum::serve(listener, application).with_graceful_shutdown(stop).await
        }
        Listener::Unix(listener, path) => {
            let served = axum::serve(listener, application).with_graceful_shutdown(stop).await;
            let removed = std::fs::remove_file(path);
            served.and(removed)
        }
    }
}

async fn bind_unix(path: &Path) -> io::Result<Listener> {
    let bound = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(path).await => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    };
    Ok(Listener::Unix(bound?, path.to_owned()))
}

async fn is_left_over(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket && UnixStream::connect(path).await.is_err()
}
