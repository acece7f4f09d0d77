//! What a session tells its hosts besides a new version.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hops::Config;

use crate::answer::GRACE;
use crate::shared::{Settings, Shared};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("read {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// It is not what a session writes.
    #[error("{file} is no configuration of a host: {source}")]
    Parse {
        /// The file.
        file: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// The front door does not open where it should.
    #[error("open the front door: {source}")]
    Front {
        /// Why not.
        source: io::Error,
    },
    /// Its route leads nowhere.
    #[error("{0}")]
    Route(#[from] hops::RouteError),
}

/// Reads the configuration in a folder.
pub(crate) fn read(folder: &Path) -> Result<Settings, ConfigError> {
    let file = folder.join("config.json");
    let name = file.display().to_string();
    let text = fs::read(&file).map_err(|source| ConfigError::Read { file: name.clone(), source })?;
    let mut config: Config =
        serde_json::from_slice(&text).map_err(|source| ConfigError::Parse { file: name, source })?;
    if config.token.is_empty() {
        config.token = std::env::var(hops::TOKEN).unwrap_or_default();
    }
    Ok(Settings::new(config)?)
}

/// Reads the configuration again: routes, peers, limits and the front door change at once, the host's own address
/// only with a restart. Waits for requests that began before, so that nobody goes a route any more that is gone.
pub(crate) async fn reload(shared: &Shared) -> Result<(), ConfigError> {
    let settings = read(&shared.folder)?;
    let front = settings.config.front;
    shared.front.lead(front).map_err(|source| ConfigError::Front { source })?;
    let old = shared.settings.swap(Arc::new(settings));
    let unused = async {
        while Arc::strong_count(&old) > 1 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    if tokio::time::timeout(GRACE, unused).await.is_err() {
        eprintln!("dyninka: a request that began with the old routes still runs");
    }
    Ok(())
}

/// How often a request that began with the old routes is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Compares in a time that tells nothing of where two secrets differ.
pub(crate) fn same_secret(given: &str, secret: &str) -> bool {
    given.len() == secret.len() && given.bytes().zip(secret.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
