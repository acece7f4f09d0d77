//! The way images take to the nodes.

use super::event::{Event, Listener};
use super::{Options, PushError};
use crate::cluster::{Access, facts};
use crate::ship::{self, Local, Owner, Programs, Ship};

/// Chooses a way by what is there, says which and why, and takes it.
pub(super) async fn open(access: &Access, options: &Options, tell: &Listener) -> Result<Box<dyn Ship>, PushError> {
    let programs = Programs::default();
    let named = options.registry.clone().or_else(|| options.settings.images.repository.clone());
    let (facts, local) = tokio::join!(facts(access, named), Local::look(&programs));
    let choice = ship::choose(&facts?, &local);
    let Some(way) = choice.way else {
        return Err(PushError::NoWay { reason: choice.reason, passed_over: choice.passed_over });
    };
    let text = format!("images go the way they do because {}", choice.reason);
    tell(Event::Notice { text });
    Ok(ship::open(&way, owner(access, &options.app.name), &programs).await?)
}

/// Whose images they are.
fn owner(access: &Access, app: &str) -> Owner {
    Owner::new(app, &format!("{}/{}", access.identity, access.namespace))
}
