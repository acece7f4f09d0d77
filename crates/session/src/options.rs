//! What a session is started with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use local_cluster::On;
use session_api::command::Goal;

use crate::jobs::QueuedJobs;
use crate::placement::Together;
use crate::store::home::Home;

/// What a session is started with.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The app.
    pub file: PathBuf,
    /// Where builds and run folders live.
    pub home: Home,
    /// The program that runs a service: `dyn` itself.
    pub host: PathBuf,
    /// Where to run services.
    pub on: On,
    /// Where the last service answers.
    pub front: PublicPort,
    /// Which services share a host; none: as `dyn.toml` says.
    pub together: Option<Together>,
    /// Hosts that each of these services has; of others as `dyn.toml` says, or one.
    pub instances: BTreeMap<String, u32>,
    /// CPUs a service may use.
    pub cpus: Option<f64>,
    /// Memory a service may use, in bytes.
    pub memory: Option<u64>,
    /// Names of this machine that callers may use for the services, besides addresses, `localhost` and those of services.
    pub names: BTreeSet<String>,
    pub requests: protocol::Limits,
    /// Build services for a debugger, and wait for a host that one holds.
    pub debug: bool,
    /// How many services one call of rustc compiles at a start, instead of what suits the machine.
    pub groups_of: Option<usize>,
    /// Follow the files and take edits over.
    pub watch: bool,
    /// A start that is broken waits to be mended, instead of ending the session.
    pub waits: bool,
    pub recording: RecordingOptions,
    /// The cluster that is meant where a push or rollback names none.
    pub goal: Goal,
    /// The choice for an edit that does not read jobs that wait.
    pub queued_jobs: QueuedJobs,
    /// Only these services, by Rust name; none: all.
    pub only: Option<BTreeSet<String>>,
}

/// What is recorded of requests: the last of them in memory, in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingOptions {
    /// Write them to a folder from the start on: of this name, or of the first that is free.
    pub record: Option<Option<String>>,
    /// Fields that are blanked before anything is kept: JSON pointers, or names.
    pub redact: Vec<String>,
    /// Fields that are left out of comparisons: JSON pointers, or names.
    pub ignore: Vec<String>,
}

/// Where the chain's last service answers on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicPort {
    /// This port or none.
    Fixed(u16),
    /// This port where it is free, else a free one, and say so.
    Prefer(u16),
    Free,
}
