//! The same services as files for somebody else's tools, so that a user can leave with them.

mod compose;
mod group;
mod make;
mod marathon;

use compiler::BuildError;

use crate::model::{Wanted, WantedService};
use crate::object::{self, Stamp};
use crate::push::PushError;
use images::ship::ShipError;
use protocol::Config;

pub use make::{ExportRequest, make};

/// What reads the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `kubectl apply -f`.
    Kubernetes,
    /// `docker compose -f … up`.
    Compose,
    /// `PUT /v2/groups` of Marathon, on DC/OS or any Mesos with Mesos-DNS and a container network.
    Marathon,
}

/// A file that is not written. The words fit on their own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Images would be nowhere.
    #[error("cannot put images anywhere: no registry is named, and this machine's own images are out of reach there")]
    NoRegistry,
    /// It is not built or not brought there.
    #[error(transparent)]
    Push(#[from] PushError),
    /// There is nothing to run.
    #[error("cannot export {service}: it has no image")]
    NoImage {
        /// Rust name.
        service: String,
    },
    /// One container cannot be as both want it.
    #[error("cannot export {first} and {other} in one container: {what} of them differ")]
    Apart {
        /// Rust name.
        first: String,
        /// Rust name.
        other: String,
        /// The key in `dyn.toml`.
        what: &'static str,
    },
    /// The format has no counterpart of it.
    #[error(
        "cannot export {service} for {format}: {variable} comes from the ConfigMap {config}, which {format} does not know"
    )]
    NoConfigMap {
        /// Rust name.
        service: String,
        /// What reads the file.
        format: &'static str,
        /// The environment variable.
        variable: String,
        /// The ConfigMap's name.
        config: String,
    },
    /// It does not fit the form.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It does not fit the form.
    #[error("cannot write YAML: {0}")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

impl From<BuildError> for ExportError {
    fn from(error: BuildError) -> Self {
        Self::Push(error.into())
    }
}

impl From<ShipError> for ExportError {
    fn from(error: ShipError) -> Self {
        Self::Push(error.into())
    }
}

/// The text of the one file.
pub fn export(wanted: &Wanted, format: Format) -> Result<String, ExportError> {
    if let Some(service) = wanted.services.iter().find(|service| service.image.is_none()) {
        return Err(ExportError::NoImage { service: service.name.clone() });
    }
    let groups = group::groups(wanted)?;
    match format {
        Format::Kubernetes => kubernetes(wanted),
        Format::Compose => compose::write(wanted, &groups),
        Format::Marathon => marathon::write(wanted, &groups),
    }
}

fn kubernetes(wanted: &Wanted) -> Result<String, ExportError> {
    let mut text = String::new();
    // An agent's identity is a Secret that a push makes by an invitation, and no file has. A data server tells hosts by the
    // Secret that a push makes.
    let wanted = Wanted { node: None, data: None, ..wanted.clone() };
    for object in object::objects(&wanted, &Stamp::default()).values()? {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&object)?);
    }
    Ok(text)
}

/// A host's configuration for its environment: these formats have no files to hand along.
fn told(service: &WantedService, linger_ms: u64, address: &dyn Fn(&str) -> String) -> Config {
    let mut config = service.config_at(address);
    config.limits.linger_ms = linger_ms;
    config
}
