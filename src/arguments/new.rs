//! Arguments of `dyn new`.

use std::path::PathBuf;

use clap::Args;

use crate::command::new::Template;

/// What to create, and of what.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// Folder of the package to create, or a file that ends in .rs
    #[arg(required_unless_present = "list")]
    pub(crate) path: Option<PathBuf>,
    /// Template of the app
    #[arg(long, value_enum, default_value_t = Template::Minimal)]
    pub(crate) template: Template,
    /// List the templates
    #[arg(long)]
    pub(crate) list: bool,
    /// Depend on the runtime of crates.io instead of the one that dyn carries
    #[arg(long)]
    pub(crate) published: bool,
}
