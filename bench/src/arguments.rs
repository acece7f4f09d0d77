//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::data::options::Data;
use crate::peers::Peer;

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
    /// starts: 4, 50 and 200 services of which nothing is kept, in groups and one by one;
    /// load: 100 edits under 32 connections;
    /// idle: memory and processor time of the session, memory of a host over its reloads;
    /// verdict: 50 recorded inputs of one function run again and compared, once an edit of it is live.
    #[command(verbatim_doc_comment)]
    Edits(Edits),
    /// What a hop costs, beside the floor and what one would put between functions instead
    ///
    /// hops: the chain of examples/building.rs on its backends, a raw TCP relay, no hops at all, an orchestrator with
    /// nginx and haproxy, the same with watchdogs, and redis, all in turn, at each number of connections;
    /// overhead: what the hosts' own spans say is neither function nor waiting;
    /// eighty: p99 beside p50 at four fifths of the most the chain answers;
    /// paper: its four load profiles in containers of one CPU and 256 MiB;
    /// crowd: more workers than are let in, and how soon it is over;
    /// lengths: chains of 1 to 32 services;
    /// sizes: payloads of 1 KiB to 8 MiB;
    /// idle: memory of 200 services that wait;
    /// soak: half load for long: memory and p99.
    #[command(verbatim_doc_comment)]
    Chain(Chain),
    /// Buckets in several places, beside rclone and JuiceFS (tests/testbed/stores rivals), and requests near their data
    ///
    /// small: 10,000 objects to an empty copy, and then nothing to do; series: 10 to 150 MB;
    /// visible: from a put to its copy, beside weed filer.sync; deletes: the last copy gone;
    /// bytes: what is read from the master for two copies; memory: a million objects known, large ones copied;
    /// chain: a chain with places; tables: places that change under load, and caddy: its routes; near: data in reach beside data far away.
    #[command(verbatim_doc_comment)]
    Data(Data),
    /// Durable jobs over HTTP, beside bullmq, pg-boss, graphile-worker and celery (bench/install installs them)
    ///
    /// rates: accepted and done a second, and asked to done when idle, all in turn;
    /// million: 1,000,000 jobs that wait;
    /// flood: one tenant's wait beside another's flood;
    /// weights: function time of two tenants at 2:1;
    /// bill: the bill beside what functions say of themselves, while the job server is killed;
    /// plain: the chain without jobs;
    /// script: a function in JavaScript;
    /// scale: the policies of the pool of functions, in virtual time.
    #[command(verbatim_doc_comment)]
    Jobs(Jobs),
    /// Nodes that share load (as root: each is a network namespace of this machine, tests/testbed/nodes)
    ///
    /// chain: a request at a node that shares nothing, with its agent over without;
    /// away: a request that another node serves, over asking that node and over two proxies, and 10,000 that do not fit;
    /// idle: memory and processor time of an agent with eight neighbours;
    /// bytes: what each node of a quiet fleet sends, in virtual time;
    /// admission: one decision of a host, and one of a strategy;
    /// simulated: the three tests that DFaaS published, and a thousand nodes, in virtual time;
    /// published: the three tests as real requests.
    #[command(verbatim_doc_comment)]
    Nodes(Nodes),
    /// What the page in a browser takes of the session: bytes, processor time, files
    ///
    /// Four services and many, all busy: bytes to a page beside whole snapshots; processor time of the session without a
    /// page, with one, and with eight of which seven are hidden, all in turn; a search; the page's files; a tab of a
    /// browser: figures, clicks, events, hidden, for minutes.
    #[command(verbatim_doc_comment)]
    Page(Page),
    /// From the word to push to the rollout's end, on the cluster for tests (tests/testbed/kubernetes up 2)
    ///
    /// One changed service of examples/building.rs under 50 requests a second, beside `kubectl apply` of the exported
    /// files in turn; then another type between two services; then nothing at all.
    #[command(verbatim_doc_comment)]
    Push(Push),
    /// All of the above, one table and one JSON
    All(All),
    /// What the others start
    #[command(subcommand, hide = true)]
    Peer(Peer),
}

#[derive(Debug, Args)]
pub(crate) struct Chain {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Set::ALL)]
    pub(crate) only: Vec<Set>,
    /// Where services run
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [On::Process, On::Docker])]
    pub(crate) on: Vec<On>,
    /// How often everything that is compared has its turn
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Seconds of a turn; a fifth more is not counted
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Connections of a load
    #[arg(long, value_delimiter = ',', default_values_t = [1, 5, 10, 32, 50], value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) connections: Vec<u32>,
    /// Only this shape, of those the hops are compared in; may be given again [default: all]
    #[arg(long = "shape", value_name = "NAME")]
    pub(crate) shapes: Vec<String>,
    /// Requests of each of the paper's profiles
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) readings: u64,
    /// Workers that are too many
    #[arg(long, value_delimiter = ',', default_values_t = [500, 1000], value_parser = clap::value_parser!(u32).range(1..=3000))]
    pub(crate) crowd: Vec<u32>,
    /// Services that wait
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) idle: u32,
    /// Minutes of the soak
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    pub(crate) minutes: f64,
    /// The `dyn` to measure [default: this workspace's, in the profile this bench was built in]
    #[arg(long = "dyn", value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    /// Where the JSON goes [default: target/bench/chain.json]
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// End with an exit code of 1 where a target is missed, not only where something fails
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct All {
    /// Minutes of the soak
    #[arg(long, default_value_t = 30.0, value_parser = seconds)]
    pub(crate) minutes: f64,
    /// Edits of each kind
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// End with an exit code of 1 where a target is missed, not only where something fails
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Jobs {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = JobPart::ALL)]
    pub(crate) only: Vec<JobPart>,
    /// How often everything that is compared has its turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Seconds of a turn
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Jobs that wait and are then done, in each turn
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) jobs: u32,
    /// Jobs that are very many
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    pub(crate) queued: u32,
    /// Connections of the flood
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) flood: u32,
    /// Jobs of the quiet tenant, without the flood and with it
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) samples: u32,
    /// Seconds of the tenants at 2:1
    #[arg(long, default_value_t = 30.0, value_parser = seconds)]
    pub(crate) weights: f64,
    /// Calls on the bill
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    pub(crate) calls: u32,
    /// A `dyn` that was built without the feature `jobs`, for the chain without jobs
    #[arg(long, value_name = "PATH")]
    pub(crate) without: Option<PathBuf>,
    /// The `dyn` to measure [default: this workspace's, in the profile this bench was built in]
    #[arg(long = "dyn", value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    /// Where the JSON goes [default: target/bench/jobs.json]
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// End with an exit code of 1 where a target is missed, not only where something fails
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Page {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = PagePart::ALL)]
    pub(crate) only: Vec<PagePart>,
    /// Services that are many
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(5..=250))]
    pub(crate) services: u32,
    /// Requests a second, each through every service
    #[arg(long, default_value_t = 20.0, value_parser = seconds)]
    pub(crate) pace: f64,
    /// How often everything that is compared has its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Seconds of a turn
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Minutes that a tab is open before its heap is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=600))]
    pub(crate) tab_minutes: u32,
    /// The `dyn` to measure [default: this workspace's, in the profile this bench was built in]
    #[arg(long = "dyn", value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    /// Where the JSON goes [default: target/bench/page.json]
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// End with an exit code of 1 where a target is missed, not only where something fails
    #[arg(long)]
    pub(crate) strict: bool,
}

/// A group of rows about the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PagePart {
    /// Latency of many services over a day, in virtual time
    History,
    /// Places of many services in a drawing
    Layout,
    /// Sockets of pages of four services; the page's files
    Few,
    /// Sockets of pages of many services
    Many,
    /// A session with the page, none open, beside one without
    Closed,
    /// A tab of a browser, and a session kept in a file
    Tab,
    /// From an event to its picture in a tab, quiet and busy
    Events,
    /// A tab that nobody sees
    Hidden,
}

impl PagePart {
    /// History first: memory that others let go of would be taken for its own.
    pub(crate) const ALL: [Self; 8] =
        [Self::History, Self::Layout, Self::Few, Self::Many, Self::Closed, Self::Tab, Self::Events, Self::Hidden];
}

/// A group of rows about jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum JobPart {
    /// Accepted, done, idle, beside the peers
    Rates,
    /// Very many that wait
    Million,
    /// One tenant beside another's flood
    Flood,
    /// Function time at 2:1
    Weights,
    /// The bill beside what functions say
    Bill,
    /// The chain without jobs
    Plain,
    /// JavaScript
    Script,
    /// Policies in virtual time
    Scale,
}

impl JobPart {
    pub(crate) const ALL: [Self; 8] =
        [Self::Rates, Self::Million, Self::Flood, Self::Weights, Self::Bill, Self::Plain, Self::Script, Self::Scale];
}

#[derive(Debug, Args)]
pub(crate) struct Nodes {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = NodePart::ALL)]
    pub(crate) only: Vec<NodePart>,
    /// How often everything that is compared has its turn
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Seconds of a turn
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Sizes of the fleets whose bytes are counted
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1000], value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub(crate) sizes: Vec<u32>,
    /// The published tests run in their time divided by this
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) part: u32,
    /// The `dyn` to measure [default: this workspace's, in the profile this bench was built in]
    #[arg(long = "dyn", value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    /// Where the JSON goes [default: target/bench/nodes.json]
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// End with an exit code of 1 where a target is missed, not only where something fails
    #[arg(long)]
    pub(crate) strict: bool,
}

/// A group of rows about nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NodePart {
    /// With an agent and nothing shared
    Chain,
    /// Served by another node
    Away,
    /// An agent that waits
    Idle,
    /// A link that is cut and mended
    Cut,
    /// Bytes of quiet fleets
    Bytes,
    /// One decision
    Admission,
    /// Published tests and a thousand nodes in virtual time
    Simulated,
    /// Published tests as real requests
    Published,
}

impl NodePart {
    pub(crate) const ALL: [Self; 8] = [
        Self::Chain,
        Self::Away,
        Self::Idle,
        Self::Cut,
        Self::Bytes,
        Self::Admission,
        Self::Simulated,
        Self::Published,
    ];

    /// Whether all of it runs in this process.
    pub(crate) fn is_within(self) -> bool {
        matches!(self, Self::Bytes | Self::Admission | Self::Simulated)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// Pushes of each kind
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// Pushes of another type between two services
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) types: u32,
    /// The `dyn` to measure [default: this workspace's, in the profile this bench was built in]
    #[arg(long = "dyn", value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    /// Where the JSON goes [default: target/bench/push.json]
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// End with an exit code of 1 where a target is missed, not only where something fails
    #[arg(long)]
    pub(crate) strict: bool,
}

/// A group of rows about the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Set {
    /// The chain beside the floor and its peers
    Hops,
    /// Our own work in a hop
    Overhead,
    /// At four fifths of the most
    Eighty,
    /// The paper's load profiles
    Paper,
    /// More workers than are let in
    Crowd,
    /// 1 to 32 services
    Lengths,
    /// 1 KiB to 8 MiB
    Sizes,
    /// 200 services that wait
    Idle,
    /// Services that move under load
    Moves,
    /// Three hosts of one service
    Instances,
    /// Half load for long
    Soak,
}

impl Set {
    pub(crate) const ALL: [Self; 11] = [
        Self::Hops,
        Self::Overhead,
        Self::Eighty,
        Self::Paper,
        Self::Crowd,
        Self::Lengths,
        Self::Sizes,
        Self::Idle,
        Self::Moves,
        Self::Instances,
        Self::Soak,
    ];
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.01..=10_000.0).contains(&number) => Ok(number),
        _ => Err("a number from 0.01 to 10000".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Edits {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Body, Part::Kinds, Part::Large, Part::Starts, Part::Load, Part::Idle, Part::Verdict])]
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
    /// Starts of 4, 50 and 200 services
    Starts,
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
