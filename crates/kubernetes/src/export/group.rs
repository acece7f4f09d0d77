//! Services that share a container, where `[together]` in `dyn.toml` says so.

use super::ExportError;
use crate::model::{PORT, Wanted, WantedService};
use crate::settings::ServiceSettings;

/// The services of one container, upstreams first. It is called by the first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group<'a> {
    pub(super) members: Vec<&'a WantedService>,
}

/// The containers of an app, in the order of their first services.
pub(super) fn groups(wanted: &Wanted) -> Result<Vec<Group<'_>>, ExportError> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for service in &wanted.services {
        let is_beside = |group: &&mut Group<'_>| {
            let lists = &wanted.settings.together;
            let has = |list: &&Vec<String>, name: &String| list.contains(name);
            lists.iter().any(|list| has(&list, &service.name) && group.members.iter().any(|one| has(&list, &one.name)))
        };
        match groups.iter_mut().find(is_beside) {
            Some(group) => group.members.push(service),
            None => groups.push(Group { members: vec![service] }),
        }
    }
    groups.iter().try_for_each(Group::check)?;
    Ok(groups)
}

impl Group<'_> {
    /// Refuses services that one container cannot be made for.
    fn check(&self) -> Result<(), ExportError> {
        let Some((first, others)) = self.members.split_first() else { return Ok(()) };
        for other in others {
            if let Some(what) = differing(&first.settings, &other.settings) {
                return Err(ExportError::Apart { first: first.name.clone(), other: other.name.clone(), what });
            }
        }
        Ok(())
    }

    pub(super) fn first(&self) -> &WantedService {
        self.members[0]
    }

    /// The port of each service in the container.
    pub(super) fn ports(&self) -> impl Iterator<Item = (&WantedService, u16)> {
        self.members.iter().copied().zip(PORT..)
    }

    pub(super) fn has(&self, service: &str) -> bool {
        self.members.iter().any(|member| member.name == service)
    }
}

/// What is said otherwise of two services, and can be so of one container only in one way.
fn differing(one: &ServiceSettings, other: &ServiceSettings) -> Option<&'static str> {
    match () {
        () if one.env != other.env => Some("env"),
        () if one.replicas != other.replicas => Some("replicas"),
        () if one.nodes != other.nodes => Some("nodes"),
        () => None,
    }
}
