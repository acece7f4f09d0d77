//! `dyn rollback`: what ran before, on a cluster.

use kubernetes::push::{self, Wish};

use super::cluster::{listener, options, until_told};
use crate::arguments::Rollback;
use crate::fault::{Fault, Kind};
use crate::question::confirm;
use crate::{speech, start};

pub(crate) fn run(rollback: &Rollback) -> Result<(), Fault> {
    let options = options(&rollback.file, &rollback.goal)?;
    let wish = Wish { service: rollback.service.clone(), to: rollback.to };
    start::runtime()?.block_on(async {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let (unheard, _) = tokio::sync::watch::channel(true);
        let prepared = push::Rollback::prepare(options, &wish, listener(rollback.json));
        let ready = until_told(prepared, unheard).await?;
        let services: Vec<_> = ready.services().iter().cloned().collect();
        let target = ready.target();
        let what = format!("{} as of push {} ({}, {})", services.join(", "), target.number, target.by, target.at);
        drop(speech::err(format_args!("  {what}")));
        if !confirm("roll back?", rollback.yes)? {
            return Err(Fault::new(Kind::Interrupted, "nothing was rolled back"));
        }
        let done = until_told(ready.carry_out(stopped), stop).await?;
        super::push::tell(&done, rollback.json);
        Ok(())
    })
}
