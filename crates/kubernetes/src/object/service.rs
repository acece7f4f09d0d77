//! Names that lead to pods.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::DOOR;
use super::{label, metadata, name};
use crate::model::{Wanted, WantedService};

/// Leads to the pods of one wire form: other services of the app call this.
pub(crate) fn form(wanted: &Wanted, service: &WantedService) -> Service {
    let name = name::of_form(&service.dns, &service.wire);
    let mut form = leading(wanted, service, name, None);
    form.metadata.labels.get_or_insert_default().insert(label::WIRE.to_owned(), service.wire.clone());
    form
}

/// Leads to the pods of the current form, under the service's own name. The last service's has a port of every node
/// where that is asked for.
pub(crate) fn plain(wanted: &Wanted, service: &WantedService) -> Service {
    let is_entry = wanted.entry.as_ref() == Some(&service.name);
    leading(wanted, service, service.dns.clone(), wanted.settings.entry.node_port.filter(|_| is_entry))
}

fn leading(wanted: &Wanted, service: &WantedService, name: String, node_port: Option<u16>) -> Service {
    let port = ServicePort {
        name: Some(DOOR.to_owned()),
        port: i32::from(name::PORT),
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(DOOR.to_owned())),
        node_port: node_port.filter(|port| *port > 0).map(i32::from),
        ..ServicePort::default()
    };
    Service {
        metadata: metadata(wanted, name, Some(service)),
        spec: Some(ServiceSpec {
            selector: Some(label::pods(&wanted.app, service)),
            ports: Some(vec![port]),
            type_: Some(if node_port.is_some() { "NodePort" } else { "ClusterIP" }.to_owned()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
