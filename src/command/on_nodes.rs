//! Commands on nodes that share load.

use std::sync::Arc;

use tokio::sync::watch;

use super::doctor::Finding;
use super::{node, node_check, nodes, push_to, simulate};
use crate::arguments::Command;
use crate::fault::Fault;

#[cfg(feature = "cluster")]
pub(super) use node::{check, join_for};

pub(crate) fn run(command: Command) -> Result<(), Fault> {
    match command {
        Command::Node(options) => node::run(&options),
        Command::Nodes(options) => nodes::run(&options),
        Command::Push(options) => push_to::run(&options),
        Command::Simulate(options) => simulate::run(&options),
        other => unreachable!("{other:?} is no command on nodes"),
    }
}

/// What is to be said of the fleet that this machine is in.
pub(super) async fn checked() -> Vec<Finding> {
    node_check::look().await
}

/// The fleet of this machine in lines, as long as somebody looks; none in a build without nodes.
pub(crate) fn watched() -> Option<watch::Receiver<Arc<Vec<String>>>> {
    Some(nodes::watched())
}
