//! A push of some services only.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{RunningApp, RunningService, Unit, Wanted};
use crate::wire::{Break, Wires, compatible};

/// What is pushed where some services are named.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// What is wanted then: the others stay as they run.
    pub wanted: Wanted,
    /// Services that were not named and come along, since they would not understand those that were, or share their pods.
    pub taken_along: BTreeSet<String>,
    /// Neighbours that stay and would not understand them: a push is to be refused.
    pub breaks: Vec<Break>,
}

/// Leaves all services that are not named as they run. A neighbour that would not understand a named one comes along
/// where `with_dependents` says so, and its neighbours by the same rule. A service that does not run yet is always
/// pushed: something of the flow would be missing without it. Services that share pods with one that is pushed, or are to
/// share them, are pushed with it.
pub fn select(
    wanted: &Wanted,
    running: &RunningApp,
    wires: &Wires,
    named: &BTreeSet<String>,
    with_dependents: bool,
) -> Selected {
    let known = |name: &String| running.current(name).is_some();
    let fresh = wanted.services.iter().map(|service| service.name.clone()).filter(|name| !known(name));
    let mut pushed: BTreeSet<String> = named.iter().cloned().chain(fresh).collect();
    let mut taken_along = BTreeSet::new();
    share_pods(wanted, running, &mut pushed, &mut taken_along);
    let old: BTreeMap<_, _> = running
        .services
        .iter()
        .filter(|runs| runs.current)
        .filter_map(|runs| Some((runs.name.clone(), runs.form.clone()?)))
        .collect();
    let old = Wires { forms: old, steps: Vec::new(), calls: Vec::new() };
    let breaks = loop {
        // Who stays calls whom it called when it was pushed.
        let stays = running.services.iter().filter(|runs| runs.current && !pushed.contains(&runs.name));
        let calls: Vec<(String, String)> =
            stays.flat_map(|runs| runs.calls().into_iter().map(|called| (runs.name.clone(), called))).collect();
        let gone = calls.iter().filter(|(_, called)| wanted.service(called).is_none());
        let gone: Vec<Break> = gone.map(|(caller, called)| missing(caller, called)).collect();
        let mut all = wires.clone();
        all.calls.extend(calls);
        let mut breaks = left_behind(&old, &all, &pushed);
        breaks.extend(gone.into_iter().filter(|found| wanted.service(&found.neighbour).is_some()));
        let along: Vec<String> = breaks.iter().map(|found| found.neighbour.clone()).collect();
        if !with_dependents || along.is_empty() {
            break breaks;
        }
        taken_along.extend(along.iter().cloned());
        pushed.extend(along);
        share_pods(wanted, running, &mut pushed, &mut taken_along);
    };
    let left = wanted.services.iter().map(|service| service.name.clone()).filter(|name| !pushed.contains(name));
    let wanted = wanted.leaving(running, &left.collect());
    Selected { wanted, taken_along, breaks }
}

/// Has whoever shares pods with a service that is pushed come along, and whoever shares pods with those.
fn share_pods(
    wanted: &Wanted,
    running: &RunningApp,
    pushed: &mut BTreeSet<String>,
    taken_along: &mut BTreeSet<String>,
) {
    loop {
        let of_running = running.services.iter().filter(|runs| runs.current && pushed.contains(&runs.name));
        let before = of_running.flat_map(|runs| running.sharing(&runs.object)).map(str::to_owned);
        let units = wanted.units().into_iter().filter(|unit| unit.members.iter().any(|it| pushed.contains(&it.name)));
        let units: Vec<Unit<'_>> = units.collect();
        // A group of the same name has its pods replaced, whoever is in it.
        let of_group = |runs: &&RunningService| {
            runs.current && runs.group.is_some() && units.iter().any(|unit| unit.group == runs.group.as_deref())
        };
        let same_group = running.services.iter().filter(of_group).map(|runs| runs.name.clone());
        let after = units.iter().flat_map(|unit| &unit.members).map(|member| member.name.clone());
        let all: BTreeSet<String> =
            before.chain(after).chain(same_group).filter(|name| wanted.service(name).is_some()).collect();
        let more: Vec<String> = all.difference(pushed).cloned().collect();
        if more.is_empty() {
            return;
        }
        taken_along.extend(more.iter().cloned());
        pushed.extend(more);
    }
}

/// A service that stays and calls one that is no more part of the app.
fn missing(caller: &str, called: &str) -> Break {
    let why = "is called and no service of the app any more".to_owned();
    Break { service: called.to_owned(), neighbour: caller.to_owned(), field: format!("{called}()"), why }
}

/// Neighbours that stay and would not understand those that are pushed.
fn left_behind(old: &Wires, new: &Wires, pushed: &BTreeSet<String>) -> Vec<Break> {
    let found = compatible(old, new).into_iter();
    found.filter(|found| pushed.contains(&found.service) && !pushed.contains(&found.neighbour)).collect()
}
