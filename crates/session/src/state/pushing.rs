//! Pushes and rollbacks: what was asked, how it goes, how it ended. One at a time.

use std::time::Duration;

use app::Severity;
use kubernetes::push::PushEvent as Progress;
use session_api::push::{PushAct, PushTarget, PushView, Roll, RollState, Stage};
use session_api::{Report, units};

use super::{State, keep, millis};
use crate::effect::Effect;
use crate::event::News;

impl State {
    /// Begins a push or rollback, or says in words why not.
    pub(crate) fn begin_push(&mut self, now: Duration, act: PushAct) -> Result<PushView, String> {
        if self.closing {
            return Err("the session ends".to_owned());
        }
        if let Some(busy) = self.pushes.back().filter(|push| push.is_busy()) {
            return Err(format!("{} {} is under way", busy.act.word(), busy.push));
        }
        // What is pushed is what the file says, not what it said before it was broken.
        let is_broken = self.trouble.values().flatten().any(|finding| finding.severity == Severity::Error);
        if act == PushAct::Push && (is_broken || self.wanted.is_none()) {
            return Err("the file does not build: mend it first".to_owned());
        }
        let number = self.pushes.back().map_or(1, |last| last.push + 1);
        if let Some(asked) = self.pushes.back_mut().filter(|push| push.stage == Stage::Asking) {
            asked.stage = Stage::Declined { why: format!("{} {number} came after it", act.word()) };
            asked.ended_ms = Some(millis(now));
        }
        let push = PushView { push: number, act, edit: self.edit, at_ms: millis(now), ..PushView::default() };
        keep(&mut self.pushes, push.clone());
        Ok(push)
    }

    /// A push or rollback by its number.
    pub(crate) fn push(&self, number: u64) -> Option<&PushView> {
        self.pushes.iter().rev().find(|push| push.push == number)
    }

    /// Somebody said yes to the push that asks, or no: whether it is one that asks.
    pub(crate) fn decide_push(&mut self, number: u64, yes: bool) -> bool {
        let asking = |push: &&mut PushView| push.push == number && push.stage == Stage::Asking;
        let Some(push) = self.pushes.iter_mut().rev().find(asking) else { return false };
        // From now on no other may begin; one that is declined tells so itself.
        if yes {
            push.stage = Stage::Underway;
        }
        true
    }

    /// Notes what a push tells. One that is over tells nothing any more.
    pub(super) fn pushing(&mut self, now: Duration, number: u64, news: News) -> Vec<Effect> {
        let Some(push) = self.pushes.iter_mut().rev().find(|push| push.push == number && push.is_open()) else {
            return Vec::new();
        };
        let report = match news {
            News::Prepared { act, services, layers, bytes, unfinished, notes, next } => {
                (push.act, push.layers, push.bytes, push.unfinished) = (act, layers, bytes, unfinished);
                push.notes.extend(notes);
                push.doing = None;
                push.services = merged(std::mem::take(&mut push.services), services);
                push.stage = next;
                push.ended_ms = (!push.is_open()).then(|| millis(now));
                Some(Report::Plan { push: Box::new(push.clone()) })
            }
            News::Stopping => {
                push.stage = Stage::Stopping;
                None
            }
            News::Ended(stage) => {
                (push.stage, push.ended_ms, push.doing) = (stage, Some(millis(now)), None);
                Some(Report::Pushed { push: Box::new(push.clone()) })
            }
            News::Progress(progress) => return self.progressed(now, number, progress),
        };
        report.map(Effect::Report).into_iter().collect()
    }

    fn progressed(&mut self, now: Duration, number: u64, progress: Progress) -> Vec<Effect> {
        let Some(push) = self.pushes.iter_mut().rev().find(|push| push.push == number) else { return Vec::new() };
        let (service, state) = match progress {
            Progress::Connected { context, namespace, server, cluster } => {
                push.target = Some(PushTarget { context, namespace, server, cluster });
                return Vec::new();
            }
            Progress::Waiting { holder } => {
                push.doing = Some(format!("{holder} is pushing: waiting for the end of that"));
                return self.note_of_push(now, number);
            }
            Progress::Shipping { through } => {
                push.doing = Some(format!("shipping through {through}"));
                return Vec::new();
            }
            Progress::Shipped { layers, bytes, ms } => {
                push.doing = None;
                push.notes.push(format!("shipped {layers} layers, {}, in {ms:.0} ms", units::bytes(bytes)));
                return Vec::new();
            }
            Progress::Removed { object } => {
                push.notes.push(format!("removed {object}"));
                return Vec::new();
            }
            Progress::Notice { text } => {
                push.notes.push(text.clone());
                return self.notice(now, format!("{} {number}: {text}", self.word_of_push(number)));
            }
            Progress::Building { service } => (service, RollState::Building),
            Progress::Built { service, ms, .. } => (service, RollState::Built { ms }),
            Progress::Rolling { service, ready, wanted, old, why } => {
                (service, RollState::Rolling { ready, wanted, old, why })
            }
            Progress::Live { service, ms, .. } => (service, RollState::Live { ms }),
            Progress::Failed { service, why, lines } => (service, RollState::Failed { why, lines, put_back: false }),
            Progress::RollingBack { service } => {
                let known = push.services.iter().find(|roll| roll.name == service).map(|roll| roll.state.clone());
                match known {
                    Some(RollState::Failed { why, lines, .. }) => {
                        (service, RollState::Failed { why, lines, put_back: true })
                    }
                    _ => (service, RollState::PutBack),
                }
            }
        };
        push.doing = None;
        let at = push.services.iter().position(|roll| roll.name == service).unwrap_or_else(|| {
            push.services.push(Roll { name: service.clone(), ..Roll::default() });
            push.services.len() - 1
        });
        push.services[at].state = state.clone();
        vec![Effect::Report(Report::Pushing { push: number, service, state })]
    }

    fn note_of_push(&mut self, now: Duration, number: u64) -> Vec<Effect> {
        let doing = self.pushes.iter().rev().find(|push| push.push == number).and_then(|push| push.doing.clone());
        doing
            .map_or_else(Vec::new, |doing| self.notice(now, format!("{} {number}: {doing}", self.word_of_push(number))))
    }

    fn word_of_push(&self, number: u64) -> &'static str {
        self.pushes.iter().rev().find(|push| push.push == number).map_or("push", |push| push.act.word())
    }
}

/// The plan's services, each as it stood while the plan was made.
fn merged(before: Vec<Roll>, plan: Vec<Roll>) -> Vec<Roll> {
    let state = |name: &str| before.iter().find(|roll| roll.name == name).map(|roll| roll.state.clone());
    plan.into_iter().map(|roll| Roll { state: state(&roll.name).unwrap_or(roll.state.clone()), ..roll }).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
