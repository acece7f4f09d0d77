//! `dyn host`: what processes and containers are started with.

use std::path::PathBuf;

use crate::fault::{Fault, Kind};

pub(crate) fn run(folders: &[PathBuf], die_with_parent: bool, debug: bool) -> Result<(), Fault> {
    if die_with_parent {
        host::die_with_parent();
    }
    if debug {
        host::allow_debugger();
    }
    let code = host::run(folders).map_err(|error| {
        let kind = if error.is_address_in_use() { Kind::AddressInUse } else { Kind::Machine };
        Fault::new(kind, error.to_string())
    })?;
    std::process::exit(code.into())
}
