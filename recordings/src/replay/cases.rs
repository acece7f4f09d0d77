//! Which recorded calls are run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::question::Question;
use protocol::body::RecordedCall;

use crate::request::{Keyframe, RecordedHop};
use protocol::body::{Body, Outcome};

/// A recorded call, to be run on the code before and on the code now.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The request's number.
    pub(crate) at: u64,
    /// What the code before is given.
    pub(super) was: Side,
    /// What the code now is given.
    pub(super) now: Side,
    /// How it ended then, and on which version. None where the function was not called.
    pub(crate) recorded: Option<(Outcome, String)>,
    /// Whether the code before is given what was recorded. It is not where something before it returns another value
    /// than when it was recorded.
    pub(super) as_then: bool,
    /// Other requests in which the function was given the same, and how it ended there.
    pub(super) also: Vec<(u64, Outcome)>,
}

/// What one side of a case does.
#[derive(Clone, Debug)]
pub(super) enum Side {
    Run(Given),
    /// It is not called: this is what goes on to the next.
    Ends(Outcome),
}

/// What a function is given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) inputs: Vec<Body>,
    pub(super) calls: Vec<RecordedCall>,
}

/// Calls to run in order, and the state they begin from.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) cases: Vec<Case>,
    /// None: the state a service begins with.
    pub(crate) from: Option<Arc<Keyframe>>,
    /// Whether state is now as it was then at every call: nothing is missing since the keyframe.
    pub(crate) exact: bool,
    /// Calls that cannot be run, by the reason.
    pub(super) skipped: Vec<&'static str>,
}

/// Calls that may be under way at once: so far apart numbers may be that come in another order than they ended in.
const MOST_AT_ONCE: u64 = 1024;

pub(super) const NOT_KEPT: &str = "what it received was not kept";

/// The newest calls of a function without state that differ in what they were given.
pub(super) fn distinct(question: &Question, service: &str) -> Chosen {
    let mut chosen = Chosen { exact: true, ..Chosen::default() };
    let mut seen: HashMap<_, Option<usize>> = HashMap::new();
    for (at, hop) in calls(question, service) {
        let print = blake3::hash(&serde_json::to_vec(&(&hop.inputs, &hop.calls)).unwrap_or_default());
        match seen.get(&print) {
            Some(&Some(case)) => chosen.cases[case].also.push((at, hop.end.clone())),
            Some(None) => {}
            None if chosen.cases.len() == question.limits.calls => {}
            None => {
                let case = case(at, hop);
                seen.insert(print, case.is_some().then_some(chosen.cases.len()));
                match case {
                    Some(case) => chosen.cases.push(case),
                    None => chosen.skipped.push(NOT_KEPT),
                }
            }
        }
    }
    chosen
}

/// Calls of a function with state in the order they were made, from a state that is known.
pub(super) fn ordered(question: &Question, service: &str) -> Chosen {
    let mut by_sequence: BTreeMap<u64, (u64, &RecordedHop)> = BTreeMap::new();
    // State began anew with each life of the host: only one of them goes on to now.
    let newest = calls(question, service).next().map(|(_, hop)| hop.life);
    for (at, hop) in calls(question, service).filter(|(_, hop)| Some(hop.life) == newest) {
        // Where a recording does not tell lives, numbers that begin anew do: what comes before that is of another.
        let least = by_sequence.first_key_value().map_or(hop.sequence, |(least, _)| *least);
        if hop.sequence > least.saturating_add(MOST_AT_ONCE) {
            break;
        }
        by_sequence.entry(hop.sequence).or_insert((at, hop));
    }
    let most = question.limits.calls;
    let keyframes =
        question.keyframes.iter().filter(|keyframe| keyframe.service == service && Some(keyframe.life) == newest);
    let mut keyframes: Vec<_> = keyframes.collect();
    keyframes.sort_by_key(|keyframe| keyframe.sequence);
    // The earliest state from which all that follows is run; else the latest, and what follows it as far as it goes.
    let fits = |keyframe: &&&Arc<Keyframe>| by_sequence.range(keyframe.sequence..).take(most + 1).count() <= most;
    let follows = |keyframe: &&&Arc<Keyframe>| by_sequence.range(keyframe.sequence..).next().is_some();
    let from = keyframes.iter().filter(follows).find(fits).or_else(|| keyframes.iter().rev().find(follows));
    let from = from.map(|keyframe| Arc::clone(keyframe));
    let begin = from.as_ref().map_or(0, |keyframe| keyframe.sequence);
    let run: Vec<_> = match from {
        Some(_) => by_sequence.range(begin..).take(most).collect(),
        // Without a state to begin from the newest calls say most.
        None => {
            let skip = by_sequence.len().saturating_sub(most);
            by_sequence.iter().skip(skip).collect()
        }
    };
    let gapless = run.iter().zip(begin..).all(|((sequence, _), expected)| **sequence == expected);
    let mut chosen = Chosen { from, exact: gapless, ..Chosen::default() };
    for (_, (at, hop)) in run {
        match case(*at, hop) {
            Some(case) => chosen.cases.push(case),
            None => {
                chosen.exact = false;
                chosen.skipped.push(NOT_KEPT);
            }
        }
    }
    chosen
}

/// What a function is given and how it ended, where all of it was kept.
fn case(at: u64, hop: &RecordedHop) -> Option<Case> {
    let given = Given { inputs: hop.inputs.clone(), calls: hop.calls.clone() };
    let recorded = Some((hop.end.clone(), hop.version.clone()));
    given.is_kept().then(|| Case {
        at,
        was: Side::Run(given.clone()),
        now: Side::Run(given),
        recorded,
        as_then: true,
        also: Vec::new(),
    })
}

impl Case {
    /// What the function was given then.
    pub(crate) fn inputs(&self) -> Option<&[Body]> {
        self.given().map(|given| &*given.inputs)
    }

    /// What services its body called answered then.
    pub(crate) fn calls(&self) -> Option<&[RecordedCall]> {
        self.given().map(|given| &*given.calls)
    }

    fn given(&self) -> Option<&Given> {
        match &self.was {
            Side::Run(given) => Some(given),
            Side::Ends(_) => None,
        }
    }
}

impl Given {
    /// Whether all of it is there.
    pub(super) fn is_kept(&self) -> bool {
        let called = self.calls.iter().flat_map(|called| called.inputs.iter().chain(called.end.body()));
        self.inputs.iter().chain(called).all(|body| body.bytes().is_some())
    }
}

/// Calls of a service, newest request first.
fn calls<'a>(question: &'a Question, service: &str) -> impl Iterator<Item = (u64, &'a RecordedHop)> {
    let requests = question.requests.iter();
    requests.flat_map(move |(at, request)| {
        request.hops.iter().rev().filter(move |hop| hop.service == service).map(move |hop| (*at, hop))
    })
}
