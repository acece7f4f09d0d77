//! Objects on a cluster, read back to what runs.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;

use super::{label, reaches};
use crate::model::{RunningApp, RunningService};

/// The annotation a Deployment's controller counts revisions in.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// What runs of an app, as its Deployments and Services tell. Deployments that say nothing of a service are not ours.
pub fn read(deployments: &[Deployment], services: &[Service]) -> RunningApp {
    let mut running: Vec<RunningService> = deployments.iter().filter_map(service).collect();
    let current = current(services);
    for service in &mut running {
        service.current = current.get(&dns(deployments, &service.object)) == Some(&service.wire);
    }
    // Before the plain Service is there, or where somebody took it away, a form that is alone is the current one.
    for at in 0..running.len() {
        let alone = running.iter().filter(|other| other.name == running[at].name).count() == 1;
        running[at].current |= alone;
    }
    running.sort_by(|one, other| (&one.name, !one.current, &one.wire).cmp(&(&other.name, !other.current, &other.wire)));
    RunningApp { services: running, source: None }
}

fn service(deployment: &Deployment) -> Option<RunningService> {
    let annotations = deployment.metadata.annotations.as_ref()?;
    let said = |key: &str| annotations.get(key).cloned();
    let wire = deployment.metadata.labels.as_ref()?.get(label::WIRE)?.clone();
    let spec = deployment.spec.as_ref()?;
    let container = spec.template.spec.as_ref()?.containers.first()?;
    let count = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    let status = deployment.status.as_ref();
    Some(RunningService {
        name: said(label::SERVICE)?,
        object: deployment.metadata.name.clone()?,
        version: said(label::VERSION)?,
        wire,
        current: false,
        image: container.image.clone().unwrap_or_default(),
        // What says nothing has one.
        replicas: count(spec.replicas).unwrap_or(1),
        ready: count(status.and_then(|status| status.ready_replicas)).unwrap_or(0),
        revision: said(REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0),
        pushed_by: said(label::PUSHED_BY),
        pushed_at: said(label::PUSHED_AT),
        library: said(label::LIBRARY),
        routes: said(label::ROUTES).unwrap_or_default(),
        settings: said(label::SETTINGS).unwrap_or_default(),
        drift: Vec::new(),
        // Written by another release perhaps: then a change has no reason in words, and a form is not compared.
        reaches: said(label::REACHES).map(|text| reaches::read(&text)).unwrap_or_default(),
        form: said(label::FORM).and_then(|json| serde_json::from_str(&json).ok()),
    })
}

/// The DNS label of the service of a Deployment.
fn dns(deployments: &[Deployment], object: &str) -> String {
    let named = deployments.iter().find(|deployment| deployment.metadata.name.as_deref() == Some(object));
    let labels = named.and_then(|deployment| deployment.metadata.labels.as_ref());
    labels.and_then(|labels| labels.get(label::NAME)).cloned().unwrap_or_default()
}

/// The wire form that each service's plain name leads to, by DNS label.
fn current(services: &[Service]) -> BTreeMap<String, String> {
    let leads = |service: &Service| {
        let dns = service.metadata.labels.as_ref()?.get(label::NAME)?;
        let wire = service.spec.as_ref()?.selector.as_ref()?.get(label::WIRE)?;
        let is_plain = service.metadata.name.as_ref() == Some(dns);
        is_plain.then(|| (dns.clone(), wire.clone()))
    };
    services.iter().filter_map(leads).collect()
}
