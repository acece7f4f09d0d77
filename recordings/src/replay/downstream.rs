//! What changed values change further on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::cases::{self, Case, Chosen, Given, Side};
use super::judge::{Moved, Own, examine};
use super::question::{InputSource, Question, Replay, Subject};
use super::runner::Runner;
use super::verdict::FunctionRuns;
use crate::request::{RecordedHop, Request};
use protocol::body::Outcome;

/// Why a service is not run.
pub(super) const UNSAFE: &str = "it says replay = false: what was recorded stands in";
const ANOTHER_WAY: &str = "what it received came another way than the flow says";
const UNKNOWN: &str = "what it would receive was not recorded";

/// What ends otherwise now, by request and service.
type Map<'a> = HashMap<(u64, &'a str), Moved>;

/// Goes on with changed values, until nothing differs any more or the chain ends.
pub(super) async fn follow<R: Runner>(
    question: &Question,
    first: &str,
    moved: Vec<Moved>,
    runner: &mut R,
) -> Result<BTreeMap<String, FunctionRuns>, R::Error> {
    let mut downstream = BTreeMap::new();
    let mut map: Map<'_> = moved.into_iter().map(|moved| ((moved.at, first), moved)).collect();
    if map.is_empty() {
        return Ok(downstream);
    }
    for service in after(question, first) {
        let Some(subject) = question.subjects.get(service) else { continue };
        let chosen = affected(question, subject, service, &map);
        if chosen.cases.is_empty() && chosen.skipped.is_empty() {
            continue;
        }
        let mut findings = FunctionRuns::default();
        if subject.replay != Replay::Never {
            let own = Own::No;
            let (moved, _) = examine(question, subject, &chosen, service, own, &mut findings, runner).await?;
            map.extend(moved.into_iter().map(|moved| ((moved.at, service), moved)));
        } else {
            (0..chosen.cases.len()).for_each(|_| findings.skip(UNSAFE));
        }
        downstream.insert(service.to_owned(), findings);
    }
    Ok(downstream)
}

/// Services that may get a value of this one, each after those it gets values from.
fn after<'a>(question: &'a Question, first: &'a str) -> Vec<&'a str> {
    let mut takers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (service, subject) in &question.subjects {
        for (_, upstream) in subject.upstreams() {
            takers.entry(upstream).or_default().insert(service);
        }
    }
    for hop in question.requests.iter().flat_map(|(_, request)| &request.hops) {
        for called in &hop.calls {
            takers.entry(&called.service).or_default().insert(&hop.service);
        }
    }
    fn visit<'a>(
        at: &'a str,
        takers: &BTreeMap<&'a str, BTreeSet<&'a str>>,
        seen: &mut BTreeSet<&'a str>,
        order: &mut Vec<&'a str>,
    ) {
        for &taker in takers.get(at).into_iter().flatten() {
            if seen.insert(taker) {
                visit(taker, takers, seen, order);
                order.push(taker);
            }
        }
    }
    let (mut seen, mut order) = (BTreeSet::from([first]), Vec::new());
    visit(first, &takers, &mut seen, &mut order);
    order.reverse();
    order
}

/// The calls that get something else now; of a function with state all calls in their order, as each changes the next.
fn affected(question: &Question, subject: &Subject, service: &str, map: &Map<'_>) -> Chosen {
    let mut chosen = Chosen { exact: true, ..Chosen::default() };
    let mut redirected: Vec<(u64, Option<u64>, Case)> = Vec::new();
    for (at, request) in &question.requests {
        let mut hops: Vec<_> = request.hops.iter().filter(|hop| hop.service == service).map(Some).collect();
        if hops.is_empty() {
            hops.push(None);
        }
        for hop in hops {
            match redirect(subject, *at, request, hop, map) {
                Way::AsThen => {}
                Way::Unknown(why) => chosen.skipped.push(why),
                Way::Case(case) => redirected.push((*at, hop.map(|hop| hop.sequence), *case)),
            }
        }
    }
    if !subject.placed {
        redirected.truncate(question.limits.calls);
        chosen.cases = redirected.into_iter().map(|(_, _, case)| case).collect();
        return chosen;
    }
    if redirected.is_empty() {
        return chosen;
    }
    let ordered = cases::ordered(question, service);
    let (mut cases, skipped) = (ordered.cases, chosen.skipped);
    let mut touched = false;
    // Oldest first, so that what was not called then comes after what came before it.
    for (at, sequence, case) in redirected.into_iter().rev() {
        let place = cases.iter().position(|there| there.at == at && there.recorded.is_some());
        match (place, sequence) {
            (Some(place), Some(_)) => cases[place] = case,
            (_, None) if cases.first().is_some_and(|first| first.at < at) => {
                let place = cases.iter().rposition(|there| there.at < at).map_or(0, |before| before + 1);
                cases.insert(place, case);
            }
            // Before the first state that is known.
            _ => continue,
        }
        touched = true;
    }
    let cases = if touched { cases } else { Vec::new() };
    Chosen { cases, skipped, ..ordered }
}

/// What becomes of a call.
enum Way {
    /// It gets what it got.
    AsThen,
    /// It gets something else.
    Case(Box<Case>),
    /// It cannot be said what it gets.
    Unknown(&'static str),
}

fn redirect(subject: &Subject, at: u64, request: &Request, hop: Option<&RecordedHop>, map: &Map<'_>) -> Way {
    // One that stands nowhere in the flow gets its inputs from whoever calls it.
    match hop.filter(|hop| subject.feeds.is_empty() || hop.inputs.len() == subject.feeds.len()) {
        Some(hop) => called_then(subject, at, hop, map),
        None => not_called_then(subject, at, request, map),
    }
}

/// A call that was made: the same, with other inputs and other answers to its own calls; or none at all now.
fn called_then(subject: &Subject, at: u64, hop: &RecordedHop, map: &Map<'_>) -> Way {
    let mut was = Given { inputs: hop.inputs.clone(), calls: hop.calls.clone() };
    let mut now = was.clone();
    let (mut was_ends, mut ends) = (None, None);
    let mut touched = false;
    for (index, upstream) in subject.upstreams() {
        let Some(moved) = map.get(&(at, upstream)) else { continue };
        // A request with a route of its own may have filled it from elsewhere.
        if moved.recorded.as_ref().and_then(Outcome::body) != Some(&hop.inputs[index]) {
            return Way::Unknown(ANOTHER_WAY);
        }
        touched = true;
        match &moved.was {
            Outcome::Value(body) => was.inputs[index] = body.clone(),
            other => was_ends = Some(other.clone()),
        }
        match &moved.now {
            Outcome::Value(body) => now.inputs[index] = body.clone(),
            other => ends = Some(other.clone()),
        }
    }
    for (before, called) in was.calls.iter_mut().zip(&mut now.calls) {
        if let Some(moved) = map.get(&(at, called.service.as_str()))
            && moved.recorded.as_ref() == Some(&called.end)
        {
            touched = true;
            before.end = moved.was.clone();
            called.end = moved.now.clone();
        }
    }
    if !touched {
        return Way::AsThen;
    }
    if !was.is_kept() || !now.is_kept() {
        return Way::Unknown(cases::NOT_KEPT);
    }
    let now = ends.map_or(Side::Run(now), Side::Ends);
    let as_then = was_ends.is_none() && was.inputs == hop.inputs && was.calls == hop.calls;
    let was = was_ends.map_or(Side::Run(was), Side::Ends);
    let recorded = Some((hop.end.clone(), hop.version.clone()));
    Way::Case(Box::new(Case { at, was, now, recorded, as_then, also: Vec::new() }))
}

/// A call that was not made, as something before it filtered or failed: now it may be.
fn not_called_then(subject: &Subject, at: u64, request: &Request, map: &Map<'_>) -> Way {
    if !subject.upstreams().any(|(_, upstream)| map.contains_key(&(at, upstream))) {
        return Way::AsThen;
    }
    let (mut inputs, mut was, mut now) = (Vec::new(), None, None);
    for feed in &subject.feeds {
        let upstream = match feed {
            InputSource::Service(upstream) => upstream.as_str(),
            InputSource::Literal(body) => {
                inputs.push(body.clone());
                continue;
            }
        };
        let recorded = request.hops.iter().rev().find(|hop| hop.service == *upstream).map(|hop| &hop.end);
        let moved = map.get(&(at, upstream));
        let (Some(before), Some(after)) =
            (moved.map(|moved| &moved.was).or(recorded), moved.map(|moved| &moved.now).or(recorded))
        else {
            return Way::Unknown(UNKNOWN);
        };
        if before.body().is_none() {
            was.get_or_insert_with(|| before.clone());
        }
        match after {
            Outcome::Value(body) => inputs.push(body.clone()),
            other => now = now.or_else(|| Some(other.clone())),
        }
    }
    // Nothing was missing, and still it was not called: the request's route led elsewhere.
    let Some(was) = was else { return Way::AsThen };
    let given = Given { inputs, calls: Vec::new() };
    if now.is_none() && !given.is_kept() {
        return Way::Unknown(cases::NOT_KEPT);
    }
    let now = now.map_or(Side::Run(given), Side::Ends);
    Way::Case(Box::new(Case { at, was: Side::Ends(was), now, recorded: None, as_then: true, also: Vec::new() }))
}
