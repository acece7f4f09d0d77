//! An agent from its start to its end, and its three listeners: other nodes, hosts of this node, and commands.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use local_cluster::BackendError;
use nodes::{FleetMember, FleetRole, Membership};
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;

use crate::agent::{Agent, Ending, NodeBackend, NodeCounts, NodeSettings, PodApp};
use crate::apps::NodeApps;
use crate::authority::{Authority, clock};
use crate::bundle::{NodeBundle, is_hash};
use crate::error::NodeError;
use crate::events::{EventLog, NodeListener};
use crate::http::{HttpPool, json, refusal, timely, whole, words};
use crate::mind::NodeMind;
use crate::policy::policy;
use crate::served::ServedApp;
use crate::tls::{FleetTls, LINK, PeerIdentity};
use crate::{api, join, link, metrics, relay, renewal, rounds};

/// The largest library that is taken.
const LARGEST_LIBRARY: usize = 512 << 20;
/// The largest other thing that a command or another node sends.
const LARGEST_WORD: usize = 4 << 20;
/// How long goodbyes may take.
const GOODBYE: Duration = Duration::from_millis(300);
/// What of the CPUs services may use, in percent of one.
const SHARE: f64 = 85.0;

type Answer = Response<Full<Bytes>>;

/// Runs the agent of a node until it is told to end. `ready` is called with the address that other nodes reach it at.
pub async fn run(
    settings: NodeSettings,
    said: NodeListener,
    ready: impl FnOnce(SocketAddr),
    end: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let folder = settings.folder.clone();
    let mut record = folder.record()?;
    if settings.pods.is_none() && settings.backend == NodeBackend::Docker {
        // A node that could run nothing says so now, and not when the first app comes.
        local_cluster::look_at_engine().await.map_err(BackendError::NoEngine)?;
    }
    let socket = command_socket(&settings).await?;
    let tls = FleetTls::open(&folder, FleetRole::Node)?;
    record.restarts += 1;
    if settings.pods.is_some() {
        // What a pod writes is gone with it: the time tells its lives apart.
        record.restarts = record.restarts.max(clock());
    }
    folder.save_record(&record)?;
    let listener = listen(settings.listen).await?;
    let bound = listener.local_addr().map_err(|source| unheard(settings.listen, source))?;
    let address = settings.advertise.or_else(|| advertised(bound)).ok_or(NodeError::NoAddress)?;
    let away = match &settings.pods {
        Some(pods) => listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, pods.away.port()))).await?,
        None => listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?,
    };
    let away_at = match &settings.pods {
        Some(pods) => pods.away,
        None => away.local_addr().map_err(|source| unheard(settings.listen, source))?,
    };
    let measures = match settings.metrics {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let authority = match Authority::open(&folder, &record.fleet) {
        Ok(authority) => Some(Mutex::new(authority)),
        Err(NodeError::NoAuthority) => None,
        Err(error) => return Err(error),
    };
    let remembered: Vec<SocketAddr> = folder.members()?.into_iter().map(|member| member.address).collect();
    let me = FleetMember { id: record.id, life: record.restarts << 20, address, name: record.name.clone() };
    // A strategy that cannot be is an error now, and not when the first app comes.
    settings.strategy.suits_node()?;
    settings.strategy.build(policy(&settings.strategy)?)?;
    let cpus = settings.cpus.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from) as f64);
    let agent = Arc::new(Agent {
        membership: Mutex::new(Membership::new(me, settings.pace, rand::random())),
        mind: Mutex::new(NodeMind::new(record.id, settings.strategy.clone(), cpus * SHARE)),
        apps: Arc::new(NodeApps::new(&settings, away_at, said.clone())),
        events: EventLog::new(&record.fleet, &record.name, said),
        invitations: Mutex::new(folder.json("invitations.json")?.unwrap_or_default()),
        begun: Instant::now(),
        woken: Notify::new(),
        links: Mutex::new(HashMap::new()),
        neighbours: Mutex::default(),
        known: Mutex::default(),
        since: Mutex::default(),
        gone: Mutex::default(),
        incoming: Mutex::default(),
        calls: AtomicU64::new(0),
        news: Notify::new(),
        pool: HttpPool::default(),
        authority,
        counts: NodeCounts::default(),
        crl_changed: watch::channel(0).0,
        is_expelled: AtomicBool::new(tls.is_own_void()),
        ending: watch::channel(Ending::Runs).0,
        settings,
        record,
        tls,
    });
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(nodes_listener(agent.clone(), listener));
    tasks.spawn(away_listener(agent.clone(), away));
    tasks.spawn(commands_listener(agent.clone(), socket));
    if let Some(measures) = measures {
        tasks.spawn(metrics_listener(agent.clone(), measures));
    }
    if let Some(pods) = agent.settings.pods.clone() {
        tasks.spawn(pods_follower(agent.clone(), pods));
    }
    tasks.spawn(rounds::wake(agent.clone()));
    tasks.spawn(rounds::seek(agent.clone(), remembered));
    tasks.spawn(rounds::measure(agent.clone()));
    tasks.spawn(rounds::decide(agent.clone()));
    tasks.spawn(rounds::renew(agent.clone()));
    tasks.spawn(address_follower(agent.clone(), bound));
    for bundle in agent.apps.kept().bundles() {
        let app = bundle.app.clone();
        if let Err(error) = agent.apps.deploy(bundle).await {
            agent.events.tell("node.notice", &app, json!({ "words": format!("the app cannot be started: {error}") }));
        }
    }
    ready(address);
    let mut ending = agent.ending.subscribe();
    tokio::select! {
        () = end => {}
        _ = ending.wait_for(|ending| *ending != Ending::Runs) => {}
    }
    // Others send nothing here from now on.
    agent.with_members(|members, now| members.leave(now));
    tokio::time::sleep(GOODBYE).await;
    agent.ending.send_replace(Ending::Over);
    agent.close_links();
    agent.apps.close().await;
    tasks.shutdown().await;
    drop(std::fs::remove_file(folder.socket()));
    Ok(())
}

fn unheard(address: SocketAddr, source: io::Error) -> NodeError {
    let is_taken = source.kind() == io::ErrorKind::AddrInUse;
    let holder = is_taken.then(|| local_cluster::port_holder(address.port())).flatten();
    NodeError::Listen { address: address.to_string(), holder: holder.map(|holder| holder.to_string()), source }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|source| unheard(address, source))
}

/// The socket of commands: for the owner of the folder alone.
async fn command_socket(settings: &NodeSettings) -> Result<UnixListener, NodeError> {
    let path = settings.folder.socket();
    if tokio::net::UnixStream::connect(&path).await.is_ok() {
        return Err(NodeError::Running);
    }
    // What a killed agent left.
    drop(std::fs::remove_file(&path));
    let listener = UnixListener::bind(&path).map_err(NodeError::file("listen at", &path))?;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, mode).map_err(NodeError::file("close", &path))?;
    Ok(listener)
}

/// The address that others are told where the listener has every one: that of the way out, if there is one.
fn advertised(bound: SocketAddr) -> Option<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return Some(bound);
    }
    // Addresses of documentation. Nothing is sent: the system only says which address it would send from.
    let somewhere: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    let way_out = |(from, to): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        socket.local_addr().ok().map(|address| SocketAddr::new(address.ip(), bound.port()))
    };
    somewhere.into_iter().filter(|(from, _)| bound.is_ipv6() || from.is_ipv4()).find_map(way_out)
}

/// Follows the pods of a cluster.
async fn pods_follower(agent: Arc<Agent>, mut pods: PodApp) {
    let (bundle, token, away): (_, Arc<str>, _) = (Arc::new(pods.bundle), pods.token.into(), pods.away);
    loop {
        let hosts = pods.hosts.borrow_and_update().clone();
        agent.apps.see_pods(ServedApp { bundle: bundle.clone(), token: token.clone(), hosts, away });
        agent.news.notify_one();
        if pods.hosts.changed().await.is_err() {
            // Nobody follows them any more: the agent ends.
            return;
        }
    }
}

/// Tells others when the address of this machine is another.
async fn address_follower(agent: Arc<Agent>, bound: SocketAddr) {
    const LOOK: Duration = Duration::from_secs(5);
    if agent.settings.advertise.is_some() || !bound.ip().is_unspecified() {
        return;
    }
    loop {
        tokio::time::sleep(LOOK).await;
        // Without a way out there is nothing to tell.
        let Some(address) = advertised(bound) else { continue };
        if address != agent.me().address {
            agent.events.tell("node.moved", &agent.record.name, json!({ "address": address }));
            agent.with_members(|members, now| members.move_to(address, now));
            agent.introduce();
        }
    }
}

/// Accepts again after a failure that passes, such as too many open files.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn nodes_listener(agent: Arc<Agent>, listener: TcpListener) {
    loop {
        let (stream, from) = accept(&listener).await;
        let agent = agent.clone();
        tokio::spawn(async move {
            drop(stream.set_nodelay(true));
            let Some(config) = agent.tls.configs().server else { return };
            let stream = match timely(TlsAcceptor::from(config).accept(stream)).await {
                Ok(stream) => stream,
                Err(error) => {
                    NodeCounts::add(&agent.counts.refused_connections, 1);
                    let why = words(&error);
                    return agent.events.tell_once("node.refused", &from.ip().to_string(), json!({ "why": why }));
                }
            };
            let session = stream.get_ref().1;
            let is_link = session.alpn_protocol() == Some(LINK);
            let peer = session.peer_certificates().and_then(|chain| PeerIdentity::of(chain.first()?));
            match peer {
                Some(peer) if is_link => link::serve(agent, stream, peer, from).await,
                None if is_link => {
                    let why = "it has no certificate";
                    agent.events.tell_once("node.refused", &from.ip().to_string(), json!({ "why": why }));
                }
                peer => {
                    let answer = service_fn(move |asked| {
                        let (agent, peer) = (agent.clone(), peer.clone());
                        async move { Ok::<_, std::convert::Infallible>(of_node(agent, peer, asked).await) }
                    });
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
                }
            }
        });
    }
}

/// What another node or an operator asks.
async fn of_node(agent: Arc<Agent>, peer: Option<PeerIdentity>, asked: Request<Incoming>) -> Answer {
    let path = asked.uri().path().to_owned();
    let method = asked.method().clone();
    let Some(peer) = peer else {
        if method != Method::POST || path != "/v1/join" {
            return refusal(StatusCode::FORBIDDEN, "this needs a certificate of the fleet");
        }
        return match whole(asked.into_body(), LARGEST_WORD).await {
            Ok(body) => join::answer(&agent, &body),
            Err(refused) => refused,
        };
    };
    if !agent.is_welcome(&peer) {
        return refusal(StatusCode::FORBIDDEN, "the certificate was made void");
    }
    if path.starts_with("/guest/") {
        return relay::guest(agent, peer, asked).await;
    }
    let most = if path.starts_with("/v1/blobs/") { LARGEST_LIBRARY } else { LARGEST_WORD };
    if path.starts_with("/v1/blobs") || path.starts_with("/v1/apps/") || path == "/v1/missing" {
        // Before the body is read.
        if peer.role != FleetRole::Operator {
            let words = format!("{} is a node: who deploys needs the certificate of an operator", peer.name);
            agent.events.tell("node.refused", &peer.name, json!({ "why": words }));
            return refusal(StatusCode::FORBIDDEN, &words);
        }
        if agent.settings.pods.is_some() {
            let words = format!("{} is a cluster: push to it without --to", agent.record.name);
            return refusal(StatusCode::CONFLICT, &words);
        }
    }
    let body = match whole(asked.into_body(), most).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    match (method, path.as_str()) {
        (Method::GET, "/v1/members") => {
            let mut members = agent.membership.lock().members();
            members.push(agent.me());
            json(StatusCode::OK, &members)
        }
        (Method::POST, "/v1/renew") => renewal::answer(&agent, &peer, &body),
        (Method::POST, "/v1/missing") => match serde_json::from_slice::<Vec<String>>(&body) {
            Ok(hashes) => json(StatusCode::OK, &agent.apps.kept().missing(&hashes)),
            Err(error) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        (Method::PUT, path) if path.starts_with("/v1/blobs/") => {
            let hash = path.trim_start_matches("/v1/blobs/").to_owned();
            if !is_hash(&hash) {
                return refusal(StatusCode::BAD_REQUEST, "a library is named by its hash");
            }
            let apps = agent.apps.clone();
            match tokio::task::spawn_blocking(move || apps.kept().keep_library(&hash, &body)).await {
                Ok(Ok(())) => json(StatusCode::OK, &json!({ "kept": true })),
                Ok(Err(error)) => refusal(StatusCode::UNPROCESSABLE_ENTITY, &error),
                Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            }
        }
        (Method::PUT, path) if path.starts_with("/v1/apps/") => {
            let bundle = match serde_json::from_slice::<NodeBundle>(&body) {
                Ok(bundle) if path.trim_start_matches("/v1/apps/") == bundle.app => bundle,
                Ok(_) => return refusal(StatusCode::BAD_REQUEST, "the bundle is of another app"),
                Err(error) => return refusal(StatusCode::BAD_REQUEST, &format!("the bundle does not read: {error}")),
            };
            deploy(&agent, bundle, &peer.name).await
        }
        (Method::DELETE, path) if path.starts_with("/v1/apps/") => {
            api::remove(&agent, path.trim_start_matches("/v1/apps/")).await
        }
        _ => refusal(StatusCode::NOT_FOUND, "there is no such path"),
    }
}

async fn deploy(agent: &Arc<Agent>, bundle: NodeBundle, by: &str) -> Answer {
    let (app, apps) = (bundle.app.clone(), agent.apps.clone());
    // Whoever asked may go away: what is half done is done.
    let deployed = tokio::spawn(async move { apps.deploy(bundle).await }).await;
    match deployed {
        Ok(Ok(services)) => {
            agent.news.notify_one();
            agent.events.tell("app.deployed", &app, json!({ "by": by, "services": services }));
            json(StatusCode::OK, &json!({ "node": agent.record.name, "services": services }))
        }
        Ok(Err(why)) => {
            agent.events.tell("app.refused", &app, json!({ "by": by, "why": why }));
            refusal(StatusCode::UNPROCESSABLE_ENTITY, &why)
        }
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn away_listener(agent: Arc<Agent>, listener: TcpListener) {
    loop {
        let (stream, _) = accept(&listener).await;
        let agent = agent.clone();
        drop(stream.set_nodelay(true));
        let answer = service_fn(move |asked| {
            let agent = agent.clone();
            async move { Ok::<_, std::convert::Infallible>(relay::away(agent, asked).await) }
        });
        tokio::spawn(async move { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await) });
    }
}

async fn metrics_listener(agent: Arc<Agent>, listener: TcpListener) {
    loop {
        let (stream, _) = accept(&listener).await;
        let agent = agent.clone();
        let answer = service_fn(move |asked: Request<Incoming>| {
            let agent = agent.clone();
            async move { Ok::<_, std::convert::Infallible>(metrics::measured(&agent, asked.uri().path())) }
        });
        tokio::spawn(async move { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await) });
    }
}

async fn commands_listener(agent: Arc<Agent>, listener: UnixListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let agent = agent.clone();
        let answer = service_fn(move |asked: Request<Incoming>| {
            let agent = agent.clone();
            async move {
                let (head, body) = asked.into_parts();
                Ok::<_, std::convert::Infallible>(match whole(body, LARGEST_WORD).await {
                    Ok(body) => api::answer(&agent, &head, &body).await,
                    Err(refused) => refused,
                })
            }
        });
        tokio::spawn(async move { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await) });
    }
}

/// Labels of a command line, `KEY=VALUE`.
pub fn labels(words: &[String]) -> Result<BTreeMap<String, String>, NodeError> {
    let read = |word: &String| {
        let pair = word.split_once('=').filter(|(key, _)| !key.is_empty());
        pair.map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(|| NodeError::Name(word.clone()))
    };
    words.iter().map(read).collect()
}
