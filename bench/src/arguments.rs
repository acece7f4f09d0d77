//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures Dyninka from outside, beside what a user would pick instead; a table on stdout, JSON in target/bench.
#[derive(Debug, Parser)]
#[command(name = "bench", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// From a save to the first answer of the new code
    ///
    /// body: one function of examples/building.rs, beside the same edit of four axum binaries with cargo build and a
    /// restart (process, docker) and under bacon, cargo-watch, watchexec and dx where installed, all in turn;
    /// kinds: a broken edit, a comment, an undo;
    /// large: one function of 200 services in 10,000 lines;
    /// load: 100 edits under 32 connections;
    /// idle: memory and processor time of the session, memory of a host over its reloads;
    /// verdict: 50 recorded inputs of one function run again and compared, once an edit of it is live.
    #[command(verbatim_doc_comment)]
    Edits(Edits),
}

#[derive(Debug, Args)]
pub(crate) struct Edits {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Body, Part::Kinds, Part::Large, Part::Load, Part::Idle, Part::Verdict])]
    pub(crate) only: Vec<Part>,
    /// Where services run
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [On::Process, On::Docker])]
    pub(crate) on: Vec<On>,
    /// Edits of each kind
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// Edits under load, and of the idle session between its two looks
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) many: u32,
    /// Connections of the load
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,
    /// The `dyn` to measure [default: this workspace's, in the profile this bench was built in]
    #[arg(long = "dyn", value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    /// Where the JSON goes
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// End with an exit code of 1 where a target is missed, not only where something fails
    #[arg(long)]
    pub(crate) strict: bool,
}

/// A group of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// One function's body, beside the peers
    Body,
    /// Broken, comment, undo
    Kinds,
    /// 200 services in 10,000 lines
    Large,
    /// Edits under load
    Load,
    /// What a session costs that waits
    Idle,
    /// Recorded inputs, run on the code before and on the new code
    Verdict,
}

/// Where services run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    /// A process for each service
    Process,
    /// A container for each service
    Docker,
}

impl On {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
