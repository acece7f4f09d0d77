//! `dyn cluster down`: an app, away from a cluster.

use std::path::Path;

use kubernetes::push::{Removal, holder};

use super::cluster::{listener, options};
use crate::arguments::Goal;
use crate::fault::{Fault, Kind};
use crate::question::confirm;
use crate::{speech, start};

pub(crate) fn run(file: &Path, yes: bool, goal: &Goal) -> Result<(), Fault> {
    let options = options(file, goal)?;
    start::runtime()?.block_on(async {
        let removal = Removal::prepare(&options, listener(false)).await?;
        if removal.objects().is_empty() {
            drop(speech::err(format_args!("nothing of {} is there", options.name())));
            return Ok(());
        }
        for object in removal.objects() {
            drop(speech::err(format_args!("  {object}")));
        }
        if !confirm("remove all of it?", yes)? {
            return Err(Fault::new(Kind::Interrupted, "nothing was removed"));
        }
        let removed = removal.carry_out(&holder()).await?;
        drop(speech::err(format_args!("removed {removed} objects of {}", options.name())));
        Ok(())
    })
}
