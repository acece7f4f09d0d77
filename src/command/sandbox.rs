//! `dyn sandbox`: the jailed process that functions of strangers run in.

use crate::fault::{Fault, Kind};

pub(crate) fn run(memory: u64) -> Result<(), Fault> {
    functions::sandbox(memory).map_err(|error| Fault::new(Kind::Machine, format!("cannot serve functions: {error}")))
}
