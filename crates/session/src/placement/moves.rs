//! Services that run and are to go on in another host: whether they may, and where each of them goes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Tenant, differing};

/// What is wanted of services that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regrouping {
    /// All in the host of the first.
    Fuse,
    /// Each in a host of its own.
    Split,
}

/// What is known when services are to move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Present<'a> {
    /// All services, in the order of the file.
    pub(crate) tenants: &'a [Tenant<'a>],
    /// Who calls whom, in either direction.
    pub(crate) edges: &'a [(&'a str, &'a str)],
    /// The host of each.
    pub(crate) hosts: &'a BTreeMap<String, String>,
    /// Whether a host that runs takes another service in. Where none does, all of a group go to a new one.
    pub(crate) takes_in: bool,
}

/// A service and the host that it goes to.
pub(crate) type Going = (String, String);

/// Says where services go, or in words why they do not. Nobody goes where all is as it is wanted already.
pub(crate) fn regroup(wanted: Regrouping, services: &[String], present: Present<'_>) -> Result<Vec<Going>, String> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = services.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(format!("{twice} is named twice: a service has one host"));
    }
    let known = |name: &String| present.tenants.iter().find(|tenant| tenant.service == *name);
    if let Some(name) = services.iter().find(|name| known(name).is_none()) {
        let all: Vec<&str> = present.tenants.iter().map(|tenant| tenant.service).collect();
        return Err(format!("no service is called {name}; there are {}", all.join(", ")));
    }
    match (wanted, services) {
        (Regrouping::Fuse, [] | [_]) => Err("a group has two services at least".to_owned()),
        (Regrouping::Fuse, [first, others @ ..]) => fuse(first, others, present),
        (Regrouping::Split, []) => Err("no service is named".to_owned()),
        (Regrouping::Split, services) => split(services, present),
    }
}

fn fuse(first: &str, others: &[String], present: Present<'_>) -> Result<Vec<Going>, String> {
    let Some(host) = present.hosts.get(first) else { return Err(format!("{first} does not run yet")) };
    if let Some(apart) = of_two_flows(first, others, present.edges) {
        return Err(apart);
    }
    let is_in = |tenant: &&Tenant<'_>| present.hosts.get(tenant.service) == Some(host);
    let members: Vec<&Tenant<'_>> = present.tenants.iter().filter(is_in).collect();
    let comes = |tenant: &&Tenant<'_>| others.iter().any(|other| other == tenant.service) && !is_in(tenant);
    let coming: Vec<&Tenant<'_>> = present.tenants.iter().filter(comes).collect();
    for one in &coming {
        if let Some(unlike) = members.iter().find(|member| !differing(one, member).is_empty()) {
            return Err(format!(
                "{} and {} find different environments, and a host has one ({})",
                one.service,
                unlike.service,
                differing(one, unlike)
            ));
        }
    }
    if coming.is_empty() || present.takes_in {
        return Ok(coming.into_iter().map(|one| (one.service.to_owned(), host.clone())).collect());
    }
    let own = members.first().map_or(first, |member| member.host);
    let fresh = fresh(own, present.hosts);
    Ok(members.into_iter().chain(coming).map(|one| (one.service.to_owned(), fresh.clone())).collect())
}

fn split(services: &[String], present: Present<'_>) -> Result<Vec<Going>, String> {
    let mut hosts = present.hosts.clone();
    let mut going = Vec::new();
    let others = |hosts: &BTreeMap<String, String>, name: &str| {
        let host = hosts.get(name);
        hosts.iter().filter(|(other, at)| *other != name && Some(*at) == host).count()
    };
    if let Some(alone) = services.iter().find(|name| others(&hosts, name) == 0) {
        return Err(format!("{alone} has a host to itself already"));
    }
    for name in services {
        // The last one of a host that all the others leave has it to itself.
        if others(&hosts, name) == 0 {
            continue;
        }
        let own = present.tenants.iter().find(|tenant| tenant.service == name).map_or(name.as_str(), |one| one.host);
        let host = fresh(own, &hosts);
        hosts.insert(name.clone(), host.clone());
        going.push((name.clone(), host));
    }
    Ok(going)
}

fn fresh(own: &str, hosts: &BTreeMap<String, String>) -> String {
    unused(own, |name| hosts.values().any(|host| host == name))
}

/// A name for a host, made of a service's.
pub(super) fn unused(own: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let more = (2..).map(|number| format!("{own}-alone{number}"));
    let mut names = [own.to_owned(), format!("{own}-alone")].into_iter().chain(more);
    names.find(|name| !is_taken(name)).unwrap_or_else(|| own.to_owned())
}

/// Says of a group that no request goes from one of its services to the first, where that is so.
pub(super) fn of_two_flows(first: &str, others: &[String], edges: &[(&str, &str)]) -> Option<String> {
    let near = connected(first, edges);
    let apart = others.iter().find(|other| !near.contains(other.as_str()))?;
    Some(format!(
        "{first} and {apart} are of two flows: no request goes from one to the other, so a host gains them nothing"
    ))
}

/// Who can be reached from a service along calls, in either direction; itself among them.
fn connected<'a>(from: &'a str, edges: &[(&'a str, &'a str)]) -> BTreeSet<&'a str> {
    let (mut found, mut next) = (BTreeSet::from([from]), vec![from]);
    while let Some(one) = next.pop() {
        for (a, b) in edges {
            let other = if *a == one { b } else { a };
            if (*a == one || *b == one) && found.insert(other) {
                next.push(other);
            }
        }
    }
    found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
