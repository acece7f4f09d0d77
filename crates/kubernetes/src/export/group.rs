//! Services that share a container, where `[together]` in `dyn.toml` says so.

use std::collections::BTreeMap;

use super::ExportError;
use crate::model::{PORT, Unit, Wanted, WantedService};
use crate::settings::{ServiceSettings, differing};
use images::{FOLDER, HOST, folder_of};
use protocol::{Config, HostConfigs};

/// The services of one container, upstreams first. It is called by the first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group<'a> {
    pub(super) members: Vec<&'a WantedService>,
    /// How the container runs.
    pub(super) settings: ServiceSettings,
}

/// The containers of an app, in the order of their first services.
pub(super) fn groups(wanted: &Wanted) -> Result<Vec<Group<'_>>, ExportError> {
    wanted.units().iter().map(Group::of).collect()
}

impl<'a> Group<'a> {
    /// Refuses services that one container cannot be made for.
    fn of(unit: &Unit<'a>) -> Result<Self, ExportError> {
        let first = unit.first();
        for other in &unit.members {
            if let Some(what) = differing(&first.settings, &other.settings) {
                return Err(ExportError::Apart { first: first.name.clone(), other: other.name.clone(), what });
            }
        }
        Ok(Self { members: unit.members.clone(), settings: unit.settings() })
    }

    /// What its host is started with.
    pub(super) fn command(&self) -> Vec<String> {
        let folder = |member: &&WantedService| match self.is_one() {
            true => FOLDER.to_owned(),
            false => folder_of(&member.dns),
        };
        [HOST.to_owned(), "host".to_owned()].into_iter().chain(self.members.iter().map(folder)).collect()
    }

    /// What its host is told, as text; `config` is what is told of a service.
    pub(super) fn told(&self, config: &dyn Fn(&WantedService) -> Config) -> Result<String, serde_json::Error> {
        let configs = self.ports().map(|(member, port)| {
            let mut config = config(member);
            config.listen.set_port(port);
            (member.dns.clone(), config)
        });
        let configs: BTreeMap<String, Config> = configs.collect();
        match configs.values().next().filter(|_| self.is_one()) {
            Some(config) => serde_json::to_string(config),
            None => serde_json::to_string(&HostConfigs { services: configs }),
        }
    }

    /// Whether it runs a service by itself.
    pub(super) fn is_one(&self) -> bool {
        self.members.len() == 1
    }

    pub(super) fn first(&self) -> &'a WantedService {
        self.members[0]
    }

    /// The port of each service in the container.
    pub(super) fn ports(&self) -> impl Iterator<Item = (&'a WantedService, u16)> {
        self.members.iter().copied().zip(PORT..)
    }

    pub(super) fn has(&self, service: &str) -> bool {
        self.members.iter().any(|member| member.name == service)
    }
}
