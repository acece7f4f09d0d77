//! What commands ask: the agent of this machine, or the nodes of the fleet as an operator.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use nodes::{FleetMember, FleetRole};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{FleetView, NodeCommand};
use crate::bundle::NodeBundle;
use crate::error::NodeError;
use crate::events::NodeEvent;
use crate::folder::FleetFolder;
use crate::http::{HttpAnswer, ask_node, ask_socket, request, why};
use crate::tls::FleetTls;

/// An agent of this machine.
#[derive(Clone, Debug)]
pub struct NodeClient {
    socket: PathBuf,
    /// Of the agent's node, where it is known: without a fleet there is nobody to ask.
    folder: Option<FleetFolder>,
}

impl NodeClient {
    pub fn new(folder: FleetFolder) -> Self {
        Self { socket: folder.socket(), folder: Some(folder) }
    }

    /// The agent that listens at a socket, such as one of another user or in another folder.
    pub fn at(socket: PathBuf) -> Self {
        Self { socket, folder: None }
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, NodeError> {
        if let Some(folder) = &self.folder {
            folder.record()?;
        }
        let asked = ask_socket(&self.socket, request(&method, path, HeaderMap::new(), body)).await;
        let answer = match (asked, &self.folder) {
            (Err(NodeError::NotRunning), None) => {
                let to = self.socket.display().to_string();
                return Err(NodeError::Unreachable { to, why: "no agent listens there".to_owned() });
            }
            (asked, _) => asked?,
        };
        read("the agent", &answer)
    }

    pub async fn nodes(&self) -> Result<FleetView, NodeError> {
        self.ask(Method::GET, "/v1/nodes", Bytes::new()).await
    }

    /// Events after a number; where there are none, those that come within the time.
    pub async fn events(&self, after: u64, wait: std::time::Duration) -> Result<Vec<NodeEvent>, NodeError> {
        self.ask(Method::GET, &format!("/v1/events?after={after}&wait={}", wait.as_millis()), Bytes::new()).await
    }

    pub async fn command(&self, command: &NodeCommand) -> Result<Value, NodeError> {
        let body = serde_json::to_vec(command).unwrap_or_default();
        self.ask(Method::POST, "/v1/commands", body.into()).await
    }
}

fn read<T: DeserializeOwned>(to: &str, answer: &HttpAnswer) -> Result<T, NodeError> {
    let refused = |why: String| NodeError::Refused { to: to.to_owned(), why };
    if !answer.status.is_success() {
        return Err(refused(why(answer)));
    }
    serde_json::from_slice(&answer.body).map_err(|error| refused(format!("its answer does not read: {error}")))
}

/// A fleet, to somebody who may deploy.
pub struct FleetOperator {
    folder: FleetFolder,
    tls: FleetTls,
}

/// What a push brought to a node.
#[derive(Clone, Debug)]
pub struct PushedToNode {
    pub node: String,
    pub sent: u64,
    /// Service, version, and what became of it.
    pub services: Vec<(String, String, String)>,
}

impl FleetOperator {
    pub fn open(folder: FleetFolder) -> Result<Self, NodeError> {
        folder.record()?;
        let tls = FleetTls::open(&folder, FleetRole::Operator)?;
        Ok(Self { folder, tls })
    }

    /// Everybody in the fleet, as the first node knows that answers.
    pub async fn members(&self) -> Result<Vec<FleetMember>, NodeError> {
        let mut last = NodeError::Unreachable {
            to: "the fleet".to_owned(),
            why: "this machine remembers none of its nodes".to_owned(),
        };
        let mut seeds = self.folder.members()?;
        // Where an agent runs on this machine, it knows best.
        if let Ok(view) = NodeClient::new(self.folder.clone()).nodes().await {
            let own = view.nodes.iter().filter(|node| node.state == "here");
            let own = own.filter_map(|node| {
                let (address, id) = (node.address.parse().ok()?, node.id.parse().ok()?);
                Some(FleetMember { id, life: 0, address, name: node.name.clone() })
            });
            seeds.splice(0..0, own.collect::<Vec<_>>());
        }
        for seed in seeds {
            match self.ask::<Vec<FleetMember>>(&seed, Method::GET, "/v1/members", Bytes::new()).await {
                Ok(members) => {
                    self.folder.save_json("members.json", &members)?;
                    return Ok(members);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        node: &FleetMember,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, NodeError> {
        let asked = request(&method, path, HeaderMap::new(), body);
        let tls = Arc::clone(&self.tls.configs().http);
        let (answer, ..) = ask_node(&node.address.to_string(), Some(node.id), tls, asked).await?;
        read(&node.name, &answer)
    }

    /// Has a node run a bundle. Of its libraries only those are sent that are not there.
    pub async fn push(
        &self,
        node: &FleetMember,
        bundle: &NodeBundle,
        libraries: &BTreeMap<String, Bytes>,
    ) -> Result<PushedToNode, NodeError> {
        let hashes: Vec<&String> = libraries.keys().collect();
        let body = serde_json::to_vec(&hashes).unwrap_or_default();
        let missing: Vec<String> = self.ask(node, Method::POST, "/v1/missing", body.into()).await?;
        let mut sent = 0;
        for hash in missing {
            let Some(library) = libraries.get(&hash) else { continue };
            sent += library.len() as u64;
            let _kept: Value = self.ask(node, Method::PUT, &format!("/v1/blobs/{hash}"), library.clone()).await?;
        }
        let body = serde_json::to_vec(bundle).map_err(|error| NodeError::Bundle(error.to_string()))?;
        let answer: Value = self.ask(node, Method::PUT, &format!("/v1/apps/{}", bundle.app), body.into()).await?;
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let services = answer["services"].as_array().cloned().unwrap_or_default();
        let services = services.iter().map(|one| (text(one, "service"), text(one, "version"), text(one, "how")));
        Ok(PushedToNode { node: node.name.clone(), sent, services: services.collect() })
    }
}
