//! What goes to a cluster, or stays a file for one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::call::Call;
use super::{Logs, help};

/// Which cluster is meant, as `kubectl` is told.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct Goal {
    /// Context of the kubeconfig [default: the current one]
    #[arg(long)]
    pub(crate) context: Option<String>,
    /// Namespace [default: the context's]
    #[arg(long)]
    pub(crate) namespace: Option<String>,
}

/// An app on a cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Cluster {
    /// Show versions, pods, and fields that others changed
    Status {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Print one JSON value
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        goal: Goal,
    },
    /// Print the log lines of pods
    Logs(PodLogs),
    /// Stream hosts and their measurements as JSON lines, the last minutes first
    Events {
        #[arg(help = help::FILE)]
        file: PathBuf,
        #[command(flatten)]
        goal: Goal,
    },
    /// Call one service through the API server
    Invoke {
        #[command(flatten)]
        call: Call,
        #[command(flatten)]
        goal: Goal,
    },
    /// Remove an app: the objects that carry its labels
    Down {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Skip the confirmation prompt
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        goal: Goal,
    },
}

impl Cluster {
    /// The app's file.
    pub(super) fn file(&self) -> &Path {
        match self {
            Self::Status { file, .. }
            | Self::Logs(PodLogs { logs: Logs { file, .. }, .. })
            | Self::Events { file, .. }
            | Self::Invoke { call: Call { file, .. }, .. }
            | Self::Down { file, .. } => file,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PodLogs {
    #[command(flatten)]
    pub(crate) logs: Logs,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Services to push, with those that share their pods; others stay as they run [default: all that changed]
    pub(crate) services: Vec<String>,
    /// Push to nodes of the fleet, or to all, instead of a cluster
    #[arg(long, value_name = "NODE", value_delimiter = ',', help_heading = "Nodes")]
    pub(crate) to: Vec<String>,
    /// Invitation by which the namespace joins a fleet, once, where dyn.toml makes it a node
    #[arg(long, value_name = "TOKEN", conflicts_with = "to", help_heading = "Nodes")]
    pub(crate) join: Option<String>,
    /// Push neighbours that would not understand a named service, too
    #[arg(long, requires = "services")]
    pub(crate) with_dependents: bool,
    /// Print the plan and change nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Skip the confirmation prompt
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print one JSON value a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Take over fields that others set
    #[arg(long)]
    pub(crate) force: bool,
    /// Remove services that are no longer part of the app
    #[arg(long)]
    pub(crate) remove: bool,
    /// Time limit of a service's roll, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) deadline: u64,
    /// Registry for images, as host, host:port or host:port/folder [default: found by itself]
    #[arg(long, help_heading = "Images")]
    pub(crate) registry: Option<String>,
    /// Serve images to the nodes from this machine, without a registry
    #[arg(long, conflicts_with = "registry", help_heading = "Images")]
    pub(crate) serve: bool,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Service to roll back [default: all]
    pub(crate) service: Option<String>,
    /// Number of the push to go back to [default: the one before]
    #[arg(long)]
    pub(crate) to: Option<u32>,
    /// Skip the confirmation prompt
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print one JSON value a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Program that reads the export
    #[arg(long, value_enum)]
    pub(crate) format: Format,
    /// Registry for images, as host, host:port or host:port/folder [default: that of dyn.toml; for compose, the local engine]
    #[arg(long)]
    pub(crate) registry: Option<String>,
    /// File to write [default: stdout]
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// kubectl apply
    Kubernetes,
    /// docker compose up
    Compose,
    /// Marathon's /v2/groups
    Marathon,
}
