//! Services get a host, keep it, and lose it.

use std::collections::BTreeMap;
use std::time::Duration;

use app::App;

use super::State;
use crate::effect::Effect;
use crate::placement::{Circumstances, Placement, Tenant, place};

impl State {
    /// Gives a host to each service of an app that has none.
    pub(super) fn place(&mut self, now: Duration, app: &App) -> Vec<Effect> {
        if app.services.iter().all(|service| self.hosts.contains_key(&service.name)) {
            return Vec::new();
        }
        let tenant = |service: &'_ app::Service| self.environments.get(&service.name);
        let tenants: Vec<Tenant<'_>> = app
            .services
            .iter()
            .map(|service| Tenant { service: &service.name, host: &service.host, environment: tenant(service) })
            .collect();
        let takes_in = self.backend.as_ref().is_none_or(|backend| backend.takes_in);
        let several = self.counts.iter().filter(|(_, count)| **count > 1).map(|(service, _)| service);
        let alone = self.alone.iter().chain(several).cloned().collect();
        let circumstances =
            Circumstances { wishes: &self.environments.together, alone: &alone, now: &self.hosts, takes_in };
        let Placement { hosts, mut notices } = place(&tenants, circumstances);
        let is_new = |service: &&String| hosts.contains_key(*service) && !self.hosts.contains_key(*service);
        for (service, count) in self.counts.iter().filter(|(service, count)| **count > 1 && is_new(service)) {
            if self.environments.together.names(service) {
                notices
                    .push(format!("{service} runs together with no other: each of its {count} instances has a host"));
            }
        }
        let edges = super::picture::edges(app);
        let edges: Vec<(&str, &str)> = edges.iter().map(|edge| (edge.from.as_str(), edge.to.as_str())).collect();
        notices.extend(self.environments.together.of_two_flows(&edges, |service| is_new(&service)));
        self.hosts.extend(hosts);
        notices.into_iter().flat_map(|words| self.notice(now, words)).collect()
    }

    /// The host of a service: its own where nothing else is known.
    pub(super) fn host_of(&self, service: &app::Service) -> String {
        self.hosts.get(&service.name).cloned().unwrap_or_else(|| service.host.clone())
    }

    /// The services that have a host.
    pub(super) fn members(&self, host: &str) -> Vec<String> {
        let members = self.hosts.iter().filter(|(_, other)| *other == host);
        members.map(|(service, _)| service.clone()).collect()
    }

    /// The services of an app that share a host with one, itself among them; nobody where it has a host to itself.
    pub(super) fn together(&self, app: &App, service: &str) -> Vec<String> {
        let host = self.hosts.get(service).filter(|_| !self.is_alone(service));
        let members = app.services.iter().map(|service| &service.name);
        members.filter(|name| host.is_some() && self.hosts.get(*name) == host).cloned().collect()
    }

    /// Whether a service has a host to itself.
    pub(super) fn is_alone(&self, service: &str) -> bool {
        self.hosts.get(service).is_none_or(|host| self.hosts.values().filter(|other| *other == host).count() < 2)
    }

    /// Gives a service a host of its own from its next start on, because the one that it shared ended too often.
    pub(super) fn part(&mut self, now: Duration, service: &str, why: &str) -> Vec<Effect> {
        let app = self.routed.as_ref().or(self.wanted.as_ref()).cloned();
        let Some(app) = app.filter(|_| self.alone.insert(service.to_owned())) else { return Vec::new() };
        self.hosts.remove(service);
        let mut effects = self.place(now, &app);
        let group = self.hosts.get(service).cloned().unwrap_or_default();
        effects.push(Effect::Regroup { service: service.to_owned(), group });
        effects.extend(self.notice(now, format!("{service} gets a host of its own: {why}")));
        effects
    }

    /// Places services anew that share a host with one whose environment changed, and answers who they are.
    pub(super) fn place_anew(&mut self, now: Duration, app: &App, changed: &[String]) -> (Vec<String>, Vec<Effect>) {
        let hosts: Vec<String> = changed.iter().filter_map(|service| self.hosts.get(service)).cloned().collect();
        let moved = hosts.iter().flat_map(|host| self.members(host)).collect::<std::collections::BTreeSet<_>>();
        let (gone, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.hosts).into_iter().partition(|(service, _)| moved.contains(service));
        self.hosts = kept;
        let effects = self.place(now, app);
        // Nobody is without a host.
        for (service, host) in gone {
            self.hosts.entry(service).or_insert(host);
        }
        (moved.into_iter().collect(), effects)
    }
}

#[cfg(test)]
mod tests;
