//! What differs, and is no accident.

use super::cases::{Case, Chosen, Side};
use super::question::{Question, Replay, Subject};
use super::rounds::{self, Ends, Rounds};
use super::verdict::{FunctionRuns, ReplayVerdict};
use super::{Runner, downstream, kind, pace};
use crate::compare::{ValueChange, compare_ends};
use protocol::body::Outcome;

/// A case that ends otherwise now.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) at: u64,
    /// As recorded: what others received of it. None where the function was not called.
    pub(super) recorded: Option<Outcome>,
    pub(super) was: Outcome,
    pub(super) now: Outcome,
}

pub(super) async fn judge<R: Runner>(
    question: &Question,
    service: &str,
    runner: &mut R,
) -> Result<ReplayVerdict, R::Error> {
    let mut verdict = ReplayVerdict { service: service.to_owned(), ..ReplayVerdict::default() };
    let Some(subject) = question.subjects.get(service) else {
        verdict.findings.notes.push("it is no service of the app any more".to_owned());
        return Ok(verdict);
    };
    (verdict.was, verdict.now) = (subject.was.clone(), subject.now.clone());
    let chosen = question.choose(service, subject);
    if subject.replay == Replay::Never {
        (0..chosen.cases.len()).for_each(|_| verdict.findings.skip(downstream::UNSAFE));
        return Ok(verdict);
    }
    let (moved, rounds) = examine(question, subject, &chosen, service, Own::Yes, &mut verdict.findings, runner).await?;
    (verdict.slower, verdict.faster) = pace::compare(rounds.was_ns, rounds.now_ns);
    verdict.downstream = downstream::follow(question, service, moved, runner).await?;
    Ok(verdict)
}

/// Whether a function is given what it was given then, or what now comes from upstream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    Yes,
    No,
}

/// Runs cases and says what differs.
pub(super) async fn examine<R: Runner>(
    question: &Question,
    subject: &Subject,
    chosen: &Chosen,
    service: &str,
    own: Own,
    findings: &mut FunctionRuns,
    runner: &mut R,
) -> Result<(Vec<Moved>, Rounds), R::Error> {
    chosen.skipped.iter().for_each(|why| findings.skip(*why));
    if chosen.cases.is_empty() {
        return Ok((Vec::new(), Rounds::default()));
    }
    let mut rounds = rounds::run(question, subject, chosen, service, runner).await?;
    findings.notes.append(&mut rounds.notes);
    if let Some(deed) = &rounds.stopped {
        (0..chosen.cases.len()).for_each(|_| findings.skip(deed.as_str()));
        findings.notes.push(STOPPED.to_owned());
        return Ok((Vec::new(), rounds));
    }
    if subject.placed && !chosen.exact {
        findings
            .notes
            .push("its state is not the one it had then: not every call, or no state, was recorded".to_owned());
    }
    let mut moved = Vec::new();
    for (case, ends) in chosen.cases.iter().zip(&rounds.ends) {
        let Some(one) = weigh(question, subject, chosen.exact, case, ends, own, findings) else { continue };
        moved.extend(case.also.iter().map(|(at, end)| Moved { at: *at, recorded: Some(end.clone()), ..one.clone() }));
        moved.push(one);
    }
    if own == Own::Yes && subject.placed && subject.was.is_none() && findings.differ > 0 && is_shuffled(chosen, &rounds)
    {
        findings.unstable += std::mem::take(&mut findings.differ);
        (findings.changed, findings.more) = (Vec::new(), 0);
        moved.clear();
        findings.notes.push("the same values, in another order: calls were under way at once then".to_owned());
    }
    let not_run = chosen.cases.len() - rounds.ends.len();
    (0..not_run).for_each(|_| findings.skip("a call before it did not end, or ended its process"));
    Ok((moved, rounds))
}

/// What is to be known of a function that was stopped.
const STOPPED: &str =
    "what was recorded stands in; #[service(replay = true)] has it run all the same, with all that it does";

/// Whether calls ended as those recorded did, but not each as the one of its number. Calls that are under way at once
/// change state in an order that their numbers do not tell.
fn is_shuffled(chosen: &Chosen, rounds: &Rounds) -> bool {
    let text = |end: Option<&Outcome>| end.and_then(|end| serde_json::to_string(end).ok());
    let then = chosen.cases.iter().map(|case| text(case.recorded.as_ref().map(|(end, _)| end)));
    let (mut then, mut now): (Vec<_>, Vec<_>) =
        (then.collect(), rounds.ends.iter().map(|ends| text(ends.now.first())).collect());
    then.sort_unstable();
    now.sort_unstable();
    then == now
}

fn weigh(
    question: &Question,
    subject: &Subject,
    exact: bool,
    case: &Case,
    ends: &Ends,
    own: Own,
    findings: &mut FunctionRuns,
) -> Option<Moved> {
    let is = |end: &Outcome, kind: &str| matches!(end, Outcome::Failed { kind: own, .. } if own == kind);
    let recorded = case.recorded.as_ref().map(|(end, _)| end);
    let now = ends.now.first()?;
    // Old code that cannot be asked says nothing: what was recorded stands for it.
    let ran = ends.was.first().filter(|end| !is(end, kind::NOT_RECORDED));
    let fixed = if let Side::Ends(end) = &case.was { Some(end) } else { None };
    let Some(was) = ran.or(fixed).or(recorded.filter(|_| case.as_then)) else {
        findings.skip("how it ended then was not recorded");
        return None;
    };
    if let Outcome::Failed { kind, message } = now {
        if kind == kind::NOT_RECORDED {
            findings.skip(message.as_str());
            return None;
        }
        if own == Own::Yes && kind == kind::REJECTED && !is(was, kind::REJECTED) {
            findings.unread += 1;
            findings.skip(format!("what it received then does not read: {message}"));
            return None;
        }
    }
    let changes = compare_ends(was, now, &question.rules);
    findings.recorded += 1;
    if changes.is_empty() {
        findings.same += 1;
        return None;
    }
    // What else the same code on the same inputs has come to.
    let like_then = exact && !question.redacted && case.as_then;
    let fair = case.recorded.iter().filter(|(_, version)| like_then && Some(version) == subject.was.as_ref());
    let witnesses: Vec<&Outcome> = match ran {
        Some(_) => ends.was.iter().skip(1).chain(fair.map(|(end, _)| end)).collect(),
        None => ends.now.iter().skip(1).collect(),
    };
    let base = if ran.is_some() { was } else { now };
    let shaky: Vec<ValueChange> =
        witnesses.iter().flat_map(|other| compare_ends(base, other, &question.rules)).collect();
    let steady = |change: &ValueChange| !shaky.iter().any(|shaky| touch(&shaky.path, &change.path));
    let changes: Vec<ValueChange> = changes.into_iter().filter(steady).collect();
    if changes.is_empty() {
        findings.unstable += 1;
        return None;
    }
    findings.differ(case.at, changes, question.limits.shown);
    Some(Moved { at: case.at, recorded: recorded.cloned(), was: was.clone(), now: now.clone() })
}

/// Whether one pointer leads to the other's field, or to something in it.
fn touch(a: &str, b: &str) -> bool {
    let leads = |a: &str, b: &str| b.strip_prefix(a).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    leads(a, b) || leads(b, a)
}
