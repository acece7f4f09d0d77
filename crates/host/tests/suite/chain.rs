//! A chain of two hosts in this process: `last` asks `first`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use host::Server;
use protocol::{Config, Limits, Peer, ServiceLoad};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The secret of the session.
pub(crate) const TOKEN: &str = "secret";

/// A host that serves until it is ended.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) end: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// Where its configuration is.
    pub(crate) folder: TempDir,
}

/// The chain's hosts, first to last.
pub(crate) struct Chain {
    pub(crate) first: Host,
    pub(crate) last: Host,
}

impl Host {
    /// Ends it as SIGTERM would, and waits until it has.
    pub(crate) async fn end(self) {
        self.end.send(()).expect("it serves");
        self.task.await.expect("it ends well");
        self.folder.close().expect("its folder goes");
    }

    /// A path of the admin API: `hops`, `records`.
    pub(crate) fn door(&self, name: &str) -> String {
        format!("http://{}/_dyninka/{name}", self.address)
    }
}

/// Starts the chain; `detail` requests a second are told of in detail, with their values or without.
pub(crate) async fn start(detail: u32, record: bool) -> Chain {
    start_with(Limits { detail, ..Limits::default() }, record).await
}

/// Starts the chain with limits of the caller's.
pub(crate) async fn start_with(limits: Limits, record: bool) -> Chain {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let first = host("first", nowhere, limits, TOKEN, record).await;
    let last = host("last", first.address, limits, TOKEN, record).await;
    Chain { first, last }
}

/// Starts one host of the chain.
pub(crate) async fn host(service: &str, first: SocketAddr, limits: Limits, token: &str, record: bool) -> Host {
    host_of(service, &[first], limits, token, record).await
}

/// Starts one host of the chain, which is told of all these instances of `first`.
pub(crate) async fn host_of(service: &str, firsts: &[SocketAddr], limits: Limits, token: &str, record: bool) -> Host {
    let folder = tempfile::tempdir().expect("a folder");
    let library = format!("{service}.so");
    // A file of its own: the loader gives out what it has for the same one.
    std::fs::copy(support::examples().join(format!("libhop_{service}.so")), folder.path().join(&library))
        .expect("the library");
    let peer = |inputs: &[&str]| Peer {
        address: firsts[0].to_string(),
        others: if inputs.is_empty() { firsts[1..].iter().map(ToString::to_string).collect() } else { Vec::new() },
        host: "first".to_owned(),
        inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
    };
    let config = Config {
        app: "app".to_owned(),
        service: service.to_owned(),
        instance: None,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        front: None,
        peers: BTreeMap::from([("first".to_owned(), peer(&[])), ("last".to_owned(), peer(&["value"]))]).into(),
        route: (service == "last").then(|| "first".to_owned()),
        library: Some(library),
        token: token.to_owned(),
        names: None,
        outside: None,
        load: ServiceLoad::default(),
        limits,
        record,
        moved: None,
        near: None,
    };
    std::fs::write(folder.path().join("config.json"), serde_json::to_vec(&config).expect("JSON")).expect("its folder");
    let server = Server::bind(folder.path()).await.expect("it serves");
    let (end, ended) = oneshot::channel();
    let address = server.address();
    let task = tokio::spawn(server.serve(async move { drop(ended.await) }));
    Host { address, end, task, folder }
}
