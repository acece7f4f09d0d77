//! Which host runs which service: one each, unless somebody wants services together.
//!
//! A host is called by the DNS name of its first service. A service that has a host keeps it: whoever is placed later joins,
//! or gets a host of its own.

mod auto;
pub(crate) mod instances;
mod moves;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use local_cluster::Environment;

pub(crate) use auto::{Advice, Figures, Past, advise, company};
pub use instances::{InstanceCount, InstancesError, instance_counts};
pub(crate) use moves::{Present, Regrouping, regroup};

/// The variable that a service finds its own name in.
const OWN_NAME: &str = "HOSTNAME";

/// Who wants to live together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Together {
    /// Nobody: a host for each service.
    #[default]
    None,
    /// Everybody.
    All,
    /// Those that gain by it, while they run.
    Auto,
    /// The services of each of these lists, by Rust name.
    Groups(Vec<Vec<String>>),
}

/// A text that is not `none`, `all`, `auto` or `A+B,C+D`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TogetherError {
    /// A list of one service, or of none.
    #[error("`{0}` is no group: a group has two services at least, as in get+map")]
    Few(String),
    /// A service is in two groups, or twice in one.
    #[error("{0} is named twice: a service has one host")]
    Twice(String),
    /// There is no such service.
    #[error("no service is called {name}; there are {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
}

impl FromStr for Together {
    type Err = TogetherError;

    fn from_str(text: &str) -> Result<Self, TogetherError> {
        match text {
            "none" => Ok(Self::None),
            "all" => Ok(Self::All),
            "auto" => Ok(Self::Auto),
            lists => {
                let group = |list: &str| list.split('+').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
                let groups: Vec<Vec<String>> = lists.split(',').map(group).collect();
                let is_few = |names: &[String]| names.len() < 2 || names.iter().any(String::is_empty);
                if let Some(few) = groups.iter().find(|names| is_few(names)) {
                    return Err(TogetherError::Few(few.join("+")));
                }
                let mut seen = BTreeSet::new();
                match groups.iter().flatten().find(|name| !seen.insert(name.as_str())) {
                    Some(twice) => Err(TogetherError::Twice(twice.clone())),
                    None => Ok(Self::Groups(groups)),
                }
            }
        }
    }
}

impl Together {
    /// Whether each service that is named is there.
    pub(crate) fn check<'a>(&self, services: impl Iterator<Item = &'a str>) -> Result<(), TogetherError> {
        let Self::Groups(groups) = self else { return Ok(()) };
        let known: BTreeSet<&str> = services.collect();
        match groups.iter().flatten().find(|name| !known.contains(name.as_str())) {
            Some(name) => {
                let known = known.into_iter().map(str::to_owned).collect();
                Err(TogetherError::Unknown { name: name.clone(), known })
            }
            None => Ok(()),
        }
    }

    /// Says of each group that has one of these services where its services are of two flows.
    pub(crate) fn of_two_flows(&self, edges: &[(&str, &str)], has: impl Fn(&String) -> bool) -> Vec<String> {
        let Self::Groups(groups) = self else { return Vec::new() };
        let told = groups.iter().filter(|group| group.iter().any(&has)).filter_map(|group| {
            let (first, others) = group.split_first()?;
            moves::of_two_flows(first, others, edges)
        });
        told.collect()
    }

    /// Whether a service is named, and not meant with all the others.
    pub(crate) fn names(&self, service: &str) -> bool {
        matches!(self, Self::Groups(_)) && self.wish(service).is_some()
    }

    /// What a service is to share a host for, by number; none: it is not to share one.
    fn wish(&self, service: &str) -> Option<usize> {
        match self {
            Self::None | Self::Auto => None,
            Self::All => Some(0),
            Self::Groups(groups) => groups.iter().position(|group| group.iter().any(|name| name == service)),
        }
    }
}

/// A service that is to be placed.
#[derive(Clone, Debug)]
pub(crate) struct Tenant<'a> {
    pub(crate) service: &'a str,
    /// DNS name.
    pub(crate) host: &'a str,
    pub(crate) environment: Environment,
}

/// What is known when services are placed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) wishes: &'a Together,
    /// Services that have a host of their own whatever is wished.
    pub(crate) alone: &'a BTreeSet<String>,
    /// The hosts that services have.
    pub(crate) now: &'a BTreeMap<String, String>,
    /// Whether a host that runs takes another service in.
    pub(crate) takes_in: bool,
}

/// Where services are to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The host of each service.
    pub(crate) hosts: BTreeMap<String, String>,
    /// Wishes that are not met, in words.
    pub(crate) notices: Vec<String>,
}

/// Places services, in the order of the file.
pub(crate) fn place(tenants: &[Tenant<'_>], circumstances: Circumstances<'_>) -> Placement {
    let Circumstances { wishes, alone, now, takes_in } = circumstances;
    let mut placement = Placement::default();
    // Hosts keep their names while anybody is in them.
    let mut taken: BTreeSet<String> = now.values().cloned().collect();
    let is_placed = |placement: &Placement, service: &str| placement.hosts.contains_key(service);
    for tenant in tenants {
        if let Some(host) = now.get(tenant.service) {
            placement.hosts.insert(tenant.service.to_owned(), host.clone());
        }
    }
    for tenant in tenants {
        if is_placed(&placement, tenant.service) {
            continue;
        }
        let wish = wishes.wish(tenant.service).filter(|_| !alone.contains(tenant.service));
        let others = tenants.iter().filter(|other| {
            let is_other = is_placed(&placement, other.service) && !alone.contains(other.service);
            is_other && wish.is_some() && wishes.wish(other.service) == wish
        });
        let (alike, unlike): (Vec<_>, Vec<_>) = others.partition(|other| differing(tenant, other).is_empty());
        let mut alike = alike.into_iter().filter(|other| takes_in || !now.contains_key(other.service));
        let host = match alike.next() {
            Some(other) => placement.hosts.get(other.service).cloned(),
            None => {
                if let (Some(other), Together::Groups(_)) = (unlike.first(), wishes) {
                    placement.notices.push(format!(
                        "{} does not run together with {}: a host has one environment, and theirs differ ({})",
                        tenant.service,
                        other.service,
                        differing(tenant, other)
                    ));
                }
                None
            }
        };
        let host = host.unwrap_or_else(|| moves::unused(tenant.host, |name| taken.contains(name)));
        taken.insert(host.clone());
        placement.hosts.insert(tenant.service.to_owned(), host);
    }
    placement
}

/// The variables that two services find in different ways, but for what is each one's own name.
fn differing(one: &Tenant<'_>, other: &Tenant<'_>) -> String {
    let all = |tenant: &Tenant<'_>| {
        let mut environment = tenant.environment.clone();
        if environment.open.get(OWN_NAME).is_some_and(|name| name == tenant.host) {
            environment.open.remove(OWN_NAME);
        }
        environment
    };
    crate::environment::differing(&all(one), &all(other))
}

#[cfg(test)]
mod tests;
