//! The command line.

mod call;
mod cluster;
#[cfg(feature = "data")]
mod data;
mod debug;
mod dev;
mod file;
mod help;
mod interface;
#[cfg(feature = "jobs")]
mod jobs;
mod logs;
mod new;
mod node;
mod page;
mod recording;
mod regroup;
mod simulate;
mod value;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use call::{Call, Invoke, Shell};
#[cfg(feature = "cluster")]
pub(crate) use cluster::Format;
pub(crate) use cluster::{Cluster, Export, Goal, Push, Rollback};
#[cfg(feature = "data")]
pub(crate) use data::{Data, DataAct, EndpointAct, RouteAct};
pub(crate) use debug::{Debug, Debugger};
pub(crate) use dev::{Dev, Limits, On};
pub(crate) use file::{Refusal, read};
pub(crate) use help::command;
pub(crate) use interface::{Client, Lang, OpenApi, Spec};
#[cfg(feature = "jobs")]
pub(crate) use jobs::{JobFunctions, Jobs, JobsRun};
pub(crate) use logs::Logs;
pub(crate) use new::New;
pub(crate) use node::{Node, Nodes};
#[cfg(feature = "nodes")]
pub(crate) use node::{NodeOn, NodeUp};
pub(crate) use page::{Bundle, PageChoice, Ui};
pub(crate) use recording::{Keep, Replay};
pub(crate) use regroup::{Fuse, Split};
#[cfg(feature = "nodes")]
pub(crate) use simulate::By;
pub(crate) use simulate::Simulate;

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "dyn", version)]
pub(crate) struct Arguments {
    /// Log more, to stderr or the app's folder; -vv logs everything (DYN_LOG sets levels by crate)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a package to start from, or one file
    New(New),
    /// Write rust-project.json, by which rust-analyzer knows a file without a package
    Ide {
        #[arg(help = help::FILE)]
        file: PathBuf,
    },
    /// Check an app and list its diagnostics
    Check {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Print one JSON value: services, flow, diagnostics
        #[arg(long)]
        json: bool,
    },
    /// Draw which service feeds which
    Graph {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Format of the drawing
        #[arg(long, value_enum, default_value_t = Drawing::Text)]
        format: Drawing,
    },
    /// Build an app, run its services here, and reload them at every save
    Dev(Dev),
    /// Open the page of the running session in a browser
    Ui(Ui),
    /// Write the running session to one HTML file, which opens without it and without a network
    Bundle(Bundle),
    /// Call one service, in the running session or in one started for the call
    Invoke(Invoke),
    /// Open a shell that calls single functions; lines from a pipe work too
    Shell(Shell),
    /// Show services, versions, and latencies of the running session
    Status {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Print one JSON value
        #[arg(long)]
        json: bool,
    },
    /// Move services of the running session into one host: calls between them cross no process
    Fuse(Fuse),
    /// Move services of the running session into hosts of their own
    Split(Split),
    /// Print the command that attaches a debugger to a service of a session with --debug
    Debug(Debug),
    /// Print the log lines of services
    Logs(Logs),
    /// Stream events of the running session as JSON lines
    Events {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Skip events up to this number
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Replay a recording and compare what functions return: a regression test
    Replay(Replay),
    /// List recordings with requests, hops, and size
    Recordings {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Print one JSON value a line
        #[arg(long)]
        json: bool,
    },
    /// Save the requests that the running session has in memory, or turn a recording into Rust tests
    Keep(Keep),
    /// Push changed services to a cluster, by rolling updates without failed requests
    Push(Push),
    /// Roll back to what ran on a cluster before
    Rollback(Rollback),
    /// List edits, pushes, and rollbacks with their outcome
    History {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Print one JSON value a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        goal: Goal,
    },
    /// Allow pushes to the cluster that a context names now
    Trust {
        /// Context of the kubeconfig
        context: String,
    },
    /// Look at an app on a cluster, call it, or remove it
    #[command(subcommand)]
    Cluster(Cluster),
    /// Make this machine a node of a fleet that shares load, and run it
    #[command(subcommand)]
    Node(Node),
    /// Show the nodes of the fleet, and who serves what
    Nodes(Nodes),
    /// Simulate nodes that share load, in virtual time
    Simulate(Simulate),
    /// Keep buckets of objects at several stores, and look at them
    #[cfg(feature = "data")]
    Data(Data),
    /// Ask for jobs of the running session, and look at them
    #[cfg(feature = "jobs")]
    #[command(subcommand)]
    Jobs(Jobs),
    /// Stop the session of an app and remove what it left
    Stop {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Remove the data of the app's resources, too: databases, for example
        #[arg(long)]
        data: bool,
    },
    /// Export services for kubectl, Docker Compose, or Marathon
    Export(Export),
    /// Remove what can be built anew: libraries, dependencies, images, folders of ended sessions
    Clean {
        /// Remove what is remembered, too: timelines, undone texts, pinned clusters
        #[arg(long)]
        all: bool,
        /// Skip the confirmation prompt
        #[arg(long)]
        yes: bool,
    },
    /// Check this machine: toolchain, linker, engine, limits, disk
    Doctor {
        /// Print one JSON value
        #[arg(long)]
        json: bool,
    },
    /// Print the OpenAPI document of the app, or of one service
    #[command(name = "openapi")]
    OpenApi(OpenApi),
    /// Print a typed client of the app's services
    Client(Client),
    /// Serve the running session to coding agents (Model Context Protocol, over stdin and stdout)
    Mcp {
        #[arg(help = help::FILE)]
        file: PathBuf,
    },
    /// Print the JSON schema of dyn.toml, for an editor
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// Shell to complete in
        shell: clap_complete::Shell,
    },
    /// Run functions again on recorded inputs: what a session starts to compare two versions
    #[command(hide = true)]
    ReplayWorker {
        /// Without the sandbox: of a function that says replay = true
        #[arg(long)]
        free: bool,
        /// Read hidden variables from standard input first
        #[arg(long)]
        environment: bool,
        /// Folder whose shared objects the loader was told of
        #[arg(long, value_name = "FOLDER")]
        objects: Option<PathBuf>,
    },
    /// Run functions of strangers as standard input asks, in a jail: what the pool of functions starts
    #[cfg(feature = "jobs")]
    #[command(hide = true)]
    Sandbox {
        /// Bytes of memory that one run may have
        memory: u64,
    },
    /// Run the job server of a session out of a folder
    #[cfg(feature = "jobs")]
    #[command(hide = true)]
    JobServer {
        /// Folder with config.json
        folder: PathBuf,
        /// End when the parent process ends
        #[arg(long)]
        die_with_parent: bool,
    },
    /// Run services out of folders: what processes and containers are started with
    #[command(hide = true)]
    Host {
        /// Folders with config.json and libraries, one a service
        #[arg(required = true, value_name = "FOLDER")]
        folders: Vec<PathBuf>,
        /// End when the parent process ends
        #[arg(long)]
        die_with_parent: bool,
        /// Let a debugger of the same user attach
        #[arg(long)]
        debug: bool,
        /// Mark lines with the service that writes them, where there are several
        #[arg(long)]
        mark_lines: bool,
        /// Read hidden variables from standard input first
        #[arg(long)]
        environment: bool,
    },
}

impl Command {
    /// The app's file, for a command that has one.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Check { file, .. }
            | Self::Graph { file, .. }
            | Self::Status { file, .. }
            | Self::Events { file, .. }
            | Self::Recordings { file, .. }
            | Self::History { file, .. }
            | Self::Stop { file, .. }
            | Self::Ide { file }
            | Self::Mcp { file }
            | Self::Dev(Dev { file, .. })
            | Self::Ui(Ui { file, .. })
            | Self::Bundle(Bundle { file, .. })
            | Self::Debug(Debug { file, .. })
            | Self::Fuse(Fuse { file, .. })
            | Self::Split(Split { file, .. })
            | Self::Invoke(Invoke { call: Call { file, .. }, .. })
            | Self::Shell(Shell { file, .. })
            | Self::Logs(Logs { file, .. })
            | Self::Replay(Replay { file, .. })
            | Self::Keep(Keep { file, .. })
            | Self::Push(Push { file, .. })
            | Self::Rollback(Rollback { file, .. })
            | Self::OpenApi(OpenApi { file, .. })
            | Self::Client(Client { file, .. })
            | Self::Export(Export { file, .. }) => Some(file),
            Self::Cluster(cluster) => Some(cluster.file()),
            #[cfg(feature = "jobs")]
            Self::Jobs(jobs) => jobs.file(),
            Self::New { .. }
            | Self::Trust { .. }
            | Self::Clean { .. }
            | Self::Doctor { .. }
            | Self::Schema
            | Self::Completions { .. }
            | Self::Node(_)
            | Self::Nodes(_)
            | Self::Simulate(_)
            | Self::ReplayWorker { .. }
            | Self::Host { .. } => None,
            #[cfg(feature = "data")]
            Self::Data(_) => None,
            #[cfg(feature = "jobs")]
            Self::Sandbox { .. } | Self::JobServer { .. } => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawing {
    /// Text for a terminal
    Text,
    /// Mermaid, as Markdown shows it
    Mermaid,
    /// DOT, as Graphviz reads it
    Dot,
    /// JSON
    Json,
}
