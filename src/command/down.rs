//! `dyn down --cluster`: an app, away from a cluster.

use std::path::Path;

use rollout::push::{Removal, holder};

use super::cluster::{confirm, listener, load, target};
use crate::arguments::Goal;
use crate::fault::{Fault, Kind};
use crate::speech;

pub(crate) fn run(file: &Path, yes: bool, goal: &Goal) -> Result<(), Fault> {
    let (app, _, _) = load(file)?;
    super::dev::runtime()?.block_on(async {
        let removal = Removal::prepare(&target(goal), &app.name, listener(false)).await?;
        if removal.objects().is_empty() {
            drop(speech::err(format_args!("nothing of {} is there", app.name)));
            return Ok(());
        }
        for object in removal.objects() {
            drop(speech::err(format_args!("  {object}")));
        }
        if !confirm("remove all of it?", yes)? {
            return Err(Fault::new(Kind::Interrupted, "nothing was removed"));
        }
        let removed = removal.carry_out(&holder()).await?;
        drop(speech::err(format_args!("removed {removed} objects of {}", app.name)));
        Ok(())
    })
}
