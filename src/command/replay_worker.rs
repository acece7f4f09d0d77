//! `dyn replay-worker`: the process that functions run again in.

use host::replay::{Freedom, work};

use crate::fault::{Fault, Kind};

pub(crate) fn run(is_free: bool) -> Result<(), Fault> {
    host::die_with_parent();
    let freedom = if is_free { Freedom::All } else { Freedom::Compute };
    work(freedom).map_err(|error| Fault::new(Kind::Machine, format!("cannot run functions again: {error}")))
}
