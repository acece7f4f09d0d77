//! Who waits for services to move, and what the session itself goes by when it places them.

use std::collections::{BTreeMap, HashMap};

use session_api::command::Answer;
use tokio::sync::oneshot;

use super::Actor;
use crate::api::asking::Wish;
use crate::api::caller;
use crate::effect::Departure;
use crate::event::{Event, Regroup};
use crate::placement::{Figures, Together};

/// Moves that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Movers {
    /// Who waits for what comes of a move, by its number.
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    latest: u64,
    /// Services that leave a host which they went on from.
    pub(super) departing: Vec<String>,
}

impl Actor {
    /// Answered once the services are where they are wanted.
    pub(super) fn ask_to_move(&mut self, Wish { wanted, services, reset }: Wish, reply: oneshot::Sender<Answer>) {
        self.movers.latest += 1;
        let number = self.movers.latest;
        self.movers.waiting.insert(number, reply);
        let why = "it was asked for".to_owned();
        self.happened(Event::Asked(Regroup { number, wanted, services, reset, why }));
    }

    /// Whether services are placed by what they do.
    pub(super) fn places_itself(&self) -> bool {
        self.tools.options.together == Some(Together::Auto)
    }

    /// What services did in the last minute.
    pub(super) fn figures(&self) -> BTreeMap<String, Figures> {
        let measured = self.measured.borrow().clone();
        let figures = measured.hops.iter().filter_map(|(service, hop)| {
            let minute = hop.windows.iter().find(|window| window.seconds == 60)?;
            let figures = Figures {
                n: minute.n,
                per_second: minute.rate,
                total: minute.total.p50 as f64,
                function: minute.function.p50 as f64,
                network: minute.network.p50 as f64,
            };
            Some((service.clone(), figures))
        });
        figures.collect()
    }

    /// Tells who waits for a move.
    pub(super) fn settled(&mut self, number: u64, outcome: Result<String, String>) {
        // Nobody waits for one that the session asked for itself.
        let Some(reply) = self.movers.waiting.remove(&number) else { return };
        drop(reply.send(outcome.map_or_else(caller::refused, |message| Answer::Done { message })));
    }

    pub(super) fn depart(&mut self, departures: Vec<Departure>) {
        self.movers.departing = departures.iter().map(|departure| departure.service.clone()).collect();
        self.on_backend(|backend, tools| async move { tools.depart(&*backend, departures).await });
    }
}
