//! Functions of tenants.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::arguments::help;

/// Functions in JavaScript that run as jobs; `functions = true` in dyn.toml turns them on.
#[derive(Debug, Subcommand)]
pub(crate) enum JobFunctions {
    /// Register a function, or replace it
    Put {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Name: letters, digits, _ and -
        name: String,
        /// File with one function in JavaScript
        source: PathBuf,
        /// Time of an attempt, such as 30s [default: that of its jobs]
        #[arg(long)]
        timeout: Option<String>,
        /// Memory of a run, such as 64MiB [default: the most that the server allows]
        #[arg(long)]
        memory: Option<String>,
        /// Attempts of its jobs [default: that of its jobs]
        #[arg(long)]
        attempts: Option<u32>,
        /// Tenant that it is for
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Print the source of a function
    Source {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Name of the function
        name: String,
        /// One of its latest five versions, such as add@1f3a9c02 [default: the one that runs]
        #[arg(long)]
        version: Option<String>,
        /// Tenant that it is for
        #[arg(long)]
        tenant: Option<String>,
    },
    /// List functions
    List {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Only those of this tenant
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Remove a function; its queued jobs fail
    Remove {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Name of the function
        name: String,
        /// Tenant that it is for
        #[arg(long)]
        tenant: Option<String>,
    },
}

impl JobFunctions {
    pub(super) fn file(&self) -> &Path {
        match self {
            Self::Put { file, .. }
            | Self::Source { file, .. }
            | Self::List { file, .. }
            | Self::Remove { file, .. } => file,
        }
    }
}
