//! Measures Dyninka as a user meets it: the `dyn` binary, its JSON events, plain HTTP.

mod arguments;
mod client;
mod docker;
mod edits;
mod memory;
mod program;
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
    let Command::Edits(options) = Arguments::parse().command;
    match until_interrupted(edits::run(&options)).await {
        Ok(report) if report.is_failed(options.strict) => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is measured is dropped on Ctrl-C and SIGTERM, and ends its processes and containers in doing so.
async fn until_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
    }
}
