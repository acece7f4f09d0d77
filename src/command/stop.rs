//! `dyn stop`: end the session of an app and remove whatever it or a killed one left.

use std::path::Path;

use session::{Home, StopReport};

use crate::fault::{Fault, Kind};
use crate::{speech, start};

pub(crate) fn run(file: &Path, data: bool) -> Result<(), Fault> {
    let place = Home::open()?.place(file)?;
    let ended = start::runtime()?.block_on(session::stop(&place));
    let StopReport { session, removed } = ended.map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
    match session {
        Some(pid) => drop(speech::err(format_args!("ended the session with pid {pid}"))),
        None => drop(speech::err(format_args!("no session runs {}", file.display()))),
    }
    if removed > 0 {
        drop(speech::err(format_args!(
            "removed {removed} leftover{} of an earlier session",
            if removed == 1 { "" } else { "s" }
        )));
    }
    if data {
        let removed = session::remove_data(&place).map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
        match removed.is_empty() {
            true => drop(speech::err(format_args!("the app's resources have no data"))),
            false => drop(speech::err(format_args!("removed the data of {}", removed.join(", ")))),
        }
    }
    Ok(())
}
