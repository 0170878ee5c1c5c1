//! The server: a thread of its own with a small runtime, so that HTTP never delays a call.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::StartError;
use crate::inbox::ClientAddress;

/// Threads that serve requests: they read from SQLite and write JSON, and calls need the rest.
const WORKERS: usize = 2;

/// Connections at once: chat sockets and event streams stay open, at some 20 kB each.
const CONNECTIONS: usize = 16_384;

/// Connections of one address: an office with all its windows, or visitors behind one provider. Who
/// has one address does not keep everybody else out. Proxies that are trusted have as many as there
/// are.
const OF_ONE_ADDRESS: usize = 4_096;

/// How long a client may take to send the head of a request, and may stay without one.
const HEAD: Duration = Duration::from_secs(30);

/// Headers of one request.
const HEADERS: usize = 64;

/// Octets of the head of one request.
const HEAD_OCTETS: usize = 32 * 1024;

/// How long a client may take nothing of what is sent: then its connection is cut.
const STALLED: Duration = Duration::from_secs(30);

/// How long requests may go on once the daemon ends.
const GOODBYES: Duration = Duration::from_secs(5);

/// How long until connections are taken again after the system refused to give one.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// The running server. Dropping it lets requests end, for some seconds.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<watch::Sender<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens, and serves on threads of its own. `begin` makes the router on their runtime, told
    /// when the server stops.
    pub(super) fn start(
        listen: SocketAddr,
        stop: Arc<watch::Sender<bool>>,
        is_proxy: impl Fn(IpAddr) -> bool + Send + 'static,
        begin: impl FnOnce() -> Router + Send + 'static,
    ) -> Result<Server, StartError> {
        let failed = |source| StartError::Listen { listen, source };
        let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(16)
            .thread_name("http")
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let stopping = stop.subscribe();
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    match TcpListener::from_std(listener) {
                        Ok(listener) => serve(listener, begin(), is_proxy, stopping).await,
                        Err(error) => tracing::error!("HTTP cannot be served: {error}"),
                    }
                });
                runtime.shutdown_timeout(GOODBYES);
            })
            .map_err(StartError::Thread)?;
        Ok(Server {
            address,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: TcpListener,
    router: Router,
    is_proxy: impl Fn(IpAddr) -> bool,
    mut stop: watch::Receiver<bool>,
) {
    let peers = Peers::default();
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("HTTP: no connection can be taken: {error}");
                let _ = tokio::time::timeout(ACCEPT_AGAIN, stop.wait_for(|stop| *stop)).await;
                continue;
            }
        };
        // One too many is closed at once, which costs nobody else anything.
        let most = match is_proxy(peer.ip().to_canonical()) {
            true => CONNECTIONS,
            false => OF_ONE_ADDRESS,
        };
        let place = peers.come(ClientAddress(peer.ip()).network(), most);
        let permit = Arc::clone(&permits).try_acquire_owned().ok();
        if let (Some(place), Some(permit)) = (place, permit) {
            let (router, stop) = (router.clone(), stop.clone());
            connections.spawn(async move {
                connection(stream, peer, router, stop).await;
                drop((place, permit));
            });
        }
    }
    drop(listener);
    connections.close();
    let _ = tokio::time::timeout(GOODBYES, connections.wait()).await;
}

/// How many connections each address has.
#[derive(Clone, Debug, Default)]
struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection of an address, until it is dropped.
#[derive(Debug)]
struct Connected {
    peers: Peers,
    address: IpAddr,
}

impl Peers {
    /// Another connection of this address; `None`: it has `most` already.
    fn come(&self, address: IpAddr, most: usize) -> Option<Connected> {
        let mut counts = self.counts();
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Connected {
            peers: self.clone(),
            address,
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut counts = self.peers.counts();
        if let Some(count) = counts.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let socket = socket2::SockRef::from(&stream);
    // A system without it cuts stalled clients later.
    let _ = socket.set_tcp_user_timeout(Some(STALLED));
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_OCTETS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // How it ended concerns the client alone.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_others_have_theirs() {
        let peers = Peers::default();
        let [one, other] = [1, 2].map(|n| IpAddr::from([192, 0, 2, n]));
        let first = peers.come(one, 2);
        let second = peers.come(one, 2);
        assert!(first.is_some() && second.is_some());
        assert!(peers.come(one, 2).is_none());
        assert!(peers.come(other, 2).is_some());
        drop(first);
        assert!(peers.come(one, 2).is_some());
        drop(second);
        assert!(peers.counts().is_empty());
    }
}
