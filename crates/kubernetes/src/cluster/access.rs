//! A namespace of one cluster, and the questions it is asked.

use std::future::Future;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use protocol::error_chain;

use super::error::ClusterError;
use super::identity::{self, Identity};
use super::kubeconfig::{self, Chosen, Plugin};

/// An API server that takes longer to connect is gone.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// An answer that takes longer will not come. Watches and logs do not go this way.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Which cluster is meant, as `kubectl` is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterTarget {
    /// A context of the kubeconfig; none: the current one.
    pub context: Option<String>,
    /// A namespace; none: the context's.
    pub namespace: Option<String>,
}

/// A namespace of a cluster that answers. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    pub(crate) client: Client,
    /// The context's name, `in-cluster` inside a pod.
    pub context: String,
    /// What everything is made in.
    pub namespace: String,
    /// The API server's URL.
    pub server: String,
    /// Which cluster it is, whatever its context is called.
    pub identity: Identity,
}

/// Finds the cluster, has it answer, and makes sure that the namespace is there.
///
/// # Errors
/// No or a broken kubeconfig, an unknown context, an API server that does not answer or let us in, no such namespace.
pub async fn connect(target: &ClusterTarget) -> Result<Access, ClusterError> {
    let Opened { context, namespace, server, certificate, client } = open(target.clone()).await?;
    let identity = identity::find(&client, &server, &certificate).await?;
    let access = Access { client, context, namespace, server, identity };
    access.find_namespace().await?;
    Ok(access)
}

/// A way to a cluster that was asked nothing yet.
struct Opened {
    context: String,
    namespace: String,
    server: String,
    certificate: Vec<Vec<u8>>,
    client: Client,
}

/// Finds the cluster, on a thread of its own: a program that a kubeconfig names may take as long as it likes to say who
/// asks, and whoever waits here can be told to stop meanwhile. It is not waited for then.
async fn open(target: ClusterTarget) -> Result<Opened, ClusterError> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        // Nobody may be left who wants to know.
        drop(tell.send(runtime.block_on(find(&target))));
    });
    let why = "the thread that looked for it has ended".to_owned();
    told.await.unwrap_or(Err(ClusterError::Refused { doing: "find the cluster".to_owned(), code: 0, why }))
}

async fn find(target: &ClusterTarget) -> Result<Opened, ClusterError> {
    let Chosen { context, mut config, plugin } = kubeconfig::choose(target).await?;
    config.connect_timeout = Some(CONNECT_WITHIN);
    config.headers.push((USER_AGENT, HeaderValue::from_static(concat!("dyninka/", env!("CARGO_PKG_VERSION")))));
    let server = config.cluster_url.to_string();
    let namespace = target.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let certificate = config.root_cert.clone().unwrap_or_default();
    let client = Client::try_from(config).map_err(|error| match plugin {
        Some(Plugin { command, hint }) => {
            ClusterError::Plugin { command, context: context.clone(), why: error_chain(&error), install: hint }
        }
        None => ClusterError::client(&server, &error),
    })?;
    Ok(Opened { context, namespace, server, certificate, client })
}

impl Access {
    /// Asks one thing: `doing` says what, for the error.
    pub(crate) async fn ask<T>(
        &self,
        doing: &str,
        question: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        ask(&self.server, doing, question).await
    }

    /// A namespace that cannot be looked at may still be one that can be used: then whatever is asked next says so.
    async fn find_namespace(&self) -> Result<(), ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match self.ask("look at the namespace", namespaces.get_metadata_opt(&self.namespace)).await {
            Ok(Some(found)) if found.metadata.deletion_timestamp.is_some() => {
                Err(ClusterError::NamespaceEnding { namespace: self.namespace.clone() })
            }
            Ok(None) => Err(ClusterError::NoNamespace {
                namespace: self.namespace.clone(),
                context: self.context.clone(),
                server: self.server.clone(),
            }),
            Ok(Some(_)) | Err(ClusterError::Forbidden { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Asks one thing of an API server, and waits no longer than an answer takes.
pub(super) async fn ask<T>(
    server: &str,
    doing: &str,
    question: impl Future<Output = kube::Result<T>>,
) -> Result<T, ClusterError> {
    match tokio::time::timeout(ANSWER_WITHIN, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(ClusterError::of(server, doing, error)),
        Err(_) => Err(ClusterError::Silent {
            server: server.to_owned(),
            doing: doing.to_owned(),
            seconds: ANSWER_WITHIN.as_secs(),
        }),
    }
}
