//! What an edit changed, by meaning.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::App;

/// What differs between two apps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Services that are new, changed or gone, in the order of the new file, gone ones last.
    pub services: Vec<Change>,
    /// Whether services feed each other in another way.
    pub flow: bool,
}

/// A service that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Added {
        /// Rust name.
        service: String,
    },
    /// It means something else.
    Changed {
        /// Rust name.
        service: String,
        /// Why, in terms of the source: `helper scale() changed`.
        reasons: Vec<String>,
    },
    /// It is gone.
    Removed {
        /// Rust name.
        service: String,
    },
}

impl Changes {
    /// Whether nothing has another meaning: a comment, another layout.
    pub fn is_nothing(&self) -> bool {
        self.services.is_empty() && !self.flow
    }
}

/// What changed from one reading to the next. Dependencies and toolchain are the caller's to compare.
pub fn compare(old: &App, new: &App) -> Changes {
    let mut services = Vec::new();
    for service in &new.services {
        let name = service.name.clone();
        match old.service(&name) {
            None => services.push(Change::Added { service: name }),
            Some(before) if before.meaning != service.meaning => {
                let reasons = reasons(&before.reaches, &service.reaches);
                services.push(Change::Changed { service: name, reasons });
            }
            Some(_) => {}
        }
    }
    let gone = old.services.iter().filter(|before| new.service(&before.name).is_none());
    services.extend(gone.map(|before| Change::Removed { service: before.name.clone() }));
    Changes { services, flow: old.flow != new.flow }
}

/// What two readings of a service differ in, by what each reaches ([`crate::Service::reaches`]), in words.
pub fn reasons(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let labels: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let reason = |label: &String| match (old.get(label), new.get(label)) {
        (Some(before), Some(now)) if before != now => Some(format!("{label} changed")),
        (None, Some(_)) => Some(format!("{label} is new to it")),
        (Some(_), None) => Some(format!("{label} is gone from it")),
        _ => None,
    };
    let mut reasons: Vec<String> = labels.into_iter().filter_map(reason).collect();
    // What the edit touched comes before what it brought along.
    reasons.sort_by_key(|reason| !reason.ends_with(" changed"));
    reasons
}
