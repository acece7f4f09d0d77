//! No registry at all: a port of every node that leads to this process, which serves the images while they are rolled
//! out.
//!
//! A container runtime speaks plain HTTP to `localhost` without being told to, and a port that a Service of type
//! NodePort has is one of every node's `localhost`. So there is such a Service of each app's, without a selector: it
//! stays, so that images keep their names from push to push, and leads nowhere but while a push lasts, when it leads to
//! the address this machine has in the nodes' network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use k8s_openapi::api::core::v1::{Endpoints, Service};
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::site::dynamic;
use crate::cluster::{Access, Apply, ClusterError, MANAGED_BY, MANAGER, PART_OF};
use crate::model::hash;
use crate::object::{label, name};
use images::Image;
use images::ship::{Facts, MissingLayers, Owner, Pruned, PullPolicy, Sent, Serve, Ship, ShipError, Stock};

/// The ports that nodes have for this, on most clusters, and how many are tried.
const PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;
const TRIES: u16 = 8;

/// Images served to nodes by way of a port of theirs.
pub(super) struct Relayed {
    access: Access,
    app: String,
    port: u16,
    nodes: Vec<String>,
    serve: Serve,
}

impl Relayed {
    /// Listens here, and finds the port that nodes will have. Nothing is changed on the cluster yet.
    pub(super) async fn open(access: &Access, app: &str, facts: &Facts, owner: Owner) -> Result<Self, ShipError> {
        let port = port(access, app).await.map_err(|error| way(&error))?;
        let here = here(&facts.addresses).map_err(|error| way(&error))?;
        let called = format!("localhost:{port}");
        // Under the same number, so that a node that has to be told of it is told once; but not on a node, whose own
        // the port is, and where it is taken under another.
        let same = (!facts.addresses.contains(&here)).then_some(SocketAddr::new(here, port));
        let serve = match same {
            Some(same) => Serve::start(same, &called, owner.clone()).await.ok(),
            None => None,
        };
        let serve = match serve {
            Some(serve) => serve,
            None => Serve::start(SocketAddr::new(here, 0), &called, owner).await?,
        };
        let nodes = facts.nodes.iter().map(|node| node.name.clone()).collect();
        Ok(Self { access: access.clone(), app: app.to_owned(), port, nodes, serve })
    }

    fn name(&self) -> String {
        name::of_app(&self.app, "images")
    }

    async fn apply(&self, object: &DynamicObject) -> Result<(), ClusterError> {
        let app = label::app(&self.app);
        // Nobody else has a say in where our own port leads.
        Apply { access: &self.access, app: &app, project: &[], force: true }.apply(object).await.map(drop)
    }

    /// Where the port of every node leads while a push lasts.
    fn endpoints(&self) -> Result<DynamicObject, ClusterError> {
        let (address, app) = (self.serve.address(), label::app(&self.app));
        let subset = json!({
            "addresses": [{ "ip": address.ip().to_string() }],
            "ports": [{ "name": DOOR, "port": address.port(), "protocol": "TCP" }],
        });
        dynamic(&json!({
            "apiVersion": "v1", "kind": "Endpoints", "metadata": metadata(&self.name(), &app), "subsets": [subset],
        }))
    }

    /// Waits until the port of every node leads here: a node that is asked to fetch before gives up for a while. It is
    /// tried by the API server, which comes by the same port. Answers what a user should know.
    async fn settle(&self) -> Vec<String> {
        let found = join_all(self.nodes.iter().map(|node| self.try_node(node))).await;
        let why: Vec<String> = found.into_iter().flatten().collect();
        if why.is_empty() {
            return why;
        }
        vec![format!("whether nodes reach this machine is not known before they fetch: {}", why.join("; "))]
    }

    /// Why it is not known that a node's port leads here; none where it does.
    async fn try_node(&self, node: &str) -> Option<String> {
        let end = Instant::now() + LEADS_WITHIN;
        let path = format!("/api/v1/nodes/{node}:{}/proxy/v2/", self.port);
        let doing = format!("come here by {node}");
        loop {
            let question = http::Request::get(&path).body(Vec::new()).ok()?;
            let asked = self.access.ask(&doing, self.access.client.request_text(question));
            // A connection that was begun while the node learnt of it may go nowhere for good.
            let why = match tokio::time::timeout(ONE_TRY, asked).await {
                Ok(Ok(_)) => return None,
                Ok(Err(error @ ClusterError::Forbidden { .. })) => {
                    tokio::time::sleep(BLINDLY).await;
                    return Some(error.to_string());
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("cannot {doing}: nobody answers"),
            };
            if Instant::now() >= end {
                return Some(why);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What to do where nodes do not get here by their own port.
    fn words(&self) -> String {
        let (address, port) = (self.serve.address(), self.port);
        format!(
            "no node asked for an image here: nodes have to reach {address} (is a firewall between?), and kube-proxy has \
             to lead their localhost:{port} there, which it does by iptables and not by IPVS or nftables. Where it does \
             not, name a registry (--registry), or tell containerd on every node, in \
             /etc/containerd/certs.d/localhost:{port}/hosts.toml: server = \"http://{}\"",
            address,
        )
    }
}

/// Nodes learn where a port leads in a second or two; one that has not by then is left to say so itself.
const LEADS_WITHIN: Duration = Duration::from_secs(15);
/// Where it cannot be tried, nodes have this long.
const BLINDLY: Duration = Duration::from_secs(4);
/// How long one try may take.
const ONE_TRY: Duration = Duration::from_secs(1);
/// Between two tries.
const LOOK: Duration = Duration::from_millis(100);

/// The port's name.
const DOOR: &str = "images";

fn way(error: &ClusterError) -> ShipError {
    ShipError::Way { words: error.to_string(), hint: error.hint() }
}

/// Of the app, and not one of the objects that a push compares: it stays when services come and go.
fn metadata(name: &str, app: &str) -> Value {
    json!({ "name": name, "labels": { MANAGED_BY: MANAGER, PART_OF: app } })
}

fn service(name: &str, app: &str, port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata(name, app),
        "spec": {
            "type": "NodePort",
            "ports": [{ "name": DOOR, "port": 80, "protocol": "TCP", "targetPort": DOOR, "nodePort": port }],
        },
    })
}

/// The port that nodes have for the app, or would have: the same for the same app of the same namespace wherever it is
/// pushed from.
async fn port(access: &Access, app: &str) -> Result<u16, ClusterError> {
    let services: Api<Service> = Api::namespaced(access.client.clone(), &access.namespace);
    let (own, label) = (name::of_app(app, "images"), label::app(app));
    let doing = "find a port that nodes fetch images by";
    if let Some(found) = access.ask(doing, services.get_opt(&own)).await? {
        let ports = found.spec.and_then(|spec| spec.ports).unwrap_or_default();
        if let Some(port) = ports.iter().find_map(|port| u16::try_from(port.node_port?).ok()) {
            return Ok(port);
        }
    }
    let mut last = None;
    for port in candidates(&[app, &access.namespace, &access.identity.to_string()]) {
        let refuse = |error: serde_json::Error| ClusterError::Refused {
            doing: doing.to_owned(),
            code: 0,
            why: error.to_string(),
        };
        let wanted = serde_json::from_value(service(&own, &label, port)).map_err(refuse)?;
        let rehearsal = PostParams { dry_run: true, ..PostParams::default() };
        match access.ask(doing, services.create(&rehearsal, &wanted)).await {
            Ok(_) => return Ok(port),
            // Taken, or none of the ports that this cluster has for it.
            Err(error @ ClusterError::Refused { code: 422, .. }) => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or(ClusterError::Refused { doing: doing.to_owned(), code: 0, why: "there is none".to_owned() }))
}

fn candidates(of: &[&str]) -> impl Iterator<Item = u16> {
    let hash = hash(of);
    let start = u64::from_str_radix(hash.get(..12).unwrap_or_default(), 16).unwrap_or_default();
    let (first, all) = (*PORTS.start(), u64::from(PORTS.end() - PORTS.start()) + 1);
    // Below the number of ports, so that it fits.
    (0..u64::from(TRIES)).map(move |n| first + u16::try_from((start + n * 97) % all).unwrap_or_default())
}

/// The address of this machine in the nodes' network: what a packet to the first of them leaves by. Nothing is sent.
fn here(nodes: &[IpAddr]) -> Result<IpAddr, ClusterError> {
    let doing = "find this machine's address in the nodes' network";
    let refuse = |why: String| ClusterError::Refused { doing: doing.to_owned(), code: 0, why };
    let node =
        nodes.first().ok_or_else(|| refuse("the nodes say none of theirs, or may not be looked at".to_owned()))?;
    let any: IpAddr = if node.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let asked = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((*node, 9))?;
        socket.local_addr()
    });
    let here = asked.map_err(|error| refuse(format!("no way leads to the node {node}: {error}")))?.ip();
    // No port of a cluster may lead to it: every pod has one of its own.
    if here.is_loopback() { Err(refuse(format!("{here} leads from no pod to here"))) } else { Ok(here) }
}

#[async_trait]
impl Ship for Relayed {
    fn describe(&self) -> String {
        format!("this machine, {}, which nodes reach by localhost:{}", self.serve.address(), self.port)
    }

    fn reference(&self, image: &Image) -> String {
        self.serve.reference(image)
    }

    fn pull_policy(&self) -> PullPolicy {
        self.serve.pull_policy()
    }

    async fn missing(&self, images: &[&Image]) -> Result<MissingLayers, ShipError> {
        self.serve.missing(images).await
    }

    async fn put(&self, images: &[&Image]) -> Result<Sent, ShipError> {
        let service =
            dynamic(&service(&self.name(), &label::app(&self.app), self.port)).map_err(|error| way(&error))?;
        self.apply(&service).await.map_err(|error| way(&error))?;
        let mut sent = self.serve.put(images).await?;
        self.apply(&self.endpoints().map_err(|error| way(&error))?).await.map_err(|error| way(&error))?;
        sent.notices.extend(self.settle().await);
        Ok(sent)
    }

    /// The port leads nowhere any more: who has this machine's address next is not to be asked.
    async fn finish(&self, is_live: bool) -> Result<Sent, ShipError> {
        let served = self.serve.served();
        let notices = if is_live || self.serve.was_asked() { Vec::new() } else { vec![self.words()] };
        let endpoints: Api<Endpoints> = Api::namespaced(self.access.client.clone(), &self.access.namespace);
        let doing = format!("remove endpoints/{}", self.name());
        match self.access.ask(&doing, endpoints.delete(&self.name(), &kube::api::DeleteParams::default())).await {
            Ok(_) | Err(ClusterError::Refused { code: 404, .. }) => {}
            Err(error) => return Err(way(&error)),
        }
        Ok(Sent { bytes: served.bytes, notices, ..Sent::default() })
    }

    async fn stock(&self) -> Result<Stock, ShipError> {
        self.serve.stock().await
    }

    async fn prune(&self, keep: &std::collections::BTreeSet<String>) -> Result<Pruned, ShipError> {
        self.serve.prune(keep).await
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_app_of_a_namespace_tries_the_same_ports_each_time() {
        let ports = |of: &[&str]| candidates(of).collect::<Vec<_>>();
        let one = ports(&["shop", "home", "uid"]);
        assert_eq!(one, ports(&["shop", "home", "uid"]));
        assert_ne!(one, ports(&["shop", "work", "uid"]));
        assert_eq!(one.iter().collect::<std::collections::BTreeSet<_>>().len(), usize::from(TRIES));
        assert!(one.iter().all(|port| PORTS.contains(port)), "{one:?}");
    }

    #[test]
    fn an_address_that_no_pod_reaches_is_none() {
        let own = here(&["127.0.0.1".parse().unwrap()]).unwrap_err();
        assert!(own.to_string().contains("127.0.0.1 leads from no pod to here"), "{own}");
        assert!(here(&[]).unwrap_err().to_string().contains("may not be looked at"));
    }
}
