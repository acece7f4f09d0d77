//! Ending another process' session, and what a killed one left.

use std::io;
use std::time::{Duration, Instant};

use crate::store::home::{AppPlace, HomeError};
use crate::store::lock::Lock;

/// A session removes what it made within seconds; longer means that it hangs.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopReport {
    /// The pid of the session that ran.
    pub session: Option<u32>,
    /// Processes, containers and networks that an earlier one had left.
    pub removed: usize,
}

/// A session that does not end.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// It cannot be told to.
    #[error("cannot end the session with pid {pid}: {source}")]
    Signal { pid: u32, source: io::Error },
    /// It does not listen.
    #[error("cannot end the session with pid {pid}: it still runs after {} s", PATIENCE.as_secs())]
    Deaf { pid: u32 },
    /// What it left cannot be found.
    #[error("{0}")]
    Home(#[from] HomeError),
    /// What it left cannot be removed.
    #[error("{0}")]
    Sweep(#[from] local_cluster::BackendError),
}

/// Ends the session of an app, if one runs, and removes whatever is left of it or of a killed one.
pub async fn stop(place: &AppPlace) -> Result<StopReport, StopError> {
    let session = Lock::holder(&place.folder);
    if let Some(pid) = session {
        end(pid, place).await?;
    }
    let removed = local_cluster::sweep(&place.id, &place.services()?).await?;
    Ok(StopReport { session, removed })
}

async fn end(pid: u32, place: &AppPlace) -> Result<(), StopError> {
    let process = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).ok_or(StopError::Deaf { pid })?;
    rustix::process::kill_process(process, rustix::process::Signal::TERM)
        .map_err(|error| StopError::Signal { pid, source: error.into() })?;
    let begun = Instant::now();
    while Lock::holder(&place.folder) == Some(pid) {
        if begun.elapsed() > PATIENCE {
            return Err(StopError::Deaf { pid });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
