//! Which backend, and clearing what an earlier session left on either.

use std::path::PathBuf;
use std::sync::Arc;

use crate::backend::{Backend, BackendError, BackendPlan};
use crate::docker::Docker;
use crate::engine;
use crate::process::{self, Processes};

/// Where to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Docker where an engine answers, else processes.
    Auto,
    /// A container for each service.
    Docker,
    /// A process for each service.
    Process,
}

pub struct ChosenBackend {
    pub backend: Arc<dyn Backend>,
    /// Why it is not the one that comes first, where it is not: which engine, and what names it.
    pub reason: Option<String>,
}

pub async fn choose(on: On, plan: BackendPlan) -> Result<ChosenBackend, BackendError> {
    let engine = match on {
        On::Process => return Ok(ChosenBackend { backend: Arc::new(Processes::new(plan)), reason: None }),
        On::Auto | On::Docker => engine::connect().await,
    };
    match (engine, on) {
        (Ok(found), _) => {
            let by = found.meant.by.as_ref();
            let reason = by.map(|by| format!("containers run on the engine at {}: {by}", found.meant.host));
            Ok(ChosenBackend { backend: Arc::new(Docker::new(found, plan)), reason })
        }
        (Err(why), On::Auto) => {
            let reason = format!("running as plain processes, because no Docker engine answers: {why}");
            Ok(ChosenBackend { backend: Arc::new(Processes::new(plan)), reason: Some(reason) })
        }
        (Err(why), _) => Err(BackendError::NoEngine(why)),
    }
}

/// Removes what a killed session left of the app with this id: processes by the files in its service folders,
/// containers and networks by their labels. Answers how many things there were.
pub async fn sweep(id: &str, folders: &[PathBuf]) -> Result<usize, BackendError> {
    let processes = process::sweep(folders);
    // Without an engine there are no containers.
    match engine::connect().await {
        Ok(found) => Ok(processes + engine::sweep(&found.engine, id).await?),
        Err(_) => Ok(processes),
    }
}
