//! The `dyn` command: the front door. Arguments in, a subcommand a file, every error put into words in `fault`.

mod arguments;
mod command;
mod face;
mod fault;
mod finding;
mod speech;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::New { file } => command::new::run(&file),
        Command::Check { file, json } => command::check::run(&file, json),
        Command::Export(export) => command::export::run(&export),
        Command::Graph { file, format } => command::graph::run(&file, format),
        Command::Dev(dev) => command::dev::run(&dev),
        Command::Invoke(invoke) if invoke.cluster => command::remote::invoke(&invoke),
        Command::Invoke(invoke) => command::invoke::run(&invoke),
        Command::Shell(shell) => command::shell::run(&shell),
        Command::Status { file, json, cluster: true, goal } => command::remote::status(&file, json, &goal),
        Command::Status { file, json, .. } => command::status::run(&file, json),
        Command::Logs(logs) if logs.cluster => command::cluster_logs::run(&logs),
        Command::Logs(logs) => command::logs::run(&logs),
        Command::Events { file, cluster: true, goal, .. } => command::cluster_events::run(&file, &goal),
        Command::Events { file, after, .. } => command::events::run(&file, after),
        Command::Replay(replay) => command::replay::run(&replay),
        Command::Recordings { file, json } => command::recordings::run(&file, json),
        Command::Keep(keep) => command::keep::run(&keep),
        Command::Push(push) => command::push::run(&push),
        Command::Rollback(rollback) => command::rollback::run(&rollback),
        Command::History { file, json, goal } => command::history::run(&file, json, &goal),
        Command::Trust { context } => command::trust::run(&context),
        Command::Down { file, cluster: _, yes, goal } => command::down::run(&file, yes, &goal),
        Command::Stop { file } => command::stop::run(&file),
        Command::Doctor { json } => command::doctor::run(json),
        Command::Completions { shell } => command::completions::run(shell),
        Command::ReplayWorker { free } => command::replay_worker::run(free),
        Command::Host { folder, die_with_parent } => command::host::run(&folder, die_with_parent),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => fault.report(),
    }
}
