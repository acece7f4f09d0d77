//! The services of one host, and what they share: the thread that serves, and room for recorded values.
//!
//! Each service is as it is alone: its own listener, configuration, library, figures and limits. A call between two of
//! them finds the other here, by the address that the caller was told, and so needs no connection. By address and not
//! by name: whoever was told of another version of a service gets that one.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, RwLock, oneshot, watch};
use tokio::task::JoinHandle;

use crate::inline::Inline;
use crate::server::{HostError, Server};
use crate::shared::Shared;
use crate::socket::{Handed, Listener, handed};
use crate::voice;

/// Bytes of recorded values that a host keeps for all its services, in equal parts.
const MOST_RECORDED: usize = 64 << 20;

/// The services of one host.
pub(crate) struct Group {
    /// Those that serve, by the address that their peers are told.
    members: ArcSwap<HashMap<String, Arc<Shared>>>,
    /// One thread serves all of them.
    pub(crate) inline: Inline,
    /// Those that were opened, by folder. Held while one is opened or closed.
    opened: Mutex<BTreeMap<PathBuf, Member>>,
    ending: watch::Sender<bool>,
    /// Held for reading by each service that is closed by itself, until it has answered what has begun.
    closing: RwLock<()>,
    /// Where the sockets of other hosts' services are, once one was handed over.
    sockets: OnceLock<PathBuf>,
}

/// A service that was opened.
struct Member {
    close: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Group {
    /// A host without services.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            members: ArcSwap::default(),
            inline: Inline::closed(),
            opened: Mutex::default(),
            ending: watch::Sender::new(false),
            closing: RwLock::default(),
            sockets: OnceLock::new(),
        })
    }

    /// The service of this host that has an address.
    pub(crate) fn find(&self, address: &str) -> Option<Arc<Shared>> {
        self.members.load().get(address).cloned()
    }

    /// Lets the services of this host find one of them.
    pub(crate) fn join(&self, address: &str, shared: &Arc<Shared>) {
        self.members.rcu(|members| {
            let mut members = HashMap::clone(members);
            members.insert(address.to_owned(), shared.clone());
            members
        });
        if self.members.load().len() > 1 {
            voice::several();
        }
    }

    /// No service of this host finds that one any more.
    pub(crate) fn leave(&self, shared: &Arc<Shared>) {
        self.members.rcu(|members| {
            let mut members = HashMap::clone(members);
            members.retain(|_, member| !Arc::ptr_eq(member, shared));
            members
        });
    }

    /// The folder of the sockets of other hosts' services; none where they are called by their addresses.
    pub(crate) fn sockets(&self) -> Option<&Path> {
        self.sockets.get().map(PathBuf::as_path)
    }

    /// The socket that a session hands to the service of a folder, where it does.
    pub(crate) async fn handed(&self, folder: &Path) -> io::Result<Option<Listener>> {
        let Some(Handed { listener, sockets }) = handed(folder).await? else { return Ok(None) };
        // All services of a host are told the same.
        self.sockets.get_or_init(|| sockets);
        Ok(Some(listener))
    }

    /// Bytes of recorded values that each service may keep; `most` is what one alone keeps.
    pub(crate) fn recorded(&self, most: usize) -> usize {
        most.min(MOST_RECORDED / self.members.load().len().max(1))
    }

    /// Opens the service whose configuration is in a folder. One that is open stays as it is.
    pub(crate) async fn open(self: &Arc<Self>, folder: &Path) -> Result<(), HostError> {
        let mut opened = self.opened.lock().await;
        if opened.get(folder).is_some_and(|member| !member.serving.is_finished()) {
            return Ok(());
        }
        let server = Server::bind_among(folder, self).await?;
        let (close, closed) = oneshot::channel();
        let mut ending = self.ending.subscribe();
        let end = async move {
            tokio::select! {
                // One whose end nobody can ask for any more ends as well.
                _ = closed => {}
                _ = ending.wait_for(|ending| *ending) => {}
            }
        };
        opened.insert(folder.to_owned(), Member { close, serving: tokio::spawn(server.serve(end)) });
        Ok(())
    }

    /// Closes a service once it has answered what has begun. False: it is not open.
    pub(crate) async fn close(&self, folder: &Path) -> bool {
        let _answers = self.closing.read().await;
        let closed = self.opened.lock().await.remove(folder);
        let Some(Member { close, serving }) = closed else { return false };
        // It may have ended by itself.
        let _gone = close.send(());
        drop(serving.await);
        true
    }

    /// Whether all of them are being closed.
    pub(crate) fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }

    /// Closes all of them, at the same time, and waits for those that close already.
    pub(crate) async fn end(&self) {
        self.ending.send_replace(true);
        let opened = std::mem::take(&mut *self.opened.lock().await);
        for member in opened.into_values() {
            drop(member.serving.await);
        }
        drop(self.closing.write().await);
        self.inline.close();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::net::SocketAddr;
    use std::pin::pin;

    use futures_util::FutureExt;
    use protocol::{Config, Limits, Peer, ServiceLoad};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    fn config(service: &str) -> Config {
        let own = Peer {
            address: format!("{service}:1"),
            others: Vec::new(),
            host: service.to_owned(),
            inputs: vec!["value".to_owned()],
        };
        Config {
            app: "app".to_owned(),
            service: service.to_owned(),
            instance: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            front: None,
            peers: BTreeMap::from([(service.to_owned(), own)]).into(),
            route: None,
            library: None,
            token: "secret".to_owned(),
            names: None,
            outside: None,
            limits: Limits::default(),
            load: ServiceLoad::default(),
            record: true,
            moved: None,
            near: None,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn services_find_each_other_until_their_host_has_ended_and_none_that_was_closed_by_itself() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let group = Group::new();
        let mut addresses: Vec<String> = Vec::new();
        for (folder, service) in folders.iter().zip(["one", "other"]) {
            std::fs::write(folder.path().join("config.json"), serde_json::to_vec(&config(service)).unwrap()).unwrap();
            group.open(folder.path()).await.unwrap();
            let known = group.members.load();
            addresses.push(known.keys().find(|address| !addresses.contains(*address)).unwrap().clone());
        }
        assert!(group.close(folders[0].path()).await);
        assert!(group.find(&addresses[0]).is_none());
        group.end().await;
        assert!(group.find(&addresses[1]).is_some(), "one that still answers may call it");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_end_of_a_host_waits_for_a_service_that_is_closed_by_itself_and_answers() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), serde_json::to_vec(&config("counts")).unwrap()).unwrap();
        let group = Group::new();
        group.open(folder.path()).await.unwrap();
        let address = group.members.load().keys().next().unwrap().clone();
        let mut caller = TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "PUT /_dyninka/state/COUNT HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer secret\r\n\
             content-length: 2\r\nexpect: 100-continue\r\n\r\n"
        );
        caller.write_all(head.as_bytes()).await.unwrap();
        // It is being answered as soon as it is told to go on.
        let mut told = [0; 25];
        caller.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        let closing = tokio::spawn({
            let (group, folder) = (group.clone(), folder.path().to_owned());
            async move { group.close(&folder).await }
        });
        while !group.opened.lock().await.is_empty() {
            tokio::task::yield_now().await;
        }
        {
            let mut end = pin!(group.end());
            assert!(end.as_mut().now_or_never().is_none(), "a request is being answered");
            caller.write_all(b"12").await.unwrap();
            end.await;
        }
        assert!(closing.await.unwrap());
        let mut answer = String::new();
        caller.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
}
