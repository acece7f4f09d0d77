//! The services of one host: one by itself, or a group of `[together]`, whose services share a host in each pod. It has one
//! Deployment, or one in each of its places.

use std::collections::BTreeMap;

use app::{Cpu, Memory};
use serde::{Deserialize, Serialize};

use super::{PORT, Wanted, WantedService, hash};
use crate::object::name;
use crate::settings::{PlaceNodes, ServiceSettings};

/// What a host runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit<'a> {
    /// The group's name in `dyn.toml`; none: a service by itself.
    pub group: Option<&'a str>,
    /// Upstreams first; one at least.
    pub members: Vec<&'a WantedService>,
}

/// A service of a pod that runs several, as the pod tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Rust name.
    pub service: String,
    /// Its DNS label.
    pub dns: String,
    /// `service@hash`.
    pub version: String,
    /// Hash of its schema.
    pub wire: String,
    /// Where it listens in the pod.
    pub port: u16,
}

impl Wanted {
    /// The hosts of the app, in the order of their first services.
    pub fn units(&self) -> Vec<Unit<'_>> {
        let mut units: Vec<Unit<'_>> = Vec::new();
        for service in &self.services {
            let group = service.group.as_deref();
            match units.iter_mut().find(|unit| group.is_some() && unit.group == group) {
                Some(unit) => unit.members.push(service),
                None => units.push(Unit { group, members: vec![service] }),
            }
        }
        units
    }

    /// The host of a service, by its Rust name.
    pub fn unit_of(&self, service: &str) -> Option<Unit<'_>> {
        self.units().into_iter().find(|unit| unit.has(service))
    }
}

impl<'a> Unit<'a> {
    /// The service that a pod of one service runs.
    pub fn first(&self) -> &'a WantedService {
        self.members[0]
    }

    /// Whether it runs a service, by its Rust name.
    pub fn has(&self, service: &str) -> bool {
        self.members.iter().any(|member| member.name == service)
    }

    /// Name of its Deployment where it has no places. What cannot change in one is in it: another schema, or another member,
    /// makes another one beside it.
    pub fn object(&self) -> String {
        match self.group {
            Some(group) => name::of_group(group, &self.hash()),
            None => name::of_form(&self.first().dns, &self.first().wire),
        }
    }

    /// The places that it has pods in; empty: wherever there is room.
    pub fn places(&self) -> &'a [PlaceNodes] {
        if self.group.is_some() { &[] } else { &self.first().settings.place_nodes }
    }

    /// Name of its Deployment in a place.
    pub fn object_in(&self, place: &PlaceNodes) -> String {
        name::of_place(&self.first().dns, &self.first().wire, &place.place)
    }

    /// Names of its Deployments, in the order of its places.
    pub fn objects(&self) -> Vec<String> {
        match self.places() {
            [] => vec![self.object()],
            places => places.iter().map(|place| self.object_in(place)).collect(),
        }
    }

    /// Stands for the group's name, its members and their schemas.
    pub fn hash(&self) -> String {
        let members: BTreeMap<&str, &str> =
            self.members.iter().map(|member| (member.dns.as_str(), member.wire.as_str())).collect();
        let members = members.into_iter().flat_map(|(dns, wire)| [dns, wire]);
        hash(&self.group.into_iter().chain(members).collect::<Vec<_>>())
    }

    /// The members by DNS label, each with its port in the pod. Whatever the flow becomes, a member keeps its port as long as
    /// the group has the same ones: pods of two versions serve at the same time.
    pub fn ports(&self) -> Vec<(&'a WantedService, u16)> {
        let mut members = self.members.clone();
        members.sort_by(|one, other| one.dns.cmp(&other.dns));
        members.into_iter().zip(PORT..).collect()
    }

    /// The members as their pods tell them.
    pub fn told(&self) -> Vec<Member> {
        let member = |(service, port): (&WantedService, u16)| Member {
            service: service.name.clone(),
            dns: service.dns.clone(),
            version: service.version.clone(),
            wire: service.wire.clone(),
            port,
        };
        self.ports().into_iter().map(member).collect()
    }

    /// How its pods run: what members ask for is added up, the rest is what all of them say.
    pub fn settings(&self) -> ServiceSettings {
        let all = || self.members.iter().map(|member| &member.settings);
        let sum = |cpus: Vec<Cpu>| Cpu::millis(cpus.iter().map(|cpu| (cpu.cores() * 1000.0).round() as u64).sum());
        let limits: Option<Vec<Cpu>> = all().map(|settings| settings.cpu_limit).collect();
        ServiceSettings {
            cpu: sum(all().map(|settings| settings.cpu).collect()),
            // One that may use all there is leaves no limit to set.
            cpu_limit: limits.map(sum),
            memory: Memory::bytes(all().map(|settings| settings.memory.in_bytes()).sum()),
            ..self.first().settings.clone()
        }
    }
}
