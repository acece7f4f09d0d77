//! Services of a group: one container runs all of them.

use super::{AppSettings, ServiceSettings};

/// Two services of a group, of which something is said that a container can have in one way only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAlike {
    /// The group's name.
    pub group: String,
    /// Rust name.
    pub first: String,
    /// Rust name.
    pub other: String,
    /// The key in `dyn.toml`.
    pub key: &'static str,
}

impl AppSettings {
    /// The group of a service, by its Rust name; none: it has a host of its own, as one with places has in any case.
    pub fn group_of(&self, service: &str) -> Option<&str> {
        if self.services.get(service).is_some_and(|said| !said.places.is_empty()) {
            return None;
        }
        let mut groups = self.together.iter();
        groups.find(|(_, names)| names.iter().any(|name| name == service)).map(|(group, _)| group.as_str())
    }

    /// The first services of a group that one pod cannot be made for.
    pub fn not_alike(&self) -> Option<NotAlike> {
        self.together.iter().find_map(|(group, names)| {
            let names: Vec<&String> = names.iter().filter(|name| self.group_of(name).is_some()).collect();
            let (first, others) = names.split_first()?;
            let settings = self.services.get(*first)?;
            others.iter().find_map(|other| {
                let key = differing(settings, self.services.get(*other)?)?;
                Some(NotAlike { group: group.clone(), first: (*first).clone(), other: (*other).clone(), key })
            })
        })
    }
}

impl NotAlike {
    /// What is wrong, in words.
    pub fn message(&self) -> String {
        let Self { group, first, other, key } = self;
        format!("{group} has {first} and {other} in one pod, and their {key} differ")
    }

    /// How to mend it.
    pub fn help(&self) -> String {
        "say the same of both, or take one of them out of [together]".to_owned()
    }

    /// The keys where it is said, the likeliest first.
    pub fn places(&self) -> Vec<Vec<&str>> {
        let own = [&self.other, &self.first].map(|service| vec!["services", service.as_str(), self.key]);
        own.into_iter().chain([vec!["together", self.group.as_str()]]).collect()
    }
}

/// The key of what is said otherwise of two services, and can be so of one pod only in one way.
pub fn differing(one: &ServiceSettings, other: &ServiceSettings) -> Option<&'static str> {
    match () {
        () if one.env != other.env => Some("env"),
        () if one.replicas != other.replicas => Some("replicas"),
        () if one.nodes != other.nodes => Some("nodes"),
        () if one.spread != other.spread => Some("spread"),
        () => None,
    }
}
