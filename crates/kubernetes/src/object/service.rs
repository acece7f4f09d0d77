//! Names that lead to pods.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::{DOOR, port_name};
use super::{label, metadata, name};
use crate::model::{Unit, Wanted, WantedService};
use crate::settings::PlaceNodes;

/// Leads to the pods of one wire form: other services of the app call this.
pub(crate) fn form(wanted: &Wanted, unit: &Unit<'_>, service: &WantedService) -> Service {
    let name = name::of_form(&service.dns, &service.wire);
    let mut form = leading(wanted, unit, service, name, None);
    form.metadata.labels.get_or_insert_default().insert(label::WIRE.to_owned(), service.wire.clone());
    form
}

/// Leads to the pods of one wire form in one place.
pub(crate) fn in_place(wanted: &Wanted, unit: &Unit<'_>, place: &PlaceNodes) -> Service {
    let mut service = leading(wanted, unit, unit.first(), unit.object_in(place), None);
    if let Some(selector) = service.spec.as_mut().and_then(|spec| spec.selector.as_mut()) {
        selector.insert(label::PLACE.to_owned(), place.place.clone());
    }
    service.metadata.labels.get_or_insert_default().insert(label::PLACE.to_owned(), place.place.clone());
    service
}

/// Leads to the pods of the current form, under the service's own name. The last service's has a port of every node
/// where that is asked for.
pub(crate) fn plain(wanted: &Wanted, unit: &Unit<'_>, service: &WantedService) -> Service {
    let is_entry = wanted.entry.as_ref() == Some(&service.name);
    let node_port = wanted.settings.entry.node_port.filter(|_| is_entry);
    leading(wanted, unit, service, service.dns.clone(), node_port)
}

fn leading(wanted: &Wanted, unit: &Unit<'_>, service: &WantedService, name: String, node_port: Option<u16>) -> Service {
    let port = ServicePort {
        name: Some(DOOR.to_owned()),
        port: i32::from(name::PORT),
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(port_name(unit, service))),
        node_port: node_port.filter(|port| *port > 0).map(i32::from),
        ..ServicePort::default()
    };
    Service {
        metadata: metadata(wanted, name, Some(service)),
        spec: Some(ServiceSpec {
            selector: Some(label::pods_of(&wanted.app, unit, service)),
            ports: Some(vec![port]),
            type_: Some(if node_port.is_some() { "NodePort" } else { "ClusterIP" }.to_owned()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
