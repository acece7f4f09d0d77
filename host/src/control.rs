//! What a session tells its hosts besides a new version.

use std::fs;
use std::io;
use std::path::Path;

use hops::Config;

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
    /// Its route leads nowhere.
    #[error("{0}")]
    Route(#[from] hops::RouteError),
}

/// Reads the configuration in a folder.
pub(crate) fn read(folder: &Path) -> Result<Settings, ConfigError> {
    let file = folder.join("config.json");
    let name = file.display().to_string();
    let text = fs::read(&file).map_err(|source| ConfigError::Read { file: name.clone(), source })?;
    let config: Config = serde_json::from_slice(&text).map_err(|source| ConfigError::Parse { file: name, source })?;
    Ok(Settings::new(config)?)
}

/// Reads the configuration again: routes, peers and limits change at once, addresses only with a restart.
pub(crate) fn reload(shared: &Shared) -> Result<(), ConfigError> {
    let settings = read(&shared.folder)?;
    shared.settings.store(std::sync::Arc::new(settings));
    Ok(())
}

/// Compares in a time that tells nothing of where two secrets differ.
pub(crate) fn same_secret(given: &str, secret: &str) -> bool {
    given.len() == secret.len() && given.bytes().zip(secret.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
