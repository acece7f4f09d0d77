//! What an edit changed of what functions return: asked once it is live, and given up when a later one comes.

use std::collections::BTreeMap;
use std::time::Duration;

use app::{App, Flow};
use recordings::Body;
use recordings::replay::{Feed, Subject};

use super::State;
use crate::effect::{Effect, Judge, Libraries};
use crate::event::Edit;
use crate::report::{Report, Taken};
use crate::snapshot::EditLine;
use crate::verdict::{Judgement, Verdict};

/// What is known of the last question.
#[derive(Debug, Default)]
pub(super) struct Judging {
    last: Option<Judge>,
    /// It is being answered, since then.
    open: Option<Duration>,
}

impl State {
    /// The question of an edit that is live; none where no function was changed that served before.
    pub(super) fn judge(&mut self, now: Duration, edit: Edit, taken: &[Taken]) -> Vec<Effect> {
        let before = |taken: &&Taken| {
            let previous = self.services.get(&taken.name).and_then(|known| known.previous.as_ref());
            previous.is_some_and(|previous| previous.version != taken.version)
        };
        let services: Vec<String> = taken.iter().filter(before).map(|taken| taken.name.clone()).collect();
        if services.is_empty() {
            return Vec::new();
        }
        let (subjects, libraries) = self.subjects(&services);
        self.judging = Judging { last: Some(Judge { edit, services, subjects, libraries }), open: None };
        self.judge_again(now)
    }

    /// Every service that serves, compared with what served before where it is one of these, and their libraries.
    pub(crate) fn subjects(&self, changed: &[String]) -> (BTreeMap<String, Subject>, Libraries) {
        let (mut subjects, mut libraries) = (BTreeMap::new(), BTreeMap::new());
        let Some(app) = self.routed.clone() else { return (subjects, libraries) };
        for service in &app.services {
            let Some(known) = self.services.get(&service.name) else { continue };
            let Some(live) = &known.live else { continue };
            let was = match &known.previous {
                Some(previous) if changed.contains(&service.name) => previous,
                _ => live,
            };
            for one in [was, live] {
                let key = (service.name.clone(), one.version.clone());
                libraries.insert(key, (service.host.clone(), one.library.clone()));
            }
            let subject = Subject {
                was: Some(was.version.clone()),
                now: live.version.clone(),
                feeds: feeds(&app, &service.name),
                replay: service.replay,
                placed: service.placed.iter().any(|placed| placed.is_state),
            };
            subjects.insert(service.name.clone(), subject);
        }
        (subjects, libraries)
    }

    /// Asks the last question once more; nothing where none was asked yet.
    pub(crate) fn judge_again(&mut self, now: Duration) -> Vec<Effect> {
        let Some(judge) = self.judging.last.clone() else { return Vec::new() };
        self.judging.open = Some(now);
        self.note_judgement(judge.edit, Judgement::Running);
        vec![Effect::Judge(Box::new(judge))]
    }

    /// A later edit changes what is asked.
    pub(super) fn end_judging(&mut self, by: Edit) -> Vec<Effect> {
        let Some(edit) = self.judging.open.take().and(self.judging.last.as_ref()).map(|last| last.edit) else {
            return Vec::new();
        };
        self.note_judgement(edit, Judgement::Superseded);
        let why = format!("edit {by} came before recorded inputs were run");
        vec![Effect::Dismiss, Effect::Report(Report::Unjudged { edit, why })]
    }

    pub(super) fn judged(&mut self, now: Duration, edit: Edit, verdicts: Result<Vec<Verdict>, String>) -> Vec<Effect> {
        // An answer to a question that nobody asks any more.
        if self.judging.last.as_ref().is_none_or(|last| last.edit != edit) {
            return Vec::new();
        }
        let Some(asked) = self.judging.open.take() else { return Vec::new() };
        match verdicts {
            Ok(verdicts) => {
                self.shorten_judgements();
                self.note_judgement(edit, Judgement::Done { verdicts: verdicts.clone() });
                let ms = now.saturating_sub(asked).as_secs_f64() * 1e3;
                let told = verdicts.into_iter().map(|verdict| Report::Verdict { edit, ms, verdict: Box::new(verdict) });
                told.map(Effect::Report).collect()
            }
            Err(why) => {
                self.note_judgement(edit, Judgement::Failed { why: why.clone() });
                vec![Effect::Report(Report::Unjudged { edit, why })]
            }
        }
    }

    fn note_judgement(&mut self, edit: Edit, judgement: Judgement) {
        if let Some(line) = self.edits.iter_mut().rev().find(|line| line.edit == edit) {
            line.judgement = Some(judgement);
        }
    }

    /// Of earlier edits the first difference is kept: a session of weeks does not grow.
    fn shorten_judgements(&mut self) {
        let done = |line: &mut EditLine| match line.judgement.as_mut() {
            Some(Judgement::Done { verdicts }) => std::mem::take(verdicts),
            _ => Vec::new(),
        };
        for line in &mut self.edits {
            let mut verdicts = done(line);
            for verdict in &mut verdicts {
                for findings in verdict.downstream.values_mut().chain([&mut verdict.findings]) {
                    findings.more += findings.changed.len().saturating_sub(1) as u64;
                    findings.changed.truncate(1);
                }
            }
            if let Some(Judgement::Done { verdicts: kept }) = line.judgement.as_mut() {
                *kept = verdicts;
            }
        }
    }
}

/// What feeds a service's inputs, in order.
fn feeds(app: &App, service: &str) -> Vec<Feed> {
    fn find<'a>(flow: &'a Flow, wanted: &str) -> Option<&'a [Flow]> {
        match flow {
            Flow::Literal(_) => None,
            Flow::Call { service, inputs } if service == wanted => Some(inputs),
            Flow::Call { inputs, .. } => inputs.iter().find_map(|input| find(input, wanted)),
        }
    }
    let inputs = app.flow.as_ref().and_then(|flow| find(flow, service)).unwrap_or_default();
    let feed = |input: &Flow| match input {
        Flow::Literal(value) => Feed::Literal(Body::new(value.to_string().as_bytes())),
        Flow::Call { service, .. } => Feed::Service(service.clone()),
    };
    inputs.iter().map(feed).collect()
}
