//! What `bench data` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::arguments::seconds;

#[derive(Debug, Args)]
pub(crate) struct Data {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = DataPart::ALL)]
    pub(crate) only: Vec<DataPart>,
    /// How often everything that is compared has its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Small objects of a bucket
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub(crate) objects: u32,
    /// Bytes of each object of the series: each of its sizes is so many of them
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1_000..=100_000_000))]
    pub(crate) piece: u32,
    /// Sizes of the series, in objects
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(2..=100))]
    pub(crate) sizes: u32,
    /// Puts whose copies are waited for, in each turn
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub(crate) puts: u32,
    /// Puts a second
    #[arg(long, default_value_t = 50.0, value_parser = seconds)]
    pub(crate) pace: f64,
    /// Objects that are deleted at once
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) deletes: u32,
    /// Objects that are very many
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub(crate) known: u32,
    /// Seconds of a turn of requests
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Seconds of each pace of changes
    #[arg(long, default_value_t = 60.0, value_parser = seconds)]
    pub(crate) changing: f64,
    /// A `dyn` that was built without the feature `data`, for the chain without buckets
    #[arg(long, value_name = "PATH")]
    pub(crate) without: Option<PathBuf>,
    /// The `dyn` to measure [default: this workspace's, in the profile this bench was built in]
    #[arg(long = "dyn", value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    /// Where the JSON goes [default: target/bench/data.json]
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// End with an exit code of 1 where a target is missed, not only where something fails
    #[arg(long)]
    pub(crate) strict: bool,
}

/// A group of rows about data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataPart {
    /// Many small objects to an empty copy, and then nothing to do
    Small,
    /// Sizes of a bucket in a series
    Series,
    /// From a put to its copy
    Visible,
    /// Many deletes
    Deletes,
    /// Bytes that are read from the master
    Bytes,
    /// Memory of the server
    Memory,
    /// Requests of a chain with places
    Chain,
    /// Tables that change under load
    Tables,
    /// Caddy with routes by header
    Caddy,
    /// Policies of the door
    Policies,
    /// Functions near their data
    Near,
}

impl DataPart {
    pub(crate) const ALL: [Self; 11] = [
        Self::Small,
        Self::Series,
        Self::Visible,
        Self::Deletes,
        Self::Bytes,
        Self::Memory,
        Self::Chain,
        Self::Tables,
        Self::Caddy,
        Self::Policies,
        Self::Near,
    ];
}
