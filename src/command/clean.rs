//! `dyn clean`: remove what can be built anew, and with `--all` what is remembered.

use session::{Cleaned, Home};
use session_api::units;

use crate::fault::{Fault, Kind};
use crate::question::confirm;
use crate::speech;

pub(crate) fn run(all: bool, yes: bool) -> Result<(), Fault> {
    let home = Home::open()?;
    if all {
        for folder in session::folders(&home).iter().filter(|folder| !folder.is_cache) {
            let size = units::bytes(folder.bytes);
            drop(speech::err(format_args!("  {} ({size}): {}", folder.path.display(), folder.holds)));
        }
        let question = "remove it, and accept any cluster at the next push?";
        if !confirm(question, yes)? {
            return Err(Fault::new(Kind::Interrupted, "nothing was removed"));
        }
    }
    let cleaned = session::clean(&home, all);
    let Cleaned { bytes, kept } =
        cleaned.map_err(|error| Fault::new(Kind::Machine, format!("cannot remove all of it: {error}")))?;
    drop(speech::err(format_args!("removed {}", units::bytes(bytes))));
    for kept in kept {
        drop(speech::err(format_args!("kept {kept}")));
    }
    Ok(())
}
