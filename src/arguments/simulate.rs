//! Arguments of `dyn simulate`.

use clap::{Args, ValueEnum};

/// What is simulated, and how.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// dfaas-1, dfaas-2, dfaas-3, erdos-renyi, a TOML file, or an instance file of DFaaS' framework (.json)
    pub(crate) scenario: String,
    /// Strategies to compare, separated by commas [default: the scenario's, or offer and its alternatives]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) strategy: Vec<String>,
    /// Period of strategies that go by the clock, such as 60s
    #[arg(long)]
    pub(crate) period: Option<String>,
    /// Nodes of erdos-renyi [default: 10]
    #[arg(long)]
    pub(crate) nodes: Option<usize>,
    /// Chance of each edge of erdos-renyi [default: 0.1]
    #[arg(long, value_name = "CHANCE")]
    pub(crate) edge: Option<f64>,
    /// Percentage of overloaded nodes of erdos-renyi [default: 60]
    #[arg(long, value_name = "PERCENT")]
    pub(crate) overloaded: Option<f64>,
    /// Seed of everything that is drawn at random
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Runs; each begins at another part of the period
    #[arg(long)]
    pub(crate) repeat: Option<u32>,
    /// Length of a step [default: second; instant for erdos-renyi and instance files]
    #[arg(long, value_enum)]
    pub(crate) by: Option<By>,
    /// URL of the model that the strategy remote asks
    #[arg(long, value_name = "URL")]
    pub(crate) model: Option<String>,
    /// Print one JSON value
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Decisions, reports, and load second by second
    Second,
    /// One look a minute, once all nodes have decided
    Instant,
}
