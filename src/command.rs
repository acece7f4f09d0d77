//! A subcommand a file.

use std::path::{Path, PathBuf};

#[cfg(feature = "web")]
mod bundle;
pub(crate) mod check;
pub(crate) mod clean;
pub(crate) mod client;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "cluster")]
mod cluster_events;
#[cfg(feature = "cluster")]
mod cluster_logs;
#[cfg(feature = "cluster")]
mod cluster_view;
pub(crate) mod completions;
#[cfg(feature = "data")]
pub(crate) mod data;
pub(crate) mod debug;
pub(crate) mod dev;
pub(crate) mod doctor;
#[cfg(feature = "cluster")]
mod down;
pub(crate) mod events;
#[cfg(feature = "cluster")]
mod export;
pub(crate) mod graph;
#[cfg(feature = "cluster")]
mod history;
pub(crate) mod host;
pub(crate) mod ide;
pub(crate) mod invoke;
#[cfg(feature = "jobs")]
pub(crate) mod job_server;
#[cfg(feature = "jobs")]
pub(crate) mod jobs;
#[cfg(feature = "jobs")]
pub(crate) mod jobs_beside;
#[cfg(not(feature = "jobs"))]
#[path = "command/jobs_absent.rs"]
pub(crate) mod jobs_beside;
pub(crate) mod keep;
pub(crate) mod logs;
#[cfg(feature = "mcp")]
pub(crate) mod mcp;
#[cfg(not(feature = "mcp"))]
#[path = "command/mcp_absent.rs"]
pub(crate) mod mcp;
pub(crate) mod new;
#[cfg(feature = "nodes")]
mod node;
#[cfg(feature = "nodes")]
mod node_check;
#[cfg(all(feature = "nodes", feature = "cluster"))]
mod node_pods;
#[cfg(all(feature = "nodes", not(feature = "cluster")))]
#[path = "command/node_pods_absent.rs"]
mod node_pods;
#[cfg(feature = "nodes")]
mod nodes;
#[cfg(feature = "cluster")]
mod observe;
#[cfg(feature = "cluster")]
pub(crate) mod on_cluster;
#[cfg(not(feature = "cluster"))]
#[path = "command/cluster_absent.rs"]
pub(crate) mod on_cluster;
#[cfg(feature = "nodes")]
pub(crate) mod on_nodes;
#[cfg(not(feature = "nodes"))]
#[path = "command/nodes_absent.rs"]
pub(crate) mod on_nodes;
pub(crate) mod openapi;
#[cfg(feature = "web")]
pub(crate) mod page;
#[cfg(not(feature = "web"))]
#[path = "command/page_absent.rs"]
pub(crate) mod page;
#[cfg(feature = "web")]
mod page_beside;
#[cfg(feature = "cluster")]
mod push;
#[cfg(feature = "nodes")]
mod push_to;
pub(crate) mod recordings;
pub(crate) mod regroup;
#[cfg(feature = "cluster")]
mod remote;
pub(crate) mod replay;
pub(crate) mod replay_worker;
#[cfg(feature = "cluster")]
mod rollback;
#[cfg(feature = "jobs")]
pub(crate) mod sandbox;
pub(crate) mod schema;
pub(crate) mod shell;
#[cfg(feature = "nodes")]
mod simulate;
pub(crate) mod status;
pub(crate) mod stop;
#[cfg(feature = "cluster")]
mod trust;
pub(crate) mod view;

/// The log of an app on this machine. None before there is a home or a file: the command says so itself.
pub(crate) fn log_file(file: &Path) -> Option<PathBuf> {
    let place = session::Home::open().ok()?.place(file).ok()?;
    Some(place.log())
}
