//! The way in from outside.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};

use super::deployment::DOOR;
use super::{metadata, name};
use crate::model::Wanted;

/// An Ingress to the last service, where a host name is asked for.
pub(crate) fn ingress(wanted: &Wanted) -> Option<Ingress> {
    let entry = &wanted.settings.entry;
    let host = entry.host.clone()?;
    let last = wanted.service(wanted.entry.as_deref()?)?;
    let backend = IngressBackend {
        service: Some(IngressServiceBackend {
            name: last.dns.clone(),
            port: Some(ServiceBackendPort { name: Some(DOOR.to_owned()), number: None }),
        }),
        resource: None,
    };
    let path = HTTPIngressPath {
        backend,
        path: Some(entry.path.clone().unwrap_or_else(|| "/".to_owned())),
        path_type: "Prefix".to_owned(),
    };
    let tls = entry.tls.clone().map(|secret| IngressTLS { hosts: Some(vec![host.clone()]), secret_name: Some(secret) });
    Some(Ingress {
        metadata: metadata(wanted, name::of_app(&wanted.app, "entry"), None),
        spec: Some(IngressSpec {
            ingress_class_name: entry.class.clone(),
            rules: Some(vec![IngressRule { host: Some(host), http: Some(HTTPIngressRuleValue { paths: vec![path] }) }]),
            tls: tls.map(|tls| vec![tls]),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    })
}
