//! `dyn replay-worker`: the process that functions run again in.

use crate::fault::{Fault, Kind};

pub(crate) fn run() -> Result<(), Fault> {
    host::die_with_parent();
    host::replay::work().map_err(|error| Fault::new(Kind::Machine, format!("failed to run functions again: {error}")))
}
