//! Commands on nodes that share load.

use super::{node, nodes, push_to, simulate};
use crate::arguments::Command;
use crate::fault::Fault;

pub(crate) fn run(command: Command) -> Result<(), Fault> {
    match command {
        Command::Node(options) => node::run(&options),
        Command::Nodes(options) => nodes::run(&options),
        Command::Push(options) => push_to::run(&options),
        Command::Simulate(options) => simulate::run(&options),
        other => unreachable!("{other:?} is no command on nodes"),
    }
}
