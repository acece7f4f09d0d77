//! Arguments of `dyn debug`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::help;

/// Which service, and by which debugger.
#[derive(Debug, Args)]
pub(crate) struct Debug {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Service to debug
    pub(crate) service: String,
    /// Run the debugger instead of printing its command
    #[arg(long)]
    pub(crate) attach: bool,
    /// Debugger [default: lldb, or gdb where there is none]
    #[arg(long, value_enum)]
    pub(crate) with: Option<Debugger>,
    /// More arguments for the debugger
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Debugger {
    /// GNU's debugger
    Gdb,
    /// LLVM's debugger
    Lldb,
}
