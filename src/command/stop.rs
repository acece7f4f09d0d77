//! `dyn stop`: end the session of an app and remove whatever it or a killed one left.

use std::path::Path;

use session::{Ended, Home};

use crate::fault::{Fault, Kind};

pub(crate) fn run(file: &Path) -> Result<(), Fault> {
    let place = Home::open()?.place(file)?;
    let ended = super::dev::runtime()?.block_on(session::stop(&place));
    let Ended { session, removed } = ended.map_err(|error| Fault::new(Kind::Machine, format!("failed to {error}")))?;
    match session {
        Some(pid) => anstream::eprintln!("ended the session with pid {pid}"),
        None => anstream::eprintln!("no session runs {}", file.display()),
    }
    if removed > 0 {
        anstream::eprintln!("removed {removed} leftover{} of an earlier session", if removed == 1 { "" } else { "s" });
    }
    Ok(())
}
