//! What runs a service: a server for one function, in a process or container of its own.
//!
//! The function comes as a library behind the border of bytes (`dyninka::border`); the server, the calls to other
//! services, deadlines and measuring are here, compiled once. The way of a request: `server` → `answer` (inputs:
//! from its body, by its route, all at the same time through `upstream`) → `program` (the function) → an answer.

mod answer;
mod body_call;
mod circuit;
mod control;
mod doors;
mod ending;
mod front;
mod hops_door;
mod inputs;
mod journey;
mod lane;
mod library;
mod metrics;
mod pace;
mod pages;
mod path;
mod problem;
mod program;
mod recorder;
mod records;
pub mod replay;
mod ring;
mod routes;
mod server;
mod shared;
mod socket;
mod takeover;
mod trace;
mod upstream;
mod visit;
mod wire;

use std::path::Path;

pub use server::{HostError, Server};

/// Runs the service whose `config.json` is in `folder`, until SIGTERM or Ctrl-C; then answers what has begun.
pub fn run(folder: &Path) -> Result<(), HostError> {
    allow_connections();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(lane::WORKERS)
        // A call of a synchronous function holds a thread; as many as requests are let in.
        .max_blocking_threads(shared::MOST_REQUESTS + 8)
        .enable_all()
        .build()
        .map_err(|source| HostError::Runtime { source })?;
    runtime.block_on(async {
        let server = Server::bind(folder).await?;
        server.open_lane();
        server.serve(terminated()).await;
        Ok::<(), HostError>(())
    })?;
    // A function that never ends must not keep the process.
    runtime.shutdown_background();
    Ok(())
}

/// Each connection is an open file, of which a process may have 1024 unless it asks for what it is allowed.
fn allow_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        eprintln!("dyninka: connections are limited to {}: {error}", limit.current.unwrap_or_default());
    }
}

/// Has the kernel end this process when its parent ends, however that ends.
pub fn die_with_parent() {
    let before = rustix::process::getppid();
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)) {
        eprintln!("dyninka: this service may outlive its session: {error}");
    }
    // The parent may have ended before the kernel was told.
    if rustix::process::getppid() != before {
        std::process::exit(1);
    }
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        },
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("dyninka: signals cannot be heard, so this service ends without draining: {error}");
            std::future::pending().await
        }
    }
}
