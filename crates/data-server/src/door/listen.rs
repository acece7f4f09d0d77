//! The door's listener.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::Door;

/// Connections at a time; others wait.
const CONNECTIONS: usize = 4_096;
/// The head of a request is there within this.
const HEAD: Duration = Duration::from_secs(30);
/// Bytes of a head at most, and of a body that wait for an endpoint.
const BUFFER: usize = 64 << 10;
/// Before another connection is accepted after one could not be.
const PAUSE: Duration = Duration::from_millis(50);

/// Answers requests until the end, and then those that are under way.
pub(crate) async fn accept(door: Arc<Door>, listener: TcpListener, mut stopped: watch::Receiver<()>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            (permit, accepted) = next => match accepted {
                Ok((stream, caller)) => {
                    let served = connection(door.clone(), stream, caller, stopped.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                // Such as too many open files, which passes.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(door: Arc<Door>, stream: TcpStream, caller: SocketAddr, mut stopped: watch::Receiver<()>) {
    // Without it an answer waits for the acknowledgement of the one before.
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(door.answer(request, caller).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // The other side is gone, or has said nonsense.
        _ = served.as_mut() => return,
        _ = stopped.changed() => served.as_mut().graceful_shutdown(),
    }
    drop(served.await);
}
