//! The beginning: which backend, and its endpoints.

use std::collections::BTreeMap;

use super::Actor;
use crate::effect::Wanted;
use crate::environment::Environments;
use crate::event::Event;

impl Actor {
    /// Chosen before the loop goes on, so that closing finds the backend whatever happens meanwhile.
    pub(super) fn open(&mut self, app: Wanted, environments: &Environments, hosts: &BTreeMap<String, String>) {
        let (events, tools) = (self.events.clone(), self.tools.clone());
        let handle = tokio::runtime::Handle::current();
        let chosen = tokio::task::block_in_place(|| handle.block_on(tools.choose(&app.0, environments, hosts)));
        match chosen {
            Ok((backend, reason, front)) => {
                if let Some(message) = reason {
                    drop(events.send(Event::Notice { message }));
                }
                self.backend = Some(backend.clone());
                self.heard = Some(backend.clone());
                let front_at = app.0.last().map(str::to_owned);
                self.making.spawn(async move { drop(events.send(tools.open(&*backend, front, front_at).await)) });
            }
            Err(event) => drop(events.send(event)),
        }
    }
}
