//! Buckets with copies at several stores.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Buckets whose objects are kept at several stores: folders and S3.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// URL of the server [default: the one that runs here]
    #[arg(long, global = true, env = "DYN_DATA_SERVER")]
    pub(crate) server: Option<String>,
    /// File with the server's token [default: that of the one that runs here]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) act: DataAct,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataAct {
    /// Run the server, until Ctrl-C
    Serve {
        /// Places, stores and buckets, for a catalog that has none yet
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// File of the catalog [default: in dyn's home]
        #[arg(long, value_name = "FILE")]
        catalog: Option<PathBuf>,
        /// Address to listen on
        #[arg(long, default_value = "127.0.0.1:7070")]
        listen: SocketAddr,
        /// Route requests from this address to endpoints in places that hold their data
        #[arg(long, value_name = "ADDRESS")]
        door: Option<SocketAddr>,
        /// As a part of a push: settings and keys come from the environment
        #[arg(long, hide = true, conflicts_with_all = ["config", "catalog", "listen", "door"])]
        in_pod: bool,
    },
    /// Show stores, buckets and copies
    Status {
        /// Print one JSON value
        #[arg(long)]
        json: bool,
    },
    /// Show what new settings would lead to
    Plan {
        /// File with places, stores and buckets
        file: PathBuf,
        /// Move masters that are outside the zones of their buckets
        #[arg(long)]
        move_master: bool,
    },
    /// Take new settings, after their plan was shown
    Apply {
        /// File with places, stores and buckets
        file: PathBuf,
        /// Move masters that are outside the zones of their buckets
        #[arg(long)]
        move_master: bool,
        /// Skip the confirmation prompt
        #[arg(long)]
        yes: bool,
    },
    /// Print the settings, as a file for `apply`
    Export,
    /// Print settings out of FaDO's config.json
    Import {
        /// FaDO's file
        file: PathBuf,
    },
    /// List objects
    Ls {
        /// BUCKET, or BUCKET/PREFIX
        path: String,
    },
    /// Print an object, or write it to a file
    Get {
        /// BUCKET/KEY
        path: String,
        /// File to write [default: standard output]
        file: Option<PathBuf>,
        /// Only from this store
        #[arg(long)]
        store: Option<String>,
    },
    /// Write a file as an object
    Put {
        /// BUCKET/KEY
        path: String,
        /// File to read
        file: PathBuf,
    },
    /// Delete an object
    Rm {
        /// BUCKET/KEY
        path: String,
    },
    /// List stores where a bucket can be read, the best first
    Where {
        bucket: String,
        /// Not older than this change, as `put` printed it
        #[arg(long, default_value_t = 0)]
        at_least: u64,
        /// Only in this zone
        #[arg(long)]
        zone: Option<String>,
    },
    /// Add, change or remove endpoints of functions
    Endpoint {
        #[command(subcommand)]
        act: EndpointAct,
    },
    /// Change how requests that work on a bucket are routed
    Route {
        #[command(subcommand)]
        act: RouteAct,
    },
    /// Wait until every copy of a bucket is whole
    Wait {
        bucket: String,
        /// Seconds to wait
        #[arg(long, default_value_t = 60)]
        within: u64,
    },
    /// Read all copies of a bucket and compare their bytes
    Verify { bucket: String },
    /// Make a copy the master
    Promote {
        bucket: String,
        /// Store of the copy
        store: String,
        /// Changes that may be lost, which the copy lacks
        #[arg(long, default_value_t = 0)]
        lose: u64,
    },
    /// Go on with a bucket that is held: its master is right
    Release { bucket: String },
    /// Stop copying a bucket
    Pause { bucket: String },
    /// Go on with copying a bucket
    Resume { bucket: String },
    /// List objects that somebody wrote into a copy, and where they are kept
    Conflicts,
    /// Print what happened, as JSON lines
    Events {
        /// Only events after this one
        #[arg(long, default_value_t = 0)]
        after: i64,
    },
    /// Try out what a store really does
    Probe { store: String },
    /// Print where a store sends its events to, and the token for it
    Hook { store: String },
    /// Print the OpenAPI document of the HTTP API
    Openapi,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EndpointAct {
    /// Add an endpoint, or change the one of that name
    Add {
        name: String,
        /// Scheme, host and port
        url: String,
        /// Place where its functions run
        #[arg(long)]
        place: String,
        /// Path to put before the path of each request, such as /prod
        #[arg(long)]
        path: Option<String>,
        /// PEM file of the authority that signed its certificate
        #[arg(long, value_name = "FILE")]
        ca: Option<String>,
    },
    /// Remove an endpoint
    Remove { name: String },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RouteAct {
    /// Name a policy, endpoints, or both
    Set {
        bucket: String,
        /// near, round_robin, random, first, least_conn, data_hash, ip_hash, uri_hash or latency
        #[arg(long)]
        policy: Option<String>,
        /// Exactly these endpoints in this order, wherever the bucket is
        #[arg(long = "endpoint", value_name = "NAME")]
        endpoints: Vec<String>,
    },
    /// Route them as those of other buckets
    Clear { bucket: String },
}
