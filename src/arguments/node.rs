//! Arguments of `dyn node` and `dyn nodes`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// A node of a fleet: machines that share load.
#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Begin a fleet, with this machine as its first node
    Init {
        /// Name of the fleet
        #[arg(long, default_value = "fleet")]
        fleet: String,
        /// Name of this node [default: the machine's]
        #[arg(long)]
        name: Option<String>,
        /// Label of this node, as KEY=VALUE
        #[arg(long, value_name = "KEY=VALUE")]
        label: Vec<String>,
    },
    /// Print an invitation for another machine
    Invite {
        /// Machines that may join by it
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// How long it is valid
        #[arg(long = "for", value_name = "TIME", default_value = "1h")]
        time: String,
        /// Invite an operator, who may push apps, and no node
        #[arg(long)]
        operator: bool,
    },
    /// Join a fleet by an invitation
    Join {
        /// What `dyn node invite` printed
        token: String,
        /// Name of this node [default: the machine's]
        #[arg(long)]
        name: Option<String>,
        /// Label of this node, as KEY=VALUE
        #[arg(long, value_name = "KEY=VALUE")]
        label: Vec<String>,
    },
    /// Run this node, until Ctrl-C or `dyn node down`
    Up(NodeUp),
    /// Stop this node, after a goodbye to the others
    Down,
    /// Expel a node: no other node talks to it any more
    Expel {
        /// Name of the node
        name: String,
    },
    /// Remove an app from this node
    Remove {
        /// Name of the app
        app: String,
    },
    /// Leave the fleet: remove this machine's keys, certificates, and apps
    Forget {
        /// Skip the confirmation prompt
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NodeUp {
    /// Address for other nodes
    #[arg(long, value_name = "HOST:PORT", default_value = "0.0.0.0:7940")]
    pub(crate) listen: SocketAddr,
    /// Address that other nodes reach it at [default: the one they would see]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<SocketAddr>,
    /// Node to ask for others, beside those that are remembered
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) join: Vec<String>,
    /// Nodes that may be asked for help: names, KEY=VALUE of a label, nearest=N [default: nearest=8]
    #[arg(long, value_name = "WHO", value_delimiter = ',')]
    pub(crate) neighbours: Vec<String>,
    /// Strategy that decides who serves what
    #[arg(long, value_name = "NAME", default_value = "offer")]
    pub(crate) strategy: String,
    /// Model that the strategy remote asks, such as http://127.0.0.1:5000/action
    #[arg(long, value_name = "URL")]
    pub(crate) model: Option<String>,
    /// Period of strategies that go by the clock, such as 60s
    #[arg(long)]
    pub(crate) period: Option<String>,
    /// Power of this machine for the strategy power-saving: idle and busy, in W, such as 20,95
    #[arg(long, value_name = "IDLE,BUSY")]
    pub(crate) watts: Option<String>,
    /// Backend to run services on
    #[arg(long, value_enum, default_value_t = NodeOn::Process)]
    pub(crate) on: NodeOn,
    /// CPUs that services may use [default: all]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cpus: Option<f64>,
    /// Wait longer before a node is taken for down: for nodes far from each other
    #[arg(long)]
    pub(crate) wan: bool,
    /// Address for /metrics, /healthz, and /readyz
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Print events as JSON lines (CloudEvents)
    #[arg(long)]
    pub(crate) json: bool,
    /// Follow the pods of an app instead of running services: for the pod that `dyn push` adds where dyn.toml makes a namespace a node
    #[arg(long, hide = true, conflicts_with_all = ["on", "systemd"])]
    pub(crate) in_pod: bool,
    /// Print a unit for systemd that runs this node, and exit
    #[arg(long)]
    pub(crate) systemd: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NodeOn {
    /// One container for each service
    Docker,
    /// One process for each service
    Process,
}

#[derive(Debug, Args)]
pub(crate) struct Nodes {
    /// Print one JSON value; with --watch one a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Print again every second
    #[arg(long)]
    pub(crate) watch: bool,
    /// Stream what happens at the node as JSON lines (CloudEvents), its latest events first
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    pub(crate) events: bool,
    /// Socket of the agent [default: that of this user's node]
    #[arg(long, value_name = "SOCKET")]
    pub(crate) at: Option<PathBuf>,
}
