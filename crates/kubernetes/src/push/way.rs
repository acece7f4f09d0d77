//! The way images take to the nodes.

use super::event::{PushEvent, PushListener};
use super::relay::Relayed;
use super::{PushError, PushOptions};
use crate::cluster::{Access, facts};
use images::ship::{self, Local, Owner, Programs, Ship};

/// Chooses a way by what is there, says which and why, and takes it.
pub(super) async fn open(
    access: &Access,
    options: &PushOptions,
    tell: &PushListener,
) -> Result<Box<dyn Ship>, PushError> {
    let programs = Programs::default();
    let named = options.registry.clone().or_else(|| options.settings.images.repository.clone());
    let (facts, local) = tokio::join!(facts(access, named), Local::look(&programs));
    let facts = facts?;
    let owner = owner(access, options.name());
    let say = |reason: &str| tell(PushEvent::Notice { text: reason.to_owned() });
    if options.settings.images.serve && options.registry.is_none() {
        let relayed = Relayed::open(access, options.name(), &facts, owner).await?;
        say("serving images from here, as `images.serve` in dyn.toml asks");
        return Ok(Box::new(relayed));
    }
    let choice = ship::choose(&facts, &local);
    let Some(way) = choice.way else {
        return match Relayed::open(access, options.name(), &facts, owner).await {
            Ok(relayed) => {
                say(&format!("serving images from here: {}", choice.passed_over.join("; ")));
                Ok(Box::new(relayed))
            }
            Err(error) => {
                let why = format!("they cannot be served from here: {error}");
                let passed_over = choice.passed_over.into_iter().chain([why]).collect();
                Err(PushError::NoWay { reason: choice.reason, passed_over })
            }
        };
    };
    say(&choice.reason);
    Ok(ship::open(&way, owner, &programs).await?)
}

/// Whose images they are.
fn owner(access: &Access, app: &str) -> Owner {
    Owner::new(app, &format!("{}/{}", access.identity, access.namespace))
}
