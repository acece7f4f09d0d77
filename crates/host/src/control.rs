//! What a session tells its hosts besides a new version.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use protocol::{Config, HostConfigs};

use crate::answer::GRACE;
use crate::shared::{Settings, Shared};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: io::Error },
    /// It is not what a session writes.
    #[error("{file} is no configuration of a host: {source}")]
    Parse { file: String, source: serde_json::Error },
    /// It is of other services.
    #[error("{name} has no configuration of {folder}, only of {}", known.join(", "))]
    Absent {
        name: String,
        /// Name of the service's folder.
        folder: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// The public listener does not open where it should.
    #[error("cannot open the public listener: {source}")]
    PublicListener { source: io::Error },
    /// Its route leads nowhere.
    #[error("{0}")]
    Route(#[from] protocol::RouteError),
}

/// Reads the configuration in a folder, or in the environment where it stands there.
pub(crate) fn read(folder: &Path) -> Result<Settings, ConfigError> {
    let (name, text) = match env::var_os(protocol::CONFIG_VARIABLE) {
        Some(text) => (protocol::CONFIG_VARIABLE.to_owned(), text.into_encoded_bytes()),
        None => {
            let file = folder.join("config.json");
            let name = file.display().to_string();
            let text = fs::read(&file).map_err(|source| ConfigError::Read { file: name.clone(), source })?;
            (name, text)
        }
    };
    let secret = env::var(protocol::TOKEN_VARIABLE).ok();
    Ok(Settings::new(parse(&name, &text, folder, secret)?)?)
}

/// The configuration for a folder. One that names no secret has the one given.
fn parse(name: &str, text: &[u8], folder: &Path, secret: Option<String>) -> Result<Config, ConfigError> {
    let parsed = |source| ConfigError::Parse { file: name.to_owned(), source };
    let value: serde_json::Value = serde_json::from_slice(text).map_err(parsed)?;
    let mut config: Config = match value.get("services") {
        Some(_) => {
            let HostConfigs { mut services } = serde_json::from_value(value).map_err(parsed)?;
            let folder = folder.file_name().unwrap_or_default().to_string_lossy();
            let absent = |services: BTreeMap<String, Config>| ConfigError::Absent {
                name: name.to_owned(),
                folder: folder.clone().into_owned(),
                known: services.into_keys().collect(),
            };
            services.remove(&*folder).ok_or_else(|| absent(services))?
        }
        None => serde_json::from_slice(text).map_err(parsed)?,
    };
    if config.token.is_empty() {
        config.token = secret.unwrap_or_default();
    }
    Ok(config)
}

/// Reads the configuration again: routes, peers, limits and the public listener change at once, the host's own address
/// only with a restart. Waits for requests that began before, so that nobody goes a route any more that is gone.
pub(crate) async fn reload(shared: &Shared) -> Result<(), ConfigError> {
    let settings = read(&shared.folder)?;
    let front = settings.config.front;
    shared.front.lead(front).map_err(|source| ConfigError::PublicListener { source })?;
    let records = settings.config.record;
    let old = shared.settings.swap(Arc::new(settings));
    if old.config.record && !records {
        shared.records.clear();
    }
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

/// Compares in a time that tells nothing of where two secrets differ. A secret that is empty is nobody's.
pub(crate) fn same_secret(given: &str, secret: &str) -> bool {
    !secret.is_empty()
        && given.len() == secret.len()
        && given.bytes().zip(secret.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_without_a_secret_lets_nobody_in_unless_it_is_given_one() {
        let text = br#"{ "app": "a", "service": "s", "listen": "0.0.0.0:8080", "peers": {} }"#;
        let token =
            |secret: Option<&str>| parse("x", text, "/dyninka".as_ref(), secret.map(str::to_owned)).unwrap().token;
        assert_eq!(token(Some("key")), "key");
        assert!(!same_secret("", &token(None)));
        assert!(same_secret("key", "key") && !same_secret("kez", "key"));
        let own = br#"{ "app": "a", "service": "s", "listen": "0.0.0.0:8080", "peers": {}, "token": "own" }"#;
        assert_eq!(parse("x", own, "/dyninka".as_ref(), Some("key".to_owned())).unwrap().token, "own");
    }

    #[test]
    fn a_service_of_several_has_the_configuration_of_its_folder() {
        let one = |service: &str| {
            format!(r#"{{ "app": "a", "service": "{service}", "listen": "0.0.0.0:8080", "peers": {{}} }}"#)
        };
        let text = format!(r#"{{ "services": {{ "get": {}, "moving-avg": {} }} }}"#, one("get"), one("moving_avg"));
        let parsed = |folder: &str| parse("x", text.as_bytes(), folder.as_ref(), Some("key".to_owned()));
        let config = parsed("/dyninka/moving-avg").unwrap();
        assert_eq!((config.service.as_str(), config.token.as_str()), ("moving_avg", "key"));
        let absent = parsed("/dyninka/map").unwrap_err().to_string();
        assert_eq!(absent, "x has no configuration of map, only of get, moving-avg");
        let broken = parse("x", br#"{ "services": { "get": {} } }"#, "/dyninka/get".as_ref(), None).unwrap_err();
        assert!(matches!(broken, ConfigError::Parse { .. }), "{broken}");
    }
}
