//! Ending another process' session, and what a killed one left.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::store::home::{AppPlace, HomeError};
use crate::store::lock::{Lock, LockError};

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

/// Data that is not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveDataError {
    /// A session uses it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The system refuses it.
    #[error("cannot remove {}: {source}", folder.display())]
    Io { folder: PathBuf, source: io::Error },
}

/// Ends the session of an app, if one runs, and removes whatever is left of it or of a killed one.
pub async fn stop(place: &AppPlace) -> Result<StopReport, StopError> {
    let session = Lock::holder(&place.folder);
    if let Some(pid) = session {
        end(pid, place).await?;
    }
    let removed = local_cluster::sweep(&place.id, &place.services()?).await?;
    let servers = local_cluster::sweep_resources(&place.resources()).await;
    Ok(StopReport { session, removed: removed + servers })
}

/// Removes the data of an app's resources once nobody uses it; the names of those that had any.
///
/// # Errors
/// A session has the app, or something cannot be removed.
pub fn remove_data(place: &AppPlace) -> Result<Vec<String>, RemoveDataError> {
    // Held until it is done: no session begins in between.
    let _lock = Lock::take(&place.folder, &place.file)?;
    let folder = place.resources();
    let failed = |source| RemoveDataError::Io { folder: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut names: Vec<String> = entries.flatten().map(|entry| entry.file_name().display().to_string()).collect();
    names.sort();
    fs::remove_dir_all(&folder).map_err(failed)?;
    Ok(names)
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::store::home::Home;

    #[test]
    fn data_of_resources_is_removed_once_no_session_has_the_app_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.rs");
        fs::write(&file, "").unwrap();
        let place = Home::at(folder.path().join("home")).unwrap().place(&file).unwrap();
        assert_eq!(remove_data(&place).unwrap(), [""; 0]);
        for name in ["db", "cache"] {
            fs::create_dir_all(place.resources().join(name).join("server/data")).unwrap();
        }
        fs::write(place.timeline(), "").unwrap();
        let lock = Lock::take(&place.folder, &file).unwrap();
        assert!(matches!(remove_data(&place).unwrap_err(), RemoveDataError::Lock(_)));
        drop(lock);
        assert_eq!(remove_data(&place).unwrap(), ["cache", "db"]);
        assert!(!place.resources().exists() && place.timeline().exists());
    }
}
