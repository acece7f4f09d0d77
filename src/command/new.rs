//! `dyn new`: a small app to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::fault::{Fault, Kind};
use crate::speech;

const APP: &str = include_str!("new.rs.txt");

pub(crate) fn run(file: &Path) -> Result<(), Fault> {
    if file.extension().is_none_or(|extension| extension != "rs") {
        return Err(Fault::new(Kind::Usage, format!("{} does not end in .rs", file.display())));
    }
    // create_new: a file that is there already is somebody's work.
    let written =
        OpenOptions::new().write(true).create_new(true).open(file).and_then(|mut new| new.write_all(APP.as_bytes()));
    written.map_err(|error| {
        let fault = Fault::new(Kind::Machine, format!("failed to write {}: {error}", file.display()));
        match error.kind() {
            ErrorKind::AlreadyExists => fault.hint("name a file that does not exist yet"),
            _ => fault,
        }
    })?;
    drop(speech::err(format_args!("wrote {0}; run it with: dyn dev {0}", file.display())));
    Ok(())
}
