//! `dyn trust`: a context means another cluster now, and that is right.

use kubernetes::cluster::{ClusterTarget, Pins, connect};
use session::Home;

use crate::fault::Fault;
use crate::speech;

pub(crate) fn run(context: &str) -> Result<(), Fault> {
    let home = Home::open()?;
    let mut pins = Pins::open(&super::cluster::pins(&home))?;
    super::dev::runtime()?.block_on(async {
        let access = connect(&ClusterTarget { context: Some(context.to_owned()), namespace: None }).await?;
        let changed = pins.trust(&access)?;
        let server = &access.server;
        drop(match changed {
            0 => speech::err(format_args!("{context} ({server}) means the cluster it meant before")),
            apps => {
                speech::err(format_args!("{context} ({server}) is trusted: cluster {}, {apps} apps", access.identity))
            }
        });
        Ok(())
    })
}
