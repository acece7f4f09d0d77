//! Services that have several hosts: how many, and which services may.

use std::collections::BTreeMap;
use std::str::FromStr;

use app::{App, Diagnostic};

/// Instances of one service at most: each is a host of its own.
const MOST: u32 = kubernetes::settings::MOST_INSTANCES;

/// A number of instances, as `map=3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceCount {
    /// Rust name.
    pub service: String,
    pub count: u32,
}

/// A text that is not `SERVICE=NUMBER`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstancesError {
    #[error("expected SERVICE=NUMBER, as in map=3")]
    Form,
    #[error("{0} is no number of instances: expected 1 to {MOST}")]
    Number(String),
    #[error("{0} is named twice")]
    Twice(String),
    #[error("no service is called {name}; there are {}", known.join(", "))]
    Unknown { name: String, known: Vec<String> },
}

impl FromStr for InstanceCount {
    type Err = InstancesError;

    fn from_str(text: &str) -> Result<Self, InstancesError> {
        let (service, count) = text.split_once('=').ok_or(InstancesError::Form)?;
        let (service, count) = (service.trim(), count.trim());
        if service.is_empty() {
            return Err(InstancesError::Form);
        }
        let number = count.parse().ok().filter(|number| (1..=MOST).contains(number));
        let number = number.ok_or_else(|| InstancesError::Number(count.to_owned()))?;
        Ok(Self { service: service.to_owned(), count: number })
    }
}

/// The numbers of instances by service.
pub fn instance_counts(said: &[InstanceCount]) -> Result<BTreeMap<String, u32>, InstancesError> {
    let mut counts = BTreeMap::new();
    for InstanceCount { service, count } in said {
        if counts.insert(service.clone(), *count).is_some() {
            return Err(InstancesError::Twice(service.clone()));
        }
    }
    Ok(counts)
}

/// Whether each service that is named is there.
pub(crate) fn check(counts: &BTreeMap<String, u32>, app: &App) -> Result<(), InstancesError> {
    match counts.keys().find(|name| app.service(name).is_none()) {
        Some(name) => {
            let known = app.services.iter().map(|service| service.name.clone()).collect();
            Err(InstancesError::Unknown { name: name.clone(), known })
        }
        None => Ok(()),
    }
}

/// Says of each service with several instances why it cannot have them, where it cannot.
pub(crate) fn refusals(app: &App, counts: &BTreeMap<String, u32>) -> Vec<Diagnostic> {
    let several = app.services.iter().filter_map(|service| {
        let count = counts.get(&service.name).copied().filter(|count| *count > 1)?;
        let state = service.placed.iter().find(|placed| placed.is_state);
        let (why, help) = match state {
            Some(state) => (
                format!("each would have a {} of its own", state.name),
                "instances do not share placed state: give it 1 instance, or move the state to another service",
            ),
            None if app.last() == Some(&service.name) => (
                "it is the last service, and the public listener leads to one host".to_owned(),
                "give it 1 instance, and instances to the services that do the work",
            ),
            None => return None,
        };
        let message = format!("{} cannot have {count} instances: {why}", service.name);
        let mut finding = Diagnostic::error(message, service.place.clone());
        (finding.help, finding.service) = (Some(help.to_owned()), Some(service.name.clone()));
        Some(finding)
    });
    several.collect()
}

/// Says of each service with places that the command line gives another number of instances.
pub(crate) fn beside_places(
    app: &App,
    places: &BTreeMap<&str, usize>,
    asked: &BTreeMap<String, u32>,
) -> Vec<Diagnostic> {
    let told = app.services.iter().filter_map(|service| {
        let places = places.get(service.name.as_str()).copied().filter(|places| *places > 0)?;
        let count = asked.get(&service.name).filter(|count| **count as usize != places)?;
        let message = format!("{} has {places} places, and --instances asks for {count}", service.name);
        let finding = Diagnostic::error(message, service.place.clone());
        let finding = finding.help("leave it out of --instances: there is one in each place of dyn.toml");
        Some(Diagnostic { service: Some(service.name.clone()), ..finding })
    });
    told.collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::state::tests::read;

    #[test]
    fn a_number_of_instances_reads_or_says_what_it_is_not() {
        let read = |text: &str| text.parse::<InstanceCount>();
        assert_eq!(read("map=3"), Ok(InstanceCount { service: "map".to_owned(), count: 3 }));
        assert_eq!(read("map = 16").unwrap().count, MOST);
        let wrong = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(wrong("map"), "expected SERVICE=NUMBER, as in map=3");
        assert_eq!(wrong("=3"), "expected SERVICE=NUMBER, as in map=3");
        for number in ["0", "17", "-1", "many", ""] {
            assert_eq!(
                wrong(&format!("map={number}")),
                format!("{number} is no number of instances: expected 1 to 16")
            );
        }
    }

    #[test]
    fn a_service_is_named_once_and_is_there() {
        let said = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(instance_counts(&said(&["map=3", "map=2"])).unwrap_err().to_string(), "map is named twice");
        let counts = instance_counts(&said(&["get=3", "mop=2"])).unwrap();
        let error = check(&counts, &read(crate::state::tests::CHAIN)).unwrap_err().to_string();
        assert_eq!(error, "no service is called mop; there are get, map");
    }

    #[test]
    fn places_say_how_many_instances_there_are() {
        let app = read(crate::state::tests::CHAIN);
        let asked = |count| BTreeMap::from([("map".to_owned(), count)]);
        let places = BTreeMap::from([("map", 2), ("get", 0)]);
        assert_eq!(beside_places(&app, &places, &asked(2)), []);
        assert_eq!(beside_places(&app, &BTreeMap::new(), &asked(3)), []);
        let told = beside_places(&app, &places, &asked(3));
        assert_eq!(told[0].message, "map has 2 places, and --instances asks for 3");
    }

    #[test]
    fn services_with_state_and_the_last_one_have_one_instance() {
        let app = read(
            "use dyninka::prelude::*;
#[placed(count)] static COUNT: Placed<u64> = Placed::new(|| 0);
#[service] fn get() -> u64 { 1 }
#[service] fn count(n: u64) -> u64 { COUNT.update(|count| { *count += n; *count }) }
#[service] fn last(n: u64) -> u64 { n }
#[dyninka::main] fn main() { get().count().last() }
",
        );
        let counts = ["get", "count", "last"].map(|name| (name.to_owned(), 3));
        let found = refusals(&app, &BTreeMap::from(counts));
        let words: Vec<_> = found.iter().map(|finding| (finding.message.as_str(), finding.place.line)).collect();
        assert_eq!(
            words,
            [
                ("count cannot have 3 instances: each would have a COUNT of its own", 4),
                ("last cannot have 3 instances: it is the last service, and the public listener leads to one host", 5)
            ]
        );
        assert_eq!(refusals(&app, &BTreeMap::from([("count".to_owned(), 1)])), []);
    }
}
