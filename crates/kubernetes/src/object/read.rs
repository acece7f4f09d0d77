//! Objects on a cluster, read back to what runs.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;

use super::member::MemberState;
use super::{label, reaches};
use crate::model::{PORT, RunningApp, RunningService};

/// The annotation a Deployment's controller counts revisions in.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// What runs of an app, as its Deployments and Services tell. Deployments that say nothing of a service are not ours.
pub fn read(deployments: &[Deployment], services: &[Service]) -> RunningApp {
    let mut running: Vec<RunningService> = Vec::new();
    for deployment in deployments {
        let labels = deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref()?.labels.as_ref());
        for mut service in services_of(deployment) {
            service.current = labels.is_some_and(|labels| leads(services, &service.dns, labels));
            running.push(service);
        }
    }
    // Before the plain Service is there, or where somebody took it away, a form that is alone is the current one.
    for at in 0..running.len() {
        let this = &running[at];
        // In another place, it is the same form's.
        let is_same = |other: &&RunningService| {
            other.object == this.object || other.wire == this.wire && other.place.is_some() && this.place.is_some()
        };
        let alone = running.iter().filter(|other| other.name == this.name).all(|other| is_same(&other));
        running[at].current |= alone;
    }
    running.sort_by(|one, other| {
        let before = (&one.name, !one.current, &one.wire, &one.object);
        before.cmp(&(&other.name, !other.current, &other.wire, &other.object))
    });
    RunningApp { services: running, source: None }
}

/// The services of a Deployment: one, or those of a group.
fn services_of(deployment: &Deployment) -> Vec<RunningService> {
    let said = |key: &str| deployment.metadata.annotations.as_ref()?.get(key).cloned();
    let Some(shared) = shared(deployment) else { return Vec::new() };
    match said(label::MEMBERS) {
        // Written by another release perhaps, which the next push then replaces.
        Some(members) => serde_json::from_str::<Vec<MemberState>>(&members)
            .unwrap_or_default()
            .into_iter()
            .map(|state| grouped(state, said(label::GROUP_NAME), &shared))
            .collect(),
        None => alone(deployment, shared).into_iter().collect(),
    }
}

/// What is so of all services of a Deployment.
fn shared(deployment: &Deployment) -> Option<RunningService> {
    let said = |key: &str| deployment.metadata.annotations.as_ref()?.get(key).cloned();
    let spec = deployment.spec.as_ref()?;
    let container = spec.template.spec.as_ref()?.containers.first()?;
    let count = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    let status = deployment.status.as_ref();
    Some(RunningService {
        object: deployment.metadata.name.clone()?,
        pods: spec.selector.match_labels.as_ref().map(label::selects).unwrap_or_default(),
        place: deployment.metadata.labels.as_ref().and_then(|labels| labels.get(label::PLACE)).cloned(),
        image: container.image.clone().unwrap_or_default(),
        // What says nothing has one.
        replicas: count(spec.replicas).unwrap_or(1),
        ready: count(status.and_then(|status| status.ready_replicas)).unwrap_or(0),
        revision: said(REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0),
        pushed_by: said(label::PUSHED_BY),
        pushed_at: said(label::PUSHED_AT),
        ..RunningService::default()
    })
}

fn alone(deployment: &Deployment, shared: RunningService) -> Option<RunningService> {
    let annotations = deployment.metadata.annotations.as_ref()?;
    let said = |key: &str| annotations.get(key).cloned();
    let labels = deployment.metadata.labels.as_ref()?;
    Some(RunningService {
        name: said(label::SERVICE)?,
        dns: labels.get(label::NAME).cloned().unwrap_or_default(),
        port: PORT,
        version: said(label::VERSION)?,
        wire: label::wire(labels)?.clone(),
        library: said(label::LIBRARY),
        routes: said(label::ROUTES).unwrap_or_default(),
        settings: said(label::SETTINGS).unwrap_or_default(),
        // Written by another release perhaps: then a change has no reason in words, and a form is not compared.
        reaches: said(label::REACHES).map(|text| reaches::read(&text)).unwrap_or_default(),
        form: said(label::FORM).and_then(|json| serde_json::from_str(&json).ok()),
        ..shared
    })
}

fn grouped(state: MemberState, group: Option<String>, shared: &RunningService) -> RunningService {
    let MemberState { member, library, routes, settings, reaches, form } = state;
    RunningService {
        name: member.service,
        dns: member.dns,
        group,
        port: member.port,
        version: member.version,
        wire: member.wire,
        library,
        routes,
        settings,
        reaches: reaches::read(&reaches),
        form,
        ..shared.clone()
    }
}

/// Whether a service's plain name leads to pods with labels.
fn leads(services: &[Service], dns: &str, labels: &BTreeMap<String, String>) -> bool {
    let is_plain = |service: &&Service| service.metadata.name.as_deref() == Some(dns);
    let selector = services.iter().find(is_plain).and_then(|service| service.spec.as_ref()?.selector.as_ref());
    selector.is_some_and(|selector| selector.iter().all(|(key, value)| labels.get(key) == Some(value)))
}
