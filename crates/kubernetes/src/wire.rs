//! Whether services that were built at different times understand each other.
//!
//! `app` tells what each of them writes and reads ([`app::Wire`]); here one's writing is held against another's reading.

mod reading;

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use app::{App, Edge, Form, Wire};
use serde::Serialize;

pub use reading::{Mismatch, reads};

/// The wire forms of an app's services, and who has to do with whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wires {
    /// By Rust name.
    pub forms: BTreeMap<String, Wire>,
    /// The steps of the flow.
    pub steps: Vec<Edge>,
    /// Caller and called, where a body calls a service.
    pub calls: Vec<(String, String)>,
}

/// A neighbour that would not understand a service any more, or not be understood by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Break {
    /// Rust name of the service that changes.
    pub service: String,
    /// Rust name of the one that stays as it is.
    pub neighbour: String,
    /// What it is about: `reading.value`.
    pub field: String,
    pub why: String,
}

impl Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, neighbour, field, why } = self;
        write!(f, "{service} and {neighbour}, as it runs, do not fit together: {field} {why}")
    }
}

impl Wires {
    pub fn of(app: &App) -> Self {
        let calls = |service: &app::Service| {
            let called = service.calls.iter().map(|called| (service.name.clone(), called.clone()));
            called.collect::<Vec<_>>()
        };
        Self {
            forms: app.wires(),
            steps: app.edges().into_iter().collect(),
            calls: app.services.iter().flat_map(calls).collect(),
        }
    }
}

impl Wires {
    /// The same, where what cannot be seen into rests on the versions of what the app depends on.
    pub fn depending_on(mut self, dependencies: &str) -> Self {
        self.forms.values_mut().for_each(|form| form.depend_on(dependencies));
        self
    }
}

/// Where a service as it is in `new` and a neighbour as it is in `old` do not understand each other. Who feeds and calls
/// whom is as in `new`; a service that is not in `old` has nobody there who could misunderstand it.
pub fn compatible(old: &Wires, new: &Wires) -> Vec<Break> {
    let mut breaks = Vec::new();
    let pair = |name: &str| Some((old.forms.get(name)?, new.forms.get(name)?));
    for Edge { producer, consumer, input } in &new.steps {
        let (Some(from), Some(into)) = (pair(producer), pair(consumer)) else { continue };
        let ways = [(from.1, into.0, producer, consumer), (from.0, into.1, consumer, producer)];
        for (writer, reader, service, neighbour) in ways {
            if pair(service).is_some_and(|(old, new)| old == new) {
                continue;
            }
            let mismatches = match reader.inputs.get(*input) {
                Some(place) => reads(&place.name, (writer, &writer.output), (reader, &place.form)),
                None => vec![Mismatch { field: format!("input {}", input + 1), why: "is not there".to_owned() }],
            };
            breaks.extend(mismatches.into_iter().map(|found| found.between(service, neighbour)));
        }
    }
    for (caller, called) in &new.calls {
        let Some((before, after)) = pair(called).filter(|(before, after)| before != after) else { continue };
        let found = called_otherwise(before, after);
        breaks.extend(found.into_iter().map(|found| found.between(called, caller)));
    }
    breaks.sort();
    breaks.dedup();
    breaks
}

/// What keeps those who were built to call `before` from calling `after`.
pub fn called_otherwise(before: &Wire, after: &Wire) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for place in &after.inputs {
        match before.inputs.iter().find(|known| known.name == place.name) {
            Some(known) => found.extend(reads(&place.name, (before, &known.form), (after, &place.form))),
            None if matches!(place.form, Form::Optional(_)) => {}
            None => found.push(Mismatch { field: place.name.clone(), why: "is needed and was no input".to_owned() }),
        }
    }
    for place in before.inputs.iter().filter(|known| !after.inputs.iter().any(|place| place.name == known.name)) {
        found.push(Mismatch { field: place.name.clone(), why: "is sent and no input any more".to_owned() });
    }
    if after.optional && !before.optional {
        found.push(Mismatch { field: "output".to_owned(), why: "may be nothing".to_owned() });
    }
    found.extend(reads("output", (after, &after.output), (before, &before.output)));
    found
}

impl Mismatch {
    fn between(self, service: &str, neighbour: &str) -> Break {
        Break { service: service.to_owned(), neighbour: neighbour.to_owned(), field: self.field, why: self.why }
    }
}
