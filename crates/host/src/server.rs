//! Connections to requests.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::answer::{GRACE, is_draining};
use crate::control::{self, ConfigError};
use crate::group::Group;
use crate::patience::Patient;
use crate::public_listener::{self, Opened, PublicListener};
use crate::recorder::Recorder;
use crate::records::Records;
use crate::shared::{MOST_REQUESTS, Shared};
use crate::socket::{Listener, Socket};
use crate::{admin, answer, http_rules, runs, takeover};

/// Connections at a time; beyond it a caller is told to come again.
const MOST_CONNECTIONS: usize = 4096;
/// A head that is longer is refused: what we send is a route of 8 KiB, a path of 4, and little more.
const LONGEST_HEAD: usize = 64 << 10;
/// Who is connected when the listener of a service that moved closes is answered for so long, and told to connect anew: cut
/// between two requests, he would take it for a failure.
const LINGERS: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Such a listener lets callers in for so long whose first packet came before another listener took over: half
/// connected, they would be cut off.
const LETS_IN: Duration = Duration::from_millis(100);
/// Headers that take longer are an attack (slowloris) or a dead peer.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// A service's server.
pub struct Server {
    shared: Arc<Shared>,
    /// Its own address, and what is beside it for those on this machine.
    admin: Vec<Listener>,
    front: UnboundedReceiver<Opened>,
    address: SocketAddr,
    /// Ends with the server.
    tasks: JoinSet<()>,
}

/// A service that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Its configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    /// There are no threads to be had.
    #[error("cannot start threads: {source}")]
    Runtime { source: io::Error },
    /// Its library, named in the configuration, is not taken over.
    #[error("cannot take {library} over: {why}")]
    Library {
        /// File name.
        library: String,
        why: String,
    },
}

impl HostError {
    /// Whether somebody else has the address.
    pub fn is_address_in_use(&self) -> bool {
        matches!(self, Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }
}

impl Server {
    /// Reads the configuration in `folder`, listens, and takes the library over that it names. It is the only service of
    /// its host.
    pub async fn bind(folder: &Path) -> Result<Self, HostError> {
        Self::bind_among(folder, &Group::new()).await
    }

    /// The same beside other services of one host.
    pub(crate) async fn bind_among(folder: &Path, group: &Arc<Group>) -> Result<Self, HostError> {
        let settings = control::read(folder)?;
        let address = settings.config.listen;
        let listen = |source| HostError::Listen { address, source };
        let listener = public_listener::bind(address, false).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let mut admin = vec![Listener::Tcp(listener)];
        match Listener::beside(address) {
            Ok(door) => admin.extend(door),
            Err(error) => eprintln!("dyninka: services of this machine come by TCP: {error}"),
        }
        match group.handed(folder).await {
            Ok(handed) => admin.extend(handed),
            Err(error) => eprintln!("dyninka: other containers come by TCP: no socket is handed over: {error}"),
        }
        let (library, front) = (settings.config.library.clone(), settings.config.front);
        let (door, opened) = PublicListener::new();
        let (recorder, queue) = Recorder::new();
        let (records, recorded) = Records::new(recorder.epoch);
        let shared = Arc::new(Shared::new(group, folder.to_owned(), settings, recorder, records, door));
        shared.front.lead(front).map_err(|source| HostError::Listen { address: front.unwrap_or(address), source })?;
        let mut tasks = JoinSet::new();
        let keeper = shared.clone();
        tasks.spawn(async move { keeper.recorder.keep(queue).await });
        let keeper = shared.clone();
        tasks.spawn(async move { keeper.records.keep(&keeper.group, recorded).await });
        if let Some(library) = library {
            let taken = takeover::take_over(&shared, &library).await;
            taken.map_err(|error| HostError::Library { library, why: error.to_string() })?;
        }
        group.join(&told(&shared, address), &shared);
        Ok(Self { shared, admin, front: opened, address, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The service it runs, by its Rust name.
    pub fn service(&self) -> String {
        self.shared.settings.load().config.service.clone()
    }

    /// Serves until `end` is ready, then answers what has begun, and returns.
    pub async fn serve(mut self, end: impl Future<Output = ()>) {
        let (draining, drained) = watch::channel(false);
        let (mut loops, mut fronts) = (JoinSet::new(), JoinSet::new());
        for listener in self.admin {
            loops.spawn(accept(Opened { listener, end: drained.clone() }, self.shared.clone()));
        }
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                Some(door) = self.front.recv() => drop(fronts.spawn(accept(door, self.shared.clone()))),
            }
        }
        if self.shared.entrance.moved().is_some() {
            // Callers find it elsewhere by now. Those who are on their way here are let in, and passed on.
            close_front(&self.shared);
            tokio::time::sleep(LETS_IN).await;
            while fronts.join_next().await.is_some() {}
        }
        self.shared.draining.store(true, Ordering::Release);
        // From here on readiness fails and every answer closes its connection, so that nobody is left who would be cut.
        tokio::time::sleep(Duration::from_millis(self.shared.settings.load().config.limits.linger_ms)).await;
        draining.send_replace(true);
        // Services of a host that ends find each other to the last: who is called is not gone before who calls.
        if !self.shared.group.is_ending() {
            self.shared.group.leave(&self.shared);
        }
        close_front(&self.shared);
        self.shared.recorder.close();
        self.shared.asks.close();
        self.shared.records.close();
        let longest =
            Duration::from_millis(self.shared.settings.load().config.limits.deadline_ms) + Duration::from_secs(1);
        let all = async {
            while loops.join_next().await.is_some() || fronts.join_next().await.is_some() {}
            // Calls from services of the same host have no connection.
            drop(self.shared.permits.acquire_many(MOST_REQUESTS as u32).await);
        };
        if tokio::time::timeout(longest, all).await.is_err() {
            eprintln!("dyninka: a request outlived its deadline and is cut off");
        }
        // Its library stays in a host that goes on, and is to do nothing there.
        if self.shared.entrance.moved().is_some()
            && let Some(program) = self.shared.program.swap(None)
        {
            let retired = program.clone().retire();
            if tokio::time::timeout(GRACE, retired).await.is_ok() {
                self.shared.retired.add(program).await;
            }
        }
        drop(self.tasks);
    }
}

fn close_front(shared: &Shared) {
    if let Err(error) = shared.front.lead(None) {
        eprintln!("dyninka: the public listener does not close: {error}");
    }
}

/// What a service's peers are told to call. One that listens at every address of its machine is told of by a name.
fn told(shared: &Shared, listens: SocketAddr) -> String {
    let settings = shared.settings.load();
    let named = settings.places.get(&settings.config.service).filter(|_| listens.ip().is_unspecified());
    named.map_or_else(|| listens.to_string(), |place| place.address.as_ref().to_owned())
}

async fn accept(door: Opened, shared: Arc<Shared>) {
    let Opened { listener, end: mut drained } = door;
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let router = TowerToHyperService::new(admin::router(shared.clone()));
    let mut connections = JoinSet::new();
    let (cut, is_cut) = watch::channel(false);
    let ends = Ends { listener: drained.clone(), cut: is_cut };
    let server = shared.clone();
    let serve = move |stream| serve(stream, server.clone(), router.clone(), ends.clone());
    let ending = shared.clone();
    let mut closes = pin!(async move {
        let _told = drained.changed().await;
        if passes_on(&ending) {
            tokio::time::sleep(LETS_IN).await;
        }
    });
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut closes => break,
            Some(_) = connections.join_next() => continue,
        };
        match stream {
            Ok(stream) => match permits.clone().try_acquire_owned() {
                Ok(permit) => {
                    let connection = serve(stream);
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(_) => drop(connections.spawn(turn_away(stream))),
            },
            // Out of file descriptors, or the caller gone again: the listener itself goes on.
            Err(error) => {
                eprintln!("dyninka: a connection was not accepted: {error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    match listener.close() {
        Ok(waiting) => waiting.into_iter().for_each(|stream| drop(connections.spawn(serve(stream)))),
        Err(error) => eprintln!("dyninka: callers who waited to be let in are cut off: {error}"),
    }
    // A host that ends as a whole has told callers to connect anew already, and one that lost the public listener to another
    // service is not to answer in its place.
    if passes_on(&shared) {
        let gone = async { while connections.join_next().await.is_some() {} };
        let ends = async {
            while !is_draining(&shared) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let _some_stay = tokio::time::timeout(LINGERS, async {
            tokio::select! {
                () = gone => {}
                () = ends => {}
            }
        })
        .await;
    }
    cut.send_replace(true);
    while connections.join_next().await.is_some() {}
}

/// Whether whoever still comes is answered by the same service elsewhere.
fn passes_on(shared: &Shared) -> bool {
    shared.entrance.moved().is_some() && !is_draining(shared)
}

/// What a connection knows of its end.
#[derive(Clone)]
struct Ends {
    /// The listener that it came by is closed: its next answer is its last.
    listener: watch::Receiver<bool>,
    /// It is to end, if nothing is being answered.
    cut: watch::Receiver<bool>,
}

async fn turn_away(mut stream: Socket) {
    const BUSY: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    // Whoever does not take it is gone.
    drop(stream.write_all(BUSY).await);
}

async fn serve(
    stream: Socket,
    shared: Arc<Shared>,
    router: TowerToHyperService<axum::Router>,
    Ends { listener, mut cut }: Ends,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, router, listener) = (shared.clone(), router.clone(), listener.clone());
        async move {
            let lingers = shared.clone();
            let admitted = http_rules::check(&request).and_then(|()| shared.settings.load().names.admit(&request));
            let mut response: Response<Body> = if let Err(refusal) = admitted {
                admin::turn_away(&shared, refusal)
            } else if http_rules::is_for_service(&request) {
                match runs::asked(&shared, &request) {
                    Some(run) => runs::answer(shared, run, request).await.map(Body::new),
                    None => answer::answer(shared, request).await.map(Body::new),
                }
            } else {
                match router.call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            };
            if is_draining(&lingers) || lingers.entrance.moved().is_some() || *listener.borrow() {
                response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(Patient::new(stream)), service);
    tokio::pin!(connection);
    let mut draining = false;
    loop {
        tokio::select! {
            // How a connection ends is the caller's affair.
            _ = &mut connection => return,
            _ = cut.changed(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
