//! Measures Dyninka as a user meets it: the `dyn` binary, its JSON events, plain HTTP.

mod all;
mod arguments;
mod chain;
mod client;
mod conditions;
mod data;
mod docker;
mod edits;
mod jobs;
mod load;
mod memory;
mod nodes;
mod page;
mod peers;
mod program;
mod push;
mod report;
mod sample;
mod session;
mod shadow;
mod table;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use arguments::{Arguments, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        // Whoever started it ends it.
        Command::Peer(peer) => peers::run(peer).await.map(|()| false),
        Command::Edits(options) => {
            until_interrupted(edits::run(&options)).await.map(|report| report.is_failed(options.strict))
        }
        Command::Chain(options) => {
            until_interrupted(chain::run(&options)).await.map(|report| report.is_failed(options.strict))
        }
        Command::Data(options) => {
            until_interrupted(data::run(&options)).await.map(|report| report.is_failed(options.strict))
        }
        Command::Jobs(options) => {
            until_interrupted(jobs::run(&options)).await.map(|report| report.is_failed(options.strict))
        }
        Command::Nodes(options) => {
            until_interrupted(nodes::run(&options)).await.map(|report| report.is_failed(options.strict))
        }
        Command::Page(options) => {
            until_interrupted(page::run(&options)).await.map(|report| report.is_failed(options.strict))
        }
        Command::Push(options) => {
            until_interrupted(push::run(&options)).await.map(|report| report.is_failed(options.strict))
        }
        Command::All(options) => until_interrupted(all::run(&options)).await,
    };
    match done {
        Ok(true) => ExitCode::FAILURE,
        Ok(false) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is measured is dropped on Ctrl-C and SIGTERM, and ends its processes and containers in doing so.
async fn until_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let done = tokio::select! {
        done = work => done,
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("terminated")),
    };
    // A load is on a thread that nobody else stops.
    load::stop();
    done
}
