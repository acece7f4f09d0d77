//! The command line.

mod call;
mod cluster;
mod dev;
mod logs;
mod recording;
mod value;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use call::{Invoke, Shell};
pub(crate) use cluster::{Export, Format, Goal, Push, Rollback};
pub(crate) use dev::{Dev, Limits, On};
pub(crate) use logs::Logs;
pub(crate) use recording::{Keep, Replay};

/// One Rust file becomes running services.
///
/// Mark functions with `#[service]`, chain them in main, and run the file with `dyn dev app.rs`.
#[derive(Debug, Parser)]
#[command(name = "dyn", version, about, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    done
  1    the app or a call of it is wrong; the message says where
  2    the command line is wrong
  3    this machine lacks something: run `dyn doctor`
  4    another session or push has the app
  5    `dyn replay` could compare nothing; the message says why
  130  interrupted before it was done";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a small app to start from
    New {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Read an app and say what is wrong with it
    Check {
        /// The app
        file: PathBuf,
        /// One JSON value on stdout: services, flow, diagnostics
        #[arg(long)]
        json: bool,
    },
    /// Show which service feeds which
    Graph {
        /// The app
        file: PathBuf,
        /// How to draw it
        #[arg(long, value_enum, default_value_t = Drawing::Text)]
        format: Drawing,
    },
    /// Build an app, run all of it here, serve it, until Ctrl-C
    Dev(Dev),
    /// Call one service: in the running session, or with what it needs started for this call
    Invoke(Invoke),
    /// Call functions of the running session by hand, or of one started for it; lines from a pipe work too
    Shell(Shell),
    /// How the running session does, or what runs on a cluster
    Status {
        /// The app
        file: PathBuf,
        /// All of it, as one JSON value
        #[arg(long)]
        json: bool,
        /// What runs on a cluster, and what somebody changed there
        #[arg(long)]
        cluster: bool,
        #[command(flatten)]
        goal: Goal,
    },
    /// What services of the running session wrote
    Logs(Logs),
    /// Events of the running session as JSON lines, and whatever comes
    Events {
        /// The app
        file: PathBuf,
        /// Only events after this number
        #[arg(long, default_value_t = 0, conflicts_with = "cluster")]
        after: u64,
        /// Of a cluster: which hosts there are, and what they measure, the last minutes first
        #[arg(long)]
        cluster: bool,
        #[command(flatten)]
        goal: Goal,
    },
    /// Run functions on recorded inputs, and say what they return otherwise: a regression test
    Replay(Replay),
    /// List recordings: requests, hops, size
    Recordings {
        /// The app
        file: PathBuf,
        /// One JSON value a line
        #[arg(long)]
        json: bool,
    },
    /// Save the requests the running session has in memory, or write recorded calls as a Rust test file
    Keep(Keep),
    /// Roll out on a cluster what changed since what runs there, without a failed request
    Push(Push),
    /// Put back what ran on a cluster before
    Rollback(Rollback),
    /// Edits here, pushes and rollbacks on a cluster, in one order, and what became of each
    History {
        /// The app
        file: PathBuf,
        /// One JSON value a line on stdout
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        goal: Goal,
    },
    /// Let pushes go to another cluster than before, where a context means another now
    Trust {
        /// The context
        context: String,
    },
    /// Remove an app from a cluster: what carries its labels, and nothing else
    Down {
        /// The app
        file: PathBuf,
        /// From a cluster; `dyn stop` ends what runs here
        #[arg(long, required = true)]
        cluster: bool,
        /// Without asking
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        goal: Goal,
    },
    /// End the session of an app and remove whatever it or a killed one left
    Stop {
        /// The app
        file: PathBuf,
    },
    /// Write the same services as a file for kubectl, Docker Compose or Marathon; images are built and put where it finds them
    Export(Export),
    /// Look at what this machine offers: toolchain, linker, engine, limits, disk
    Doctor {
        /// One JSON value on stdout
        #[arg(long)]
        json: bool,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Run functions again on recorded inputs: what a session starts to compare two versions
    #[command(hide = true)]
    ReplayWorker {
        /// Without the sandbox: of a function that says replay = true
        #[arg(long)]
        free: bool,
    },
    /// Run one service out of a folder: what processes and containers are started with
    #[command(hide = true)]
    Host {
        /// Folder with config.json and libraries
        folder: PathBuf,
        /// End when the parent process ends
        #[arg(long)]
        die_with_parent: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawing {
    /// For reading
    Text,
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
    /// For programs
    Json,
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
