//! Commands on what runs on a cluster, or what goes there.

pub(crate) use super::cluster_view::{Pictures, look};
use super::{cluster_events, cluster_logs, down, export, history, push, remote, rollback, trust};
use crate::arguments::{Cluster, Command};
use crate::fault::Fault;

pub(crate) fn run(command: Command) -> Result<(), Fault> {
    match command {
        Command::Push(options) => push::run(&options),
        Command::Rollback(options) => rollback::run(&options),
        Command::History { file, json, goal } => history::run(&file, json, &goal),
        Command::Trust { context } => trust::run(&context),
        Command::Export(options) => export::run(&options),
        Command::Cluster(Cluster::Status { file, json, goal }) => remote::status(&file, json, &goal),
        Command::Cluster(Cluster::Logs(logs)) => cluster_logs::run(&logs.logs, &logs.goal),
        Command::Cluster(Cluster::Events { file, goal }) => cluster_events::run(&file, &goal),
        Command::Cluster(Cluster::Invoke { call, goal }) => remote::invoke(&call, &goal),
        Command::Cluster(Cluster::Down { file, yes, goal }) => down::run(&file, yes, &goal),
        other => unreachable!("{other:?} is no command on a cluster"),
    }
}
