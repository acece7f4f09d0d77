//! A push or rollback carried through, beside the loop: prepared, asked about, carried out, told as events.

use std::collections::BTreeSet;
use std::sync::Arc;

use kubernetes::push::{self, PushDone, PushError, PushListener, PushOptions, Rollback, Wish};
use session_api::push::{PushAct, Roll, Stage};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{oneshot, watch};

use crate::event::{Event, News};

/// What is to be carried through.
pub(crate) struct Order {
    /// Its number in this session.
    pub(crate) number: u64,
    pub(crate) act: Wanted,
    pub(crate) options: PushOptions,
    /// Who goes on after the plan.
    pub(crate) consent: Consent,
}

/// What is to be done.
pub(crate) enum Wanted {
    Push {
        services: BTreeSet<String>,
        with_dependents: bool,
    },
    /// What ran before; `undoes`, where it is said, is what has to run for it.
    Rollback {
        wish: Wish,
        undoes: Option<u32>,
    },
}

/// Who says yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Nobody: the plan is all that is wanted.
    Plan,
    /// Whoever is asked.
    Asked,
    /// Whoever gave the order, beforehand.
    Given,
}

/// The wires between a push that goes on and the loop.
pub(crate) struct Wires {
    pub(crate) events: UnboundedSender<Event>,
    /// Told once it is prepared, or will not be. Nobody listens any more: the preparation is given up.
    pub(crate) prepared: oneshot::Sender<()>,
    /// Yes or no; dropped, it is no.
    pub(crate) decision: oneshot::Receiver<bool>,
    /// True once it is to stop.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Something that is prepared.
enum Ready {
    Push(Box<push::Push>),
    Rollback(Box<Rollback>),
}

/// Carries an order through. All that happens is told as events of its number.
pub(crate) async fn run(order: Order, wires: Wires) {
    let Wires { events, mut prepared, decision, mut stop } = wires;
    let (number, consent) = (order.number, order.consent);
    let tell = |news| drop(events.send(Event::Push { push: number, news: Box::new(news) }));
    let progress = events.clone();
    let listener: PushListener =
        Arc::new(move |step| drop(progress.send(Event::Push { push: number, news: Box::new(News::Progress(step)) })));
    let declined = |why: &str| News::Ended(Stage::Declined { why: why.to_owned() });
    let ready = tokio::select! {
        ready = prepare(order, listener) => ready,
        () = prepared.closed() => return tell(declined("whoever asked for it is gone")),
        () = stopped(&mut stop) => {
            tell(declined("it was stopped before anything was changed"));
            return told(prepared);
        }
    };
    let ready = match ready {
        Ok(ready) => ready,
        Err(error) => {
            tell(News::Ended(failed(&error)));
            return told(prepared);
        }
    };
    let next = match consent {
        _ if ready.is_nothing() => Stage::Nothing,
        Consent::Plan => Stage::Planned,
        Consent::Asked => Stage::Asking,
        Consent::Given => Stage::Underway,
    };
    let goes_on = matches!(next, Stage::Asking | Stage::Underway);
    tell(ready.news(next));
    // Whoever asked may be gone: whoever is asked answers, and what was consented to is done.
    told(prepared);
    if !goes_on {
        return;
    }
    if consent == Consent::Asked {
        let said = tokio::select! {
            said = decision => said.unwrap_or(false),
            () = stopped(&mut stop) => false,
        };
        if !said {
            return tell(declined("nobody said yes"));
        }
    }
    let done = match ready {
        Ready::Push(ready) => ready.carry_out(stop).await,
        Ready::Rollback(ready) => ready.carry_out(stop).await,
    };
    tell(News::Ended(match done {
        Ok(PushDone { number, sent, ms, .. }) => Stage::Live { number, sent, ms },
        Err(error) => failed(&error),
    }));
}

async fn prepare(order: Order, listener: PushListener) -> Result<Ready, PushError> {
    match order.act {
        Wanted::Push { .. } => Ok(Ready::Push(Box::new(push::Push::prepare(order.options, listener).await?))),
        Wanted::Rollback { wish, undoes } => {
            let ready = Rollback::prepare(order.options, &wish, listener).await?;
            match (undoes, ready.before()) {
                (Some(wanted), Some(runs)) if runs.number != wanted => Err(PushError::NothingToPutBack {
                    why: format!("push {} of {} is live since push {wanted}", runs.number, runs.by),
                }),
                _ => Ok(Ready::Rollback(Box::new(ready))),
            }
        }
    }
}

impl Ready {
    fn is_nothing(&self) -> bool {
        match self {
            Self::Push(push) => push.is_nothing(),
            // One with nothing to do is refused when it is prepared.
            Self::Rollback(_) => false,
        }
    }

    fn news(&self, next: Stage) -> News {
        match self {
            Self::Push(push) => {
                let (plan, missing) = (push.plan(), push.missing());
                News::Prepared {
                    act: PushAct::Push,
                    services: plan.services.into_iter().map(roll).collect(),
                    layers: missing.layers,
                    bytes: missing.bytes,
                    unfinished: push.site().is_unfinished(),
                    notes: plan.objects.iter().map(ToString::to_string).chain(plan.notes).collect(),
                    next,
                }
            }
            Self::Rollback(rollback) => {
                let target = rollback.target();
                let was = rollback.before().map(|record| record.services.clone()).unwrap_or_default();
                let roll = |(name, version): (String, String)| Roll {
                    what: "rolled back".to_owned(),
                    before: was.get(&name).cloned(),
                    version: Some(version),
                    name,
                    ..Roll::default()
                };
                let of = rollback.before().map_or(0, |record| record.number);
                News::Prepared {
                    act: PushAct::Rollback { to: Some(target.number) },
                    services: rollback.versions().into_iter().map(roll).collect(),
                    layers: 0,
                    bytes: 0,
                    unfinished: false,
                    notes: vec![format!(
                        "undoes push {of}: what push {} by {} brought at {} runs again",
                        target.number, target.by, target.at
                    )],
                    next,
                }
            }
        }
    }
}

fn roll(step: kubernetes::plan::PlanStep) -> Roll {
    Roll {
        name: step.name,
        what: step.what.to_string(),
        reasons: step.what.reasons(),
        before: step.version_before,
        version: step.version_after,
        image_before: step.image_before,
        image: step.image_after,
        replicas: step.replicas,
        bytes: step.bytes,
        ..Roll::default()
    }
}

fn failed(error: &PushError) -> Stage {
    match error {
        PushError::Stopped => Stage::Stopped,
        error => Stage::Failed {
            why: error.to_string(),
            hint: error.hint(),
            put_back: matches!(error, PushError::RolledBack { .. }),
        },
    }
}

/// Whoever asked may be gone, and then need not be told.
fn told(prepared: oneshot::Sender<()>) {
    let _gone = prepared.send(());
}

/// Ready once it is to stop; never where nobody can say so any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
