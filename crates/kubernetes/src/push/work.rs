//! What is wanted and what is there to what is to be done.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::PushError;
use super::rollout::{Change, Work};
use super::site::{Site, dynamic, find};
use crate::cluster::ClusterError;
use crate::model::{DATA, Member, Unit, Wanted, WantedService};
use crate::object::label::owners_of;
use crate::object::{self, Objects, Stamp, label, name};
use crate::plan::{self, ObjectStep};
use crate::settings::LONGEST_VALUE;

/// The services, by Rust name, whose Deployments are not what is wanted, or whose roll nobody saw the end of: those of a
/// group all together.
pub(crate) fn needed(wanted: &Wanted, site: &Site, objects: &[ObjectStep]) -> BTreeSet<String> {
    let differs = |object: &str, service: &WantedService| match site.running.within(object, &service.name) {
        None => true,
        Some(there) => {
            let scaled = service.settings.replicas.is_some_and(|replicas| replicas != there.replicas);
            let is_same = there.version == service.version
                && there.routes == service.routes()
                && there.settings == service.settings.hash();
            let is_otherwise = objects.iter().any(|object| object.hosts.contains(&service.dns));
            !is_same || scaled || !there.drift.is_empty() || !there.current || was_left(site, service) || is_otherwise
        }
    };
    let is_needed = |unit: &Unit<'_>| {
        let objects = unit.objects();
        unit.members.iter().any(|service| objects.iter().any(|object| differs(object, service)))
    };
    let needed = wanted.units().into_iter().filter(is_needed);
    needed.flat_map(|unit| unit.members).map(|service| service.name.clone()).collect()
}

/// Objects that are not as they are wanted, of services that would otherwise be left alone and of the app.
pub(crate) fn objects(wanted: &Wanted, site: &Site) -> Result<Vec<ObjectStep>, ClusterError> {
    let applied = site.latest().map(|kept| kept.objects.as_slice()).unwrap_or_default();
    Ok(plan::objects(&values(&object::objects(wanted, &Stamp::default()))?, applied, &site.live()))
}

fn values(objects: &Objects) -> Result<Vec<Value>, ClusterError> {
    objects.values().map_err(|error| ClusterError::Refused {
        doing: "write the objects".to_owned(),
        code: 0,
        why: error.to_string(),
    })
}

/// Refuses names that Kubernetes would refuse, before anything is built or sent.
pub(crate) fn fits(wanted: &Wanted, site: &Site) -> Result<(), PushError> {
    let fault = |why: String| PushError::Name { app: wanted.app.clone(), why };
    let mut values = values(&object::objects(wanted, &Stamp::default()))?;
    let named = |kind: &str, name: String| json!({ "kind": kind, "metadata": { "name": name } });
    values.push(named("Secret", label::secret(&wanted.app)));
    if let Some(node) = &wanted.node {
        values.push(named("Secret", object::node::name(&wanted.app)));
        let told = object::node::told(wanted, node);
        if told.len() > LONGEST_VALUE {
            return Err(fault(format!(
                "it has more services than the agent of [node] can be told of ({} bytes)",
                told.len()
            )));
        }
    }
    values.push(named("Lease", name::of_app(&wanted.app, "push")));
    values.push(named("ConfigMap", name::of_record(&wanted.app, site.next_number())));
    // Leads nodes to the images that whoever pushes serves.
    let reserved = [("Service", name::of_app(&wanted.app, "images"))];
    name::unfit(&values, &reserved).map_or(Ok(()), |why| Err(fault(why)))
}

/// Whether a push that did not come to its end changed a service.
fn was_left(site: &Site, service: &WantedService) -> bool {
    let before = site.latest().and_then(|kept| kept.record.services.get(&service.name));
    site.is_unfinished() && before != Some(&service.version)
}

/// All objects of the app as they are to be: those of needed services as they are wanted, those of others as they were
/// applied when they were pushed.
pub(crate) fn applied(
    wanted: &Wanted,
    objects: &Objects,
    needed: &BTreeSet<String>,
    site: &Site,
) -> Result<Vec<Value>, ClusterError> {
    let values = values(objects)?;
    let mut all: Vec<Value> = Vec::new();
    for unit in wanted.units() {
        let is_its = |host: &String| unit.members.iter().any(|service| service.dns == *host);
        let of_unit = |value: &&Value| owners_of(value).iter().any(is_its);
        if unit.members.iter().any(|service| needed.contains(&service.name)) {
            all.extend(values.iter().filter(of_unit).cloned());
        } else if let Some(latest) = site.latest() {
            all.extend(latest.objects.iter().filter(of_unit).cloned());
        }
    }
    all.extend(values.into_iter().filter(|value| owners_of(value).is_empty()));
    Ok(all)
}

/// What is to be applied of objects so that services, by their DNS labels, are as the objects say.
pub(crate) fn work(objects: &[Value], hosts: &BTreeSet<String>, site: &Site) -> Result<Work, ClusterError> {
    let mut work = Work::default();
    for value in objects {
        let (kind, named) =
            (value["kind"].as_str().unwrap_or_default(), value["metadata"]["name"].as_str().unwrap_or_default());
        let owners = owners_of(value);
        if !owners.is_empty() && !owners.iter().any(|host| hosts.contains(host)) {
            continue;
        }
        match kind {
            "Deployment" => {
                let before = before(site, named)?.as_ref().map(dynamic).transpose()?;
                work.changes.push(Change { services: services(value), deployment: dynamic(value)?, before });
            }
            // The plain name leads over once all is there, and the way in from outside with it. So does the name of a schema
            // that has led to other pods: those of a service that goes into a group, or leaves one.
            "Service" if owners.iter().any(|host| host == named) || leads_elsewhere(value, site) => {
                work.doors.push(dynamic(value)?);
            }
            "Ingress" => work.doors.push(dynamic(value)?),
            _ => work.groundwork.push(dynamic(value)?),
        }
    }
    // Where it refuses its settings, no host has been told of them.
    let is_server = |change: &Change| change.services.iter().any(|(name, _)| name == DATA);
    work.changes.sort_by_key(|change| !is_server(change));
    for door in &work.doors {
        let (kind, named) =
            (door.types.as_ref().map(|types| types.kind.as_str()).unwrap_or_default(), door.metadata.name.as_deref());
        if let Some(before) = named.and_then(|named| site.applied(kind, named)) {
            work.doors_before.push(dynamic(before)?);
        }
    }
    Ok(work)
}

/// The services of a Deployment with their versions: Rust name and `service@hash`.
fn services(deployment: &Value) -> Vec<(String, String)> {
    let annotation = |key: &str| deployment["metadata"]["annotations"][key].as_str();
    match annotation(label::MEMBERS) {
        Some(members) => {
            let members: Vec<Member> = serde_json::from_str(members).unwrap_or_default();
            members.into_iter().map(|member| (member.service, member.version)).collect()
        }
        None => {
            let said = |key: &str| annotation(key).unwrap_or_default().to_owned();
            vec![(said(label::SERVICE), said(label::VERSION))]
        }
    }
}

/// Whether a Service is there and leads to other pods than it is to.
fn leads_elsewhere(service: &Value, site: &Site) -> bool {
    let name = service["metadata"]["name"].as_str();
    let there = site.services.iter().find(|there| there.metadata.name.as_deref() == name);
    let leads = there.and_then(|there| serde_json::to_value(there.spec.as_ref()?.selector.as_ref()?).ok());
    leads.is_some_and(|selector| selector != service["spec"]["selector"])
}

/// What a Deployment was before: as it was applied by the last push that came to its end. One that an unfinished push
/// made is not, and one that nobody has a record of is as it stands there.
fn before(site: &Site, name: &str) -> Result<Option<Value>, ClusterError> {
    let Some(live) = site.deployments.iter().find(|live| live.metadata.name.as_deref() == Some(name)) else {
        return Ok(None);
    };
    if let Some(applied) = site.applied("Deployment", name) {
        return Ok(Some(applied.clone()));
    }
    if site.is_unfinished() {
        return Ok(None);
    }
    let whole = serde_json::to_value(live).unwrap_or_default();
    let annotations = live.metadata.annotations.clone().unwrap_or_default();
    let own: BTreeMap<_, _> = annotations.into_iter().filter(|(key, _)| key.starts_with(label::OURS)).collect();
    let metadata = json!({ "name": name, "labels": live.metadata.labels, "annotations": own });
    Ok(Some(json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": whole["spec"] })))
}

/// What a push that was put back brought, what leads callers in first: neither part of the last one that came to its
/// end nor there when it began, unless from one that nobody saw the end of.
pub(crate) fn brought<'a>(objects: &'a [Value], site: &Site) -> Vec<&'a Value> {
    let mut brought: Vec<&Value> = Vec::new();
    for kind in ["Ingress", "Service", "Deployment", "ConfigMap", "RoleBinding", "Role", "ServiceAccount"] {
        let is_new = |object: &&Value| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            object["kind"] == kind
                && site.applied(kind, name).is_none()
                && (site.is_unfinished() || !site.has(kind, name))
        };
        brought.extend(objects.iter().filter(is_new));
    }
    brought
}

/// Objects of services that are neither wanted in this form nor called by anything that is.
pub(crate) fn leftovers(objects: &[Value], site: &Site) -> Leftovers {
    let is_wanted =
        |kind: &str, name: &Option<String>| name.as_deref().is_some_and(|name| find(objects, kind, name).is_some());
    let hosts: BTreeSet<String> = objects.iter().flat_map(owners_of).collect();
    let owners = |metadata: &ObjectMeta| -> Vec<String> {
        let labels = metadata.labels.as_ref();
        labels.map(label::owners).unwrap_or_default().into_iter().map(str::to_owned).collect()
    };
    let is_gone = |owners: &[String]| owners.is_empty() || !owners.iter().all(|host| hosts.contains(host));
    let mut leftovers = Leftovers::default();
    // What is an agent's carries no service's name.
    let is_of = |metadata: &ObjectMeta, agent: &str| {
        metadata.labels.as_ref().and_then(|labels| labels.get(label::COMPONENT)).is_some_and(|it| it == agent)
    };
    let is_node = |metadata: &ObjectMeta| ["node", "data"].iter().any(|agent| is_of(metadata, agent));
    let unwanted = |agent: &'static str| {
        let agents = site.deployments.iter().map(|it| &it.metadata).filter(move |it| is_of(it, agent));
        agents.filter(|it| !is_wanted("Deployment", &it.name)).find_map(|it| it.name.clone())
    };
    (leftovers.node, leftovers.data) = (unwanted("node"), unwanted("data"));
    for deployment in site
        .deployments
        .iter()
        .filter(|it| !is_node(&it.metadata))
        .filter(|it| !is_wanted("Deployment", &it.metadata.name))
    {
        let hosts = owners(&deployment.metadata);
        let selector = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.as_ref());
        let is_gone = is_gone(&hosts);
        let pods = deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref()?.labels.as_ref());
        let leads = |service: &&Service| {
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            let is_its = |(key, value)| pods.is_some_and(|pods| pods.get(key) == Some(value));
            selector.is_some_and(|selector| selector.iter().all(is_its))
        };
        let unwanted = site.services.iter().filter(|it| !is_wanted("Service", &it.metadata.name));
        let old = OldPods {
            names: unwanted.filter(leads).filter_map(|it| it.metadata.name.clone()).collect(),
            name: deployment.metadata.name.clone().unwrap_or_default(),
            selector: selector.map(label::selects).unwrap_or_default(),
            hosts,
        };
        // A service that left the app stays until it is to be removed, and so do those that shared its pods.
        if is_gone { leftovers.gone.push(old) } else { leftovers.forms.push(old) }
    }
    let others = site.services.iter().filter(|it| !is_node(&it.metadata));
    for service in others.filter(|it| !is_wanted("Service", &it.metadata.name)) {
        let name = service.metadata.name.clone().unwrap_or_default();
        let is_gone = is_gone(&owners(&service.metadata));
        if is_gone { leftovers.gone_names.push(name) } else { leftovers.names.push(name) }
    }
    for config in site.configs.iter().filter(|it| !is_wanted("ConfigMap", &it.name)) {
        let is_gone = is_gone(&owners(config));
        let names = if is_gone { &mut leftovers.gone_configs } else { &mut leftovers.configs };
        names.extend(config.name.clone());
    }
    for object in site.live().iter().filter(|object| object["kind"] == "Ingress") {
        let name = object["metadata"]["name"].as_str().map(str::to_owned);
        if !is_wanted("Ingress", &name) {
            leftovers.entries.extend(name);
        }
    }
    leftovers
}

/// What is there and not wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leftovers {
    /// What the objects of a node's agent are called that is not wanted any more.
    pub(crate) node: Option<String>,
    /// The same of a data server.
    pub(crate) data: Option<String>,
    /// Ways in from outside that are not wanted any more.
    pub(crate) entries: Vec<String>,
    /// Deployments of forms that services had, and of groups they were in.
    pub(crate) forms: Vec<OldPods>,
    /// Services of those forms.
    pub(crate) names: Vec<String>,
    /// Configurations of services that are told something else now.
    pub(crate) configs: Vec<String>,
    /// Deployments of services that are no more.
    pub(crate) gone: Vec<OldPods>,
    /// Their Services.
    pub(crate) gone_names: Vec<String>,
    /// Their configurations.
    pub(crate) gone_configs: Vec<String>,
}

/// A Deployment that is there and not wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OldPods {
    pub(crate) name: String,
    /// DNS labels of its services.
    pub(crate) hosts: Vec<String>,
    /// The labels of its pods: `key=value,…`.
    pub(crate) selector: String,
    /// Names that lead to them and are not wanted any more either.
    pub(crate) names: Vec<String>,
}

/// The DNS label of a service by its Rust name.
pub(crate) fn label_of(service: &str) -> String {
    service.replace('_', "-").to_ascii_lowercase()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
