//! Pushes and rollbacks: begun, decided on and stopped for faces. They are carried through beside the loop.

use kubernetes::cluster::ClusterTarget;
use kubernetes::push::{PushOptions, Wish};
use session_api::command::{Answer, Command, Goal, Then};
use session_api::push::{PushAct, PushView, Stage};
use tokio::sync::{oneshot, watch};

use super::Actor;
use crate::actor::loaded::Loaded;
use crate::actor::pushing::{self, Consent, Order, Wanted, Wires};
use crate::actor::tools::Tools;
use crate::api::caller;
use crate::event::{Event, News};

/// The ends of the wires to a push.
pub(super) struct Handle {
    number: u64,
    /// Gone once somebody decided.
    decide: Option<oneshot::Sender<bool>>,
    stop: watch::Sender<bool>,
}

impl Actor {
    /// Begins a push or rollback. Who asked hears of it once it is prepared.
    pub(super) fn push(&mut self, command: Command, reply: oneshot::Sender<Result<u64, Answer>>) {
        let act = match &command {
            Command::Rollback { to, .. } => PushAct::Rollback { to: *to },
            _ => PushAct::Push,
        };
        let begun = match self.tools.loaded() {
            Some(loaded) => self.state.begin_push(self.begun.elapsed(), act).map(|push| (push, loaded)),
            None => Err("the file was not read yet".to_owned()),
        };
        let (PushView { push: number, .. }, loaded) = match begun {
            Ok(begun) => begun,
            Err(why) => return drop(reply.send(Err(caller::refused(why)))),
        };
        let (decide, decision) = oneshot::channel();
        let (stop, stopped) = watch::channel(false);
        // The one before, if it still asked, is declined with its handle.
        self.pushing = Some(Handle { number, decide: Some(decide), stop });
        let (tools, events) = (self.tools.clone(), self.events.clone());
        self.making.spawn(async move {
            let order = match order(&tools, number, command, loaded).await {
                Ok(order) => order,
                Err(why) => {
                    let news = Box::new(News::Ended(Stage::Failed { why, hint: None, put_back: false }));
                    drop(events.send(Event::Push { push: number, news }));
                    return drop(reply.send(Ok(number)));
                }
            };
            let (sender, prepared) = oneshot::channel();
            let wires = Wires { events, prepared: sender, decision, stop: stopped };
            tokio::join!(pushing::run(order, wires), answer(number, prepared, reply));
        });
    }

    /// Says yes or no to the push that asks.
    pub(super) fn decide(&mut self, number: u64, yes: bool) -> Answer {
        let asks = self.state.decide_push(number, yes);
        let handle = self.pushing.as_mut().filter(|handle| asks && handle.number == number);
        let Some(decide) = handle.and_then(|handle| handle.decide.take()) else {
            return caller::refused(format!("no push {number} waits for an answer"));
        };
        // Refused by one that ends this very moment, which tells its end.
        let _ended = decide.send(yes);
        let word = self.state.push(number).map_or("push", |push| push.act.word());
        let what = if yes { "begins" } else { "is not carried out" };
        Answer::Done { message: format!("{word} {number} {what}") }
    }

    /// Has the push that goes on stop; whether there is one.
    pub(super) fn stop_push(&mut self) -> bool {
        let Some(handle) = &self.pushing else { return false };
        let Some(push) = self.state.push(handle.number).filter(|push| push.is_open()) else { return false };
        if push.stage == Stage::Underway {
            drop(self.events.send(Event::Push { push: handle.number, news: Box::new(News::Stopping) }));
        }
        handle.stop.send_replace(true);
        true
    }
}

/// What is to be carried through, or in words why it cannot be.
async fn order(tools: &Tools, number: u64, command: Command, loaded: Loaded) -> Result<Order, String> {
    let Loaded { app, source, .. } = loaded;
    let (file, said) = (tools.options.file.clone(), app.clone());
    let settings = tokio::task::spawn_blocking(move || kubernetes::settings_file::load(&file, &said)).await;
    let settings = settings.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let (act, goal, then) = match command {
        Command::Push { goal, services, with_dependents, then } => {
            (Wanted::Push { services: services.into_iter().collect(), with_dependents }, goal, then)
        }
        Command::Rollback { goal, service, to, undoes, then } => {
            (Wanted::Rollback { wish: Wish { service, to }, undoes }, goal, then)
        }
        other => return Err(format!("{other} is neither a push nor a rollback")),
    };
    let Goal { context, namespace } = goal.or(&tools.options.goal);
    let (what, place) = (((*app).clone(), source, settings), tools.options.home.push_place(&tools.place));
    let host = tools.program.path();
    let mut options = PushOptions::new(&tools.options.file, what, ClusterTarget { context, namespace }, place, host);
    if let Wanted::Push { services, with_dependents } = &act {
        (options.services, options.with_dependents) = (services.clone(), *with_dependents);
    }
    let consent = match then {
        Then::Ask => Consent::Asked,
        Then::Go => Consent::Given,
        Then::End => Consent::Plan,
    };
    Ok(Order { number, act, options, consent })
}

/// Tells who asked once it is prepared. Whoever goes before that gives the preparation up.
async fn answer(number: u64, prepared: oneshot::Receiver<()>, mut reply: oneshot::Sender<Result<u64, Answer>>) {
    tokio::select! {
        // Dropped before it was told: it ended otherwise, which is told as well.
        _ = prepared => drop(reply.send(Ok(number))),
        () = reply.closed() => {}
    }
}
