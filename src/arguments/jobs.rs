//! Jobs of the running session.

mod functions;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::help;
pub(crate) use functions::JobFunctions;

/// Jobs of an app whose session was started with --jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum Jobs {
    /// Ask for a job: a call that survives a restart, and whose result is fetched later
    Run(JobsRun),
    /// List jobs, the oldest first
    List {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Only jobs in this state: queued, running, done, failed, cancelled, expired
        #[arg(long)]
        state: Option<String>,
        /// Print one JSON value
        #[arg(long)]
        json: bool,
    },
    /// Show a job with its attempts, as JSON
    Show {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Id of the job
        id: String,
    },
    /// Print the result of a job
    Result {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Id of the job
        id: String,
        /// Wait for its end
        #[arg(long)]
        wait: bool,
    },
    /// Cancel a job
    Cancel {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Id of the job
        id: String,
    },
    /// Queue a failed job again, or all of them
    Retry {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Id of the job
        #[arg(required_unless_present = "dead")]
        id: Option<String>,
        /// All failed jobs that nobody has looked after
        #[arg(long, conflicts_with = "id")]
        dead: bool,
    },
    /// List failed jobs that nobody has looked after, by service and kind
    Dead {
        #[arg(help = help::FILE)]
        file: PathBuf,
    },
    /// Bill the time that functions took, by tenant
    Usage {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Tell lines apart by these, joined by commas: service, version, day
        #[arg(long, default_value = "service,day")]
        by: String,
        /// Print CSV
        #[arg(long)]
        csv: bool,
    },
    /// Show slots, and jobs by tenant and state
    Status {
        #[arg(help = help::FILE)]
        file: PathBuf,
    },
    /// Add a tenant, or change its limits
    Tenant {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Name: small letters, digits and hyphens
        name: String,
        /// Limits as NAME=VALUE: weight, queued, running, rate, burst, daily, such as daily=1h
        limits: Vec<String>,
    },
    /// Make a token for a tenant, and print it
    Token {
        #[arg(help = help::FILE)]
        file: PathBuf,
        /// Name of the tenant
        tenant: String,
        /// Time after which it is refused, such as 90d [default: never]
        #[arg(long)]
        expires: Option<String>,
        /// Only these, joined by commas: jobs:write, jobs:read, functions, schedules, usage, metrics [default: all but metrics]
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<String>,
    },
    /// Register, show, list and remove functions in JavaScript that run as jobs
    #[command(subcommand)]
    Function(JobFunctions),
    /// Print the OpenAPI document of the HTTP API
    Openapi,
}

/// A job to ask for.
#[derive(Debug, Args)]
pub(crate) struct JobsRun {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Service to call, by its Rust name, or fn:NAME for a function [default: the flow's last]
    pub(crate) service: Option<String>,
    /// Inputs: NAME=JSON by name, or JSON in order; missing ones are fetched by the route
    pub(crate) inputs: Vec<String>,
    /// Answer with the same job where this key was used before
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Wait before it runs, such as 10s
    #[arg(long)]
    pub(crate) delay: Option<String>,
    /// Priority among the tenant's jobs, 0 to 9
    #[arg(long, default_value_t = 0)]
    pub(crate) priority: u8,
    /// Tenant that asks for it
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Wait for its end, and print its result
    #[arg(long)]
    pub(crate) wait: bool,
}

impl Jobs {
    /// The app's file.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Run(JobsRun { file, .. })
            | Self::List { file, .. }
            | Self::Show { file, .. }
            | Self::Result { file, .. }
            | Self::Cancel { file, .. }
            | Self::Retry { file, .. }
            | Self::Dead { file }
            | Self::Usage { file, .. }
            | Self::Status { file }
            | Self::Tenant { file, .. }
            | Self::Token { file, .. } => Some(file),
            Self::Function(act) => Some(act.file()),
            Self::Openapi => None,
        }
    }
}
