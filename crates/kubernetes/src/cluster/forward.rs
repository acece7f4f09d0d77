//! A port of this machine that leads to pods, through the API server: nothing is opened on the cluster.
//!
//! Every connection is led to a pod that is ready at that moment, so a pod that goes takes its connections with it and
//! no more: the next one is led to another.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::access::Access;
use super::error::ClusterError;

/// How long a connection waits for a pod, while pods come and go or the API server is away.
const WAIT: Duration = Duration::from_secs(15);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Whom to lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// A ready pod with these labels: `key=value,…`.
    AnyOf(String),
    Pod(String),
}

/// A port that leads to pods. Dropping it closes it and all that goes through it.
pub struct Forward {
    /// Where it is on this machine.
    pub address: SocketAddr,
    inner: Arc<Inner>,
    _accepting: JoinSet<()>,
}

struct Inner {
    access: Access,
    to: To,
    port: u16,
    /// Why the last connection that was not led anywhere was not.
    last: Mutex<Option<String>>,
}

impl Forward {
    /// Opens a free port of 127.0.0.1 that leads to a port of pods.
    ///
    /// # Errors
    /// No port can be opened here. Whether a pod is there shows with each connection.
    pub async fn open(access: &Access, to: To, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner { access: access.clone(), to, port, last: Mutex::new(None) });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, inner.clone()));
        Ok(Self { address, inner, _accepting: accepting })
    }

    /// Why the last connection that was not led anywhere was not; none where all were.
    pub fn trouble(&self) -> Option<String> {
        self.inner.last().clone()
    }
}

impl Inner {
    fn last(&self) -> parking_lot::MutexGuard<'_, Option<String>> {
        self.last.lock()
    }

    async fn lead(&self, connection: &mut TcpStream) -> Result<(), ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.access.client.clone(), &self.access.namespace);
        let end = tokio::time::Instant::now() + WAIT;
        let mut through = loop {
            let tried = async {
                let pod = self.pick(&pods).await?;
                self.access.ask(&format!("reach {pod}"), pods.portforward(&pod, &[self.port])).await
            };
            match tried.await {
                Ok(through) => break through,
                // A pod may have gone since it was picked.
                Err(error @ ClusterError::Forbidden { .. } | error @ ClusterError::Unauthorized { .. }) => {
                    return Err(error);
                }
                Err(error) if tokio::time::Instant::now() >= end => return Err(error),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        let Some(mut stream) = through.take_stream(self.port) else { return Ok(()) };
        // Either side ends it as it likes; who called sees what came.
        drop(tokio::io::copy_bidirectional(connection, &mut stream).await);
        drop(stream);
        through.abort();
        Ok(())
    }

    async fn pick(&self, pods: &Api<Pod>) -> Result<String, ClusterError> {
        let labels = match &self.to {
            To::Pod(pod) => return Ok(pod.clone()),
            To::AnyOf(labels) => labels,
        };
        let doing = "find a pod that is ready";
        let found = self.access.ask(doing, pods.list(&ListParams::default().labels(labels))).await?;
        let ready = found.items.iter().find(|pod| is_ready(pod));
        ready.map(ResourceExt::name_any).ok_or_else(|| ClusterError::Refused {
            doing: doing.to_owned(),
            code: 0,
            why: format!("of {} pods with {labels} none is", found.items.len()),
        })
    }
}

async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
        };
        match accepted {
            Ok((mut connection, _)) => {
                let inner = inner.clone();
                open.spawn(async move {
                    let ended = inner.lead(&mut connection).await;
                    // Before it is closed: whoever sees that asks why.
                    *inner.last() = ended.err().map(|error| error.to_string());
                    drop(connection);
                });
            }
            // Too many open files, most of all: some will be closed.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Whether a pod takes requests, and is to.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|it| it.type_ == "Ready" && it.status == "True"))
}
