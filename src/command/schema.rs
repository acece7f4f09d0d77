//! `dyn schema`: the shape of `dyn.toml` on stdout.

use crate::fault::{Fault, Kind};
use crate::speech;

pub(crate) fn run() -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(&kubernetes::settings::schema());
    let text = text.map_err(|error| Fault::new(Kind::Machine, error))?;
    // Whoever reads it may have seen enough.
    drop(speech::out(text));
    Ok(())
}
