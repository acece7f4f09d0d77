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
            Self::Put { file, .. } | Self::List { file, .. } | Self::Remove { file, .. } => file,
        }
    }
}
