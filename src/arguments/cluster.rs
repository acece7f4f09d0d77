//! What goes to a cluster, or stays a file for one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which cluster is meant, as `kubectl` is told.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Goal {
    /// Context of the kubeconfig [default: the current one]
    #[arg(long)]
    pub(crate) context: Option<String>,
    /// Namespace [default: the context's]
    #[arg(long)]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The app
    pub(crate) file: PathBuf,
    /// These services alone; others stay as they run
    pub(crate) services: Vec<String>,
    /// Neighbours that would not understand a named service come along
    #[arg(long, requires = "services")]
    pub(crate) with_dependents: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// One JSON value a line on stdout
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) goal: Goal,
    /// Registry images go through, as host, host:port or host:port/folder [default: whatever way there is]
    #[arg(long)]
    pub(crate) registry: Option<String>,
    /// No registry: serve the images from here to the nodes while they are rolled out
    #[arg(long, conflicts_with = "registry")]
    pub(crate) serve: bool,
    /// Take over fields that others set
    #[arg(long)]
    pub(crate) force: bool,
    /// Remove services that are no more part of the app
    #[arg(long)]
    pub(crate) remove: bool,
    /// Seconds the roll of a service may take
    #[arg(long, default_value_t = 120)]
    pub(crate) deadline: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The app
    pub(crate) file: PathBuf,
    /// One service alone
    pub(crate) service: Option<String>,
    /// The push to go back to, by its number [default: the one before]
    #[arg(long)]
    pub(crate) to: Option<u32>,
    /// Without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// One JSON value a line on stdout
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The app
    pub(crate) file: PathBuf,
    /// What is to read the file
    #[arg(long, value_enum)]
    pub(crate) format: Format,
    /// Registry the images are put into, as host, host:port or host:port/folder [default: that of dyn.toml; for compose, Docker's engine here]
    #[arg(long)]
    pub(crate) registry: Option<String>,
    /// The file to write [default: stdout]
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For kubectl apply
    Kubernetes,
    /// For docker compose up
    Compose,
    /// For Marathon's /v2/groups
    Marathon,
}
