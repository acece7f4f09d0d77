//! `dyn job-server`: what a session starts beside its services where jobs are on.

use std::path::Path;

use job_server::JobServerError;

use crate::fault::{Fault, Kind};
use crate::start::{Signals, runtime};

pub(crate) fn run(folder: &Path, die_with_parent: bool) -> Result<(), Fault> {
    if die_with_parent {
        host::die_with_parent();
    }
    runtime()?.block_on(async {
        let mut signals = Signals::new()?;
        let end = async move {
            signals.next().await;
        };
        // Read by the session: where it listens.
        let ready = |address| println!("listening on {address}");
        // Likewise: a host that a job ended says nothing of its code.
        let lost = |service: &str| println!("lost a run of {service}");
        let ended = job_server::run(folder, (ready, lost), end).await;
        ended.map_err(|error| {
            let kind = match &error {
                JobServerError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                    Kind::AddressInUse
                }
                _ => Kind::Machine,
            };
            Fault::new(kind, error.to_string())
        })
    })
}
