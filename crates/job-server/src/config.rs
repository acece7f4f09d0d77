//! What a job server is told: `config.json` in its folder, read at the start and again when it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jobs::JobLimits;
use jobs::quota::TenantLimits;
use jobs::request::TargetTerms;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The configuration of a job server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobServerConfig {
    pub app: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The secret that hosts know. It opens the admin API of the server, too.
    pub token: String,
    /// The file of the store.
    pub store: PathBuf,
    /// The file of the operator's token, made where it is not there.
    pub operator: PathBuf,
    /// Services by name.
    pub targets: BTreeMap<String, JobServerTarget>,
    /// The last service of the flow: for jobs that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    #[serde(default)]
    pub settings: JobServerSettings,
}

/// A service that jobs may be for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobServerTarget {
    /// `host:port` of its host.
    pub at: String,
    pub inputs: Vec<String>,
    /// What jobs of it have where nothing else is said.
    #[serde(default, skip_serializing_if = "is_default")]
    pub terms: TargetTerms,
    /// Jobs of it that run at a time; none: as many as there are workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<usize>,
    /// JSON Schemas of its inputs, by name, with the definitions that they refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `[jobs]` of dyn.toml.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobServerSettings {
    /// Jobs that run at a time.
    pub workers: usize,
    /// Services that tenants may name besides the flow's last.
    pub open: Vec<String>,
    pub limits: JobLimits,
    /// What a tenant may do where nothing else is said.
    pub tenant: TenantLimits,
    pub callbacks: CallbackSettings,
    /// Whether tenants may register functions. Read at the start alone.
    pub functions: bool,
    /// Bounds of functions. Read at the start alone.
    pub pool: FunctionSettings,
    /// Who may use the API of the NodeJS FaaS. Read at the start alone.
    pub kumori: KumoriAccess,
    /// Whether metrics have a series for each tenant, too.
    pub tenant_metrics: bool,
}

/// Bounds of functions of tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FunctionSettings {
    /// Processes.
    pub max: usize,
    /// Bytes of memory of one run.
    pub memory: u64,
    /// Whether processes are doubled and halved; else there are as many as the load needs.
    pub doubling: bool,
}

impl Default for FunctionSettings {
    fn default() -> Self {
        Self { max: 64, memory: 64 << 20, doubling: false }
    }
}

/// Who may use the API of the NodeJS FaaS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KumoriAccess {
    /// Nobody: it does not answer.
    #[default]
    Off,
    /// Everybody on this machine.
    Open,
    /// Those who have a token.
    Token,
}

impl Default for JobServerSettings {
    fn default() -> Self {
        Self {
            workers: 32,
            open: Vec::new(),
            limits: JobLimits::default(),
            tenant: TenantLimits::default(),
            callbacks: CallbackSettings::default(),
            functions: false,
            pool: FunctionSettings::default(),
            kumori: KumoriAccess::Off,
            tenant_metrics: false,
        }
    }
}

/// Where callbacks may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallbackSettings {
    /// Hosts whose private addresses are allowed.
    pub allow: Vec<String>,
    /// Whether `http` is allowed.
    pub insecure: bool,
    /// Deliveries of one callback at most.
    pub attempts: u32,
}

impl Default for CallbackSettings {
    fn default() -> Self {
        Self { allow: Vec::new(), insecure: false, attempts: 10 }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {}: {why}", file.display())]
pub struct JobConfigError {
    pub file: PathBuf,
    pub why: String,
}

/// Reads the configuration in a folder.
pub fn read(folder: &Path) -> Result<JobServerConfig, JobConfigError> {
    let file = folder.join("config.json");
    let wrong = |why: String| JobConfigError { file: file.clone(), why };
    let text = std::fs::read(&file).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))
}
