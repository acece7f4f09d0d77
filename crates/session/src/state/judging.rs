//! What an edit changed of what functions return: asked once it is live, and given up when a later one comes.

use std::collections::BTreeMap;
use std::time::Duration;

use recordings::replay::Subject;
use session_api::snapshot::EditLine;
use session_api::verdict::{Judgement, Verdict};
use session_api::{Report, Taken};

use super::State;
use crate::effect::{Effect, Judge, Libraries};
use crate::event::Edit;
use crate::recording::subject::subject;

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
            let known = self.services.get(&taken.name).filter(|known| !known.renewed);
            let previous = known.and_then(|known| known.previous.as_ref());
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
            let subject = subject(&app, service, Some(was.version.clone()), live.version.clone());
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

#[cfg(test)]
mod tests {
    use recordings::replay::{InputSource, Replay};

    use super::*;
    use crate::event::Event;
    use crate::state::tests::{CHAIN, World};
    use session_api::verdict::FunctionVerdict;

    fn edited() -> World {
        let mut world = World::serving(CHAIN);
        world.save(&CHAIN.replace("* 2.0", "* 3.0"));
        world
    }

    fn asked(world: &World) -> Vec<&Judge> {
        let judges = world.asked.iter().filter_map(|effect| match effect {
            Effect::Judge(judge) => Some(&**judge),
            _ => None,
        });
        judges.collect()
    }

    fn verdict(differ: u64) -> Verdict {
        let changed = (0..differ).map(|at| session_api::verdict::Changed { at, ..Default::default() }).collect();
        let findings = FunctionVerdict { recorded: 9, same: 9 - differ, differ, changed, ..FunctionVerdict::default() };
        Verdict { service: "map".into(), findings, ..Verdict::default() }
    }

    fn judgement(world: &World, edit: Edit) -> Option<&Judgement> {
        world.state.edits.iter().find(|line| line.edit == edit)?.judgement.as_ref()
    }

    #[test]
    fn what_is_live_is_compared_with_what_served_before() {
        let mut world = edited();
        assert_eq!(judgement(&world, 1), Some(&Judgement::Running));
        let [judge] = asked(&world)[..] else { panic!("{:#?}", world.asked) };
        assert_eq!((judge.edit, &judge.services[..]), (1, &["map".to_owned()][..]));
        let (get, map) = (&judge.subjects["get"], &judge.subjects["map"]);
        assert_eq!(get.was.as_ref(), Some(&get.now), "it is as it was");
        assert_ne!(map.was.as_ref(), Some(&map.now));
        assert_eq!(
            (&map.feeds[..], map.replay, map.placed),
            (&[InputSource::Service("get".into())][..], Replay::Computing, false)
        );
        assert_eq!(judge.libraries.len(), 3);
        world.happens(Event::Judged { edit: 1, verdicts: Ok(vec![verdict(2)]) });
        let told = world.reports.iter().any(|report| {
            matches!(report, Report::Verdict { edit: 1, verdict, .. }
            if verdict.findings.differ == 2)
        });
        assert!(told, "{:#?}", world.reports);
        let before = world.reports.len();
        world.happens(Event::Judged { edit: 1, verdicts: Ok(vec![verdict(1)]) });
        assert_eq!(world.reports.len(), before, "it is told once");
        // Of earlier edits one difference is kept.
        world.save(&CHAIN.replace("* 2.0", "* 4.0"));
        world.happens(Event::Judged { edit: 2, verdicts: Ok(vec![verdict(3)]) });
        let kept = |edit| match judgement(&world, edit) {
            Some(Judgement::Done { verdicts }) => (verdicts[0].findings.changed.len(), verdicts[0].findings.more),
            other => panic!("{other:?}"),
        };
        assert_eq!((kept(1), kept(2)), ((1, 1), (3, 0)));
    }

    #[test]
    fn a_later_edit_ends_the_question_and_one_without_meaning_does_not() {
        let mut world = edited();
        world.save(&format!("// nothing\n{}", CHAIN.replace("* 2.0", "* 3.0")));
        assert!(!world.asked.contains(&Effect::Dismiss));
        world.save(CHAIN);
        assert!(world.asked.contains(&Effect::Dismiss));
        assert_eq!(judgement(&world, 1), Some(&Judgement::Superseded));
        assert!(world.reports.iter().any(|report| matches!(report, Report::Unjudged { edit: 1, .. })));
        world.happens(Event::Judged { edit: 1, verdicts: Ok(vec![verdict(2)]) });
        assert_eq!(judgement(&world, 1), Some(&Judgement::Superseded), "late");
        world.happens(Event::Judged { edit: 3, verdicts: Err("no process".into()) });
        assert_eq!(judgement(&world, 3), Some(&Judgement::Failed { why: "no process".into() }));
        // Asked once more it is the last question again.
        assert_eq!(world.state.judge_again(Duration::ZERO).len(), 1);
        assert_eq!(judgement(&world, 3), Some(&Judgement::Running));
        assert_eq!(asked(&world).iter().map(|judge| judge.edit).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn where_nothing_served_before_nothing_is_asked() {
        let mut world = World::serving(CHAIN);
        assert!(world.state.judge_again(Duration::ZERO).is_empty());
        world.save(
            &CHAIN
                .replace("get().map()", "add(get()).map()")
                .replace("#[dyninka::main]", "#[service] fn add(value: f64) -> f64 { value + 1.0 }\n#[dyninka::main]"),
        );
        assert!(asked(&world).is_empty(), "{:#?}", world.asked);
    }
}
