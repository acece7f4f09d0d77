//! No registry at all: this session serves images to the nodes.
//!
//! Nodes speak without TLS to what they call `localhost` (containerd and Docker alike), so the name they are given is
//! best that of a NodePort on themselves that leads here: a Service of type NodePort without a selector, and Endpoints
//! of its name with this machine's address and port, as a push makes them (`push/relay.rs`). Pods then say
//! `localhost:NODEPORT/…@sha256:…`, and no node has to be configured. (Tried on Kubernetes 1.20 with kube-proxy by
//! iptables; by nftables or IPVS, nodes do not reach NodePorts by `localhost`.) Any other name needs the nodes' own
//! configuration. Only who knows a digest gets what it names: there is no list and there are no tags, and nothing can be
//! written.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::{Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::{MissingLayers, Owner, Pruned, PullPolicy, Sent, Ship, ShipError, Stock};
use crate::manifest::MANIFEST;
use crate::{Digest, Image};

/// A registry of this session's. Dropping it closes it.
pub struct Serve {
    address: SocketAddr,
    called: String,
    owner: Owner,
    offered: Arc<Mutex<Offered>>,
    accepting: AbortHandle,
}

/// What was given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Layers and documents.
    pub answers: u64,
    pub bytes: u64,
}

/// What can be had.
#[derive(Default)]
struct Offered {
    repository: String,
    images: Vec<Image>,
    manifests: BTreeMap<Digest, Bytes>,
    blobs: BTreeMap<Digest, Bytes>,
    /// Digests that were fetched by somebody.
    fetched: BTreeSet<Digest>,
    served: Served,
    was_asked: bool,
}

impl Serve {
    /// Listens at `bind`; nodes call it `called` (`host:port`; an empty one is the address itself).
    pub async fn start(bind: SocketAddr, called: &str, owner: Owner) -> Result<Self, ShipError> {
        let refuse = |source| ShipError::Bind { address: bind, source };
        let listener = TcpListener::bind(bind).await.map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        let called = if called.is_empty() { address.to_string() } else { called.to_owned() };
        let repository = format!("dyninka/{}", owner.repository());
        let offered = Arc::new(Mutex::new(Offered { repository, ..Offered::default() }));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&offered))).abort_handle();
        Ok(Self { address, called, owner, offered, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether anybody asked for anything that is served, or looked whether it is there.
    pub fn was_asked(&self) -> bool {
        lock(&self.offered).was_asked
    }

    /// What nodes fetched so far.
    pub fn served(&self) -> Served {
        lock(&self.offered).served
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Takes connections until it is dropped, and they with it.
async fn accept(listener: TcpListener, offered: Arc<Mutex<Offered>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let offered = Arc::clone(&offered);
                    let service = service_fn(move |request: Request<Incoming>| {
                        let answer = answer(&offered, request.method(), request.uri().path());
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    connections.spawn(async move {
                        let server = hyper::server::conn::http1::Builder::new();
                        if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                            // Who goes away in the middle asks again.
                            tracing::debug!(%error, "a node's connection ended");
                        }
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: room comes when a connection ends.
                    tracing::warn!(%error, "a node's connection could not be taken");
                    if connections.join_next().await.is_none() {
                        tokio::task::yield_now().await;
                    }
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn answer(offered: &Mutex<Offered>, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        return respond(StatusCode::METHOD_NOT_ALLOWED, Some(("allow", "GET, HEAD")), Bytes::new());
    }
    if path == "/v2/" || path == "/v2" {
        return respond(StatusCode::OK, Some(("content-type", "application/json")), Bytes::from_static(b"{}"));
    }
    let mut offered = lock(offered);
    let Some((kind, digest, content)) = offered.find(path) else {
        let words = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"not served here"}]}"#;
        let kind = Some(("content-type", "application/json"));
        return respond(StatusCode::NOT_FOUND, kind, Bytes::from_static(words.as_bytes()));
    };
    offered.was_asked = true;
    let length = content.len();
    if method == Method::GET {
        offered.served.answers += 1;
        offered.served.bytes += length as u64;
        offered.fetched.insert(digest.clone());
    }
    // What is said of a body that does not follow is said all the same.
    let body = if method == Method::GET { content } else { Bytes::new() };
    let mut response = respond(StatusCode::OK, Some(("content-type", kind)), body);
    let headers = response.headers_mut();
    headers.insert("content-length", length.into());
    if let Ok(digest) = digest.as_str().parse() {
        headers.insert("docker-content-digest", digest);
    }
    response
}

fn respond(status: StatusCode, header: Option<(&'static str, &'static str)>, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("docker-distribution-api-version", hyper::header::HeaderValue::from_static("registry/2.0"));
    if let Some((name, value)) = header {
        headers.insert(name, hyper::header::HeaderValue::from_static(value));
    }
    response
}

impl Offered {
    /// What a path names, with its media type.
    fn find(&self, path: &str) -> Option<(&'static str, Digest, Bytes)> {
        let rest = path.strip_prefix("/v2/")?.strip_prefix(&self.repository)?;
        let (kind, digest) = rest.strip_prefix('/')?.split_once('/')?;
        let digest = Digest::read(digest)?;
        let (media_type, content) = match kind {
            "manifests" => (MANIFEST, self.manifests.get(&digest)?),
            "blobs" => ("application/octet-stream", self.blobs.get(&digest)?),
            _ => return None,
        };
        let content = content.clone();
        Some((media_type, digest, content))
    }

    fn fill(&mut self) {
        self.manifests.clear();
        self.blobs.clear();
        for image in &self.images {
            self.manifests.insert(image.digest.clone(), image.manifest.clone());
            self.blobs.insert(image.config_digest.clone(), image.config.clone());
            self.blobs.extend(image.layers.iter().map(|layer| (layer.digest.clone(), layer.content.clone())));
        }
    }
}

fn lock(offered: &Mutex<Offered>) -> MutexGuard<'_, Offered> {
    offered.lock()
}

#[async_trait]
impl Ship for Serve {
    fn describe(&self) -> String {
        format!("this session, which nodes call {}", self.called)
    }

    fn reference(&self, image: &Image) -> String {
        format!("{}/dyninka/{}@{}", self.called, self.owner.repository(), image.digest)
    }

    fn pull_policy(&self) -> PullPolicy {
        PullPolicy::IfNotPresent
    }

    /// What no node has fetched yet: who else will, only the nodes know.
    async fn missing(&self, images: &[&Image]) -> Result<MissingLayers, ShipError> {
        let offered = lock(&self.offered);
        let layers =
            images.iter().flat_map(|image| &image.layers).filter(|layer| !offered.fetched.contains(&layer.digest));
        let layers: BTreeMap<&Digest, u64> = layers.map(|layer| (&layer.digest, layer.compressed())).collect();
        Ok(MissingLayers { layers: layers.len(), bytes: layers.values().sum() })
    }

    /// Sends nothing yet: nodes fetch, and [`Serve::served`] counts it.
    async fn put(&self, images: &[&Image]) -> Result<Sent, ShipError> {
        let mut offered = lock(&self.offered);
        for image in images {
            offered.images.retain(|kept| kept.digest != image.digest);
            offered.images.push((*image).clone());
        }
        offered.fill();
        let words = "nodes fetch these images from here while the push lasts: a pod that moves to another node later does not start there before the next push of its service";
        Ok(Sent { notices: vec![words.to_owned()], ..Sent::default() })
    }

    async fn stock(&self) -> Result<Stock, ShipError> {
        let offered = lock(&self.offered);
        Ok(Stock { images: offered.images.len(), bytes: offered.blobs.values().map(|blob| blob.len() as u64).sum() })
    }

    async fn prune(&self, keep: &BTreeSet<String>) -> Result<Pruned, ShipError> {
        let mut offered = lock(&self.offered);
        let before = offered.images.len();
        let kept = |image: &Image| keep.contains(&self.reference(image));
        offered.images.retain(kept);
        offered.fill();
        Ok(Pruned { removed: before - offered.images.len(), kept: offered.images.len(), notices: Vec::new() })
    }
}
