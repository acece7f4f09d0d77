//! A wanted app as Kubernetes objects, to be applied by the server: what is not set here is somebody else's.
//!
//! For each service: a Deployment for its wire form, a Service that leads to that form alone (other services call this
//! one), a ConfigMap with what its hosts are told, and a Service of its plain name, for whoever calls from outside the
//! app. So while the types of a service change, old callers go on reaching old pods and new ones new pods; where its
//! body alone changes, one Deployment rolls and no caller is touched. The plain Service is to be applied last, when the
//! Deployment it leads to is there.
//!
//! Services of a group share a Deployment and a ConfigMap, and have the two Services each. A service with places has a
//! Deployment in each, a ConfigMap with a key for each, and a Service that leads to one place alone: callers pick the place.
//!
//! Everything here is served by Kubernetes 1.20 and by today's.

mod config;
pub mod data;
mod deployment;
mod drift;
mod entry;
pub mod label;
mod lone;
mod member;
pub mod name;
pub mod node;
mod reaches;
mod read;
mod rights;
mod service;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::model::{Unit, Wanted, WantedService};
use crate::settings::PlaceNodes;

pub(crate) use config::TOKEN;
pub use config::secret;
pub use data::DataObjects;
pub use deployment::CONTAINER;
pub use drift::drift;
pub(crate) use drift::entry;
pub use node::NodeObjects;
pub(crate) use reaches::{CALLS, alike};
pub use read::read;
pub use rights::Rights;

/// Who pushes what: told on the objects, and no part of what a pod is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// `user@machine`.
    pub by: Option<String>,
    /// RFC 3339.
    pub at: Option<String>,
    /// Hash over the app's text.
    pub source: Option<String>,
}

/// The objects of a host's services.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitObjects {
    /// What its hosts are told; its name stands for its content.
    pub config: ConfigMap,
    /// Its pods: one, or one for each of its places.
    pub deployments: Vec<Deployment>,
    /// What leads to its pods in each place, where it has places.
    pub places: Vec<Service>,
    /// Upstreams first.
    pub services: Vec<ServiceObjects>,
}

/// What leads to a service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceObjects {
    /// Rust name.
    pub service: String,
    /// Leads to its pods of this wire form.
    pub form: Service,
    /// Leads to whatever form is current, under the service's own name.
    pub plain: Service,
}

/// The objects of an app, in the order they are to be applied in.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// Upstreams first.
    pub units: Vec<UnitObjects>,
    /// Leads in from outside, where that is asked for.
    pub ingress: Option<Ingress>,
    /// The agent that makes the namespace a node of a fleet, where that is asked for.
    pub node: Option<NodeObjects>,
    /// The data server beside the app, where that is asked for.
    pub data: Option<DataObjects>,
}

/// The objects of an app.
pub fn objects(wanted: &Wanted, stamp: &Stamp) -> Objects {
    let units = wanted.units().iter().map(|unit| of_unit(wanted, unit, stamp)).collect();
    Objects { units, ingress: entry::ingress(wanted), node: node::node(wanted, stamp), data: data::data(wanted, stamp) }
}

fn of_unit(wanted: &Wanted, unit: &Unit<'_>, stamp: &Stamp) -> UnitObjects {
    let config = config::config_map(wanted, unit);
    let told = config.metadata.name.clone().unwrap_or_default();
    let service = |service: &&WantedService| ServiceObjects {
        service: service.name.clone(),
        form: service::form(wanted, unit, service),
        plain: service::plain(wanted, unit, service),
    };
    let places: Vec<Option<&PlaceNodes>> = match unit.places() {
        [] => vec![None],
        places => places.iter().map(Some).collect(),
    };
    UnitObjects {
        deployments: places.iter().map(|place| deployment::deployment(wanted, unit, *place, &told, stamp)).collect(),
        places: unit.places().iter().map(|place| service::in_place(wanted, unit, place)).collect(),
        services: unit.members.iter().map(service).collect(),
        config,
    }
}

impl Objects {
    /// All of them as JSON values with kind and version, in the order they are to be applied in.
    pub fn values(&self) -> Result<Vec<serde_json::Value>, serde_json::Error> {
        let mut values = Vec::new();
        for unit in &self.units {
            values.push(serde_json::to_value(&unit.config)?);
            for service in &unit.services {
                values.push(serde_json::to_value(&service.form)?);
            }
            for service in &unit.places {
                values.push(serde_json::to_value(service)?);
            }
            for deployment in &unit.deployments {
                values.push(serde_json::to_value(deployment)?);
            }
            for service in &unit.services {
                values.push(serde_json::to_value(&service.plain)?);
            }
        }
        values.extend(self.ingress.as_ref().map(serde_json::to_value).transpose()?);
        if let Some(node) = &self.node {
            values.extend(node.rights.values()?);
            values.extend(node.service.as_ref().map(serde_json::to_value).transpose()?);
            values.push(serde_json::to_value(&node.deployment)?);
        }
        if let Some(data) = &self.data {
            values.extend(data.values()?);
        }
        Ok(values)
    }
}

/// The name and labels of an object of an app, of a service where it is one's.
fn metadata(wanted: &Wanted, name: String, service: Option<&WantedService>) -> ObjectMeta {
    metadata_of(wanted, name, label::all(&wanted.app, service))
}

/// The same with labels that say whose it is.
fn metadata_of(wanted: &Wanted, name: String, mut labels: BTreeMap<String, String>) -> ObjectMeta {
    labels.extend(wanted.project.clone().map(|project| (label::PROJECT.to_owned(), project)));
    ObjectMeta { name: Some(name), labels: Some(labels), ..ObjectMeta::default() }
}
