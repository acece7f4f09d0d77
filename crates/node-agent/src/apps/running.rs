//! An app that a node runs itself, as its bundle has it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use local_cluster::{Backend, BackendError, Endpoint};
use protocol::{Config, Limits, Outside, Peer, ServiceLoad};
use tokio::task::AbortHandle;

use super::{file_of, told};
use crate::bundle::{BundledService, NodeBundle};
use crate::served::ServedApp;

/// An app that this node runs itself.
#[derive(Clone)]
pub(super) struct RunningApp {
    pub(super) bundle: Arc<NodeBundle>,
    pub(super) token: Arc<str>,
    pub(super) hosts: BTreeMap<String, SocketAddr>,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    /// Where its hosts reach the agent.
    pub(super) away: SocketAddr,
    /// Who starts services again that end.
    pub(super) watcher: Option<AbortHandle>,
}

impl RunningApp {
    pub(super) fn served(&self) -> ServedApp {
        let hosts = self.hosts.iter().map(|(service, host)| (service.clone(), vec![*host]));
        ServedApp { bundle: self.bundle.clone(), token: self.token.clone(), hosts: hosts.collect(), away: self.away }
    }

    /// The last service, and where users call it.
    pub(super) fn public(&self) -> Option<(&str, SocketAddr)> {
        Some((self.bundle.entry.as_deref()?, self.bundle.listen?))
    }

    /// Has users come in where the bundle says, unless that is a host's to do.
    pub(super) fn lead(&self) -> Result<(), String> {
        match self.public() {
            _ if self.backend.hosts_bind_front() => Ok(()),
            Some((entry, listen)) => self.backend.lead_front(entry, listen.into()).map_err(told),
            None => {
                self.backend.close_front();
                Ok(())
            }
        }
    }

    /// Ends its services.
    pub(super) async fn end(self) -> Result<(), BackendError> {
        if let Some(watcher) = self.watcher {
            watcher.abort();
        }
        self.backend.close().await
    }

    pub(super) fn config(&self, service: &str) -> Config {
        let peer = |(name, of): (&String, &BundledService)| {
            let endpoint = self.endpoints.get(name)?;
            Some((
                name.clone(),
                Peer {
                    address: endpoint.peer.clone(),
                    others: Vec::new(),
                    host: of.host.clone(),
                    inputs: of.inputs.clone(),
                },
            ))
        };
        let is_entry = self.bundle.entry.as_deref() == Some(service);
        let of = &self.bundle.services[service];
        let limits = Limits::default();
        Config {
            app: self.bundle.app.clone(),
            service: service.to_owned(),
            instance: None,
            listen: self.endpoints[service].listen,
            front: self.bundle.listen.filter(|_| is_entry && self.backend.hosts_bind_front()),
            peers: Arc::new(self.bundle.services.iter().filter_map(peer).collect()),
            route: of.route.clone(),
            library: Some(file_of(&of.library)),
            token: self.token.to_string(),
            names: None,
            outside: is_entry.then(Outside::default),
            limits: Limits { depth: limits.depth.max(self.bundle.services.len()), ..limits },
            load: ServiceLoad {
                rate: of.rate.map(|rate| rate as u32),
                at_once: of.at_once.and_then(|most| u32::try_from(most).ok()),
                latency_ms: of.latency_us.map(|us| us / 1000),
                idempotent: of.idempotent,
                stays: of.stays,
            },
            record: false,
            moved: None,
            near: None,
        }
    }
}
