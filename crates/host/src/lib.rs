//! What runs a service: a server for one function, in a process or container of its own.
//!
//! The function comes as a library behind the border of bytes (`dyninka::border`); the server, the calls to other
//! services, deadlines and measuring are here, compiled once. The way of a request: `server` → `answer` (inputs:
//! from its body, by its route, all at the same time through `upstream`) → `program` (the function) → an answer.

mod admin;
mod admin_hops;
mod answer;
mod asks;
mod balance;
mod body_call;
mod bucket;
mod buckets;
mod circuit;
mod control;
mod ending;
pub mod environment;
mod group;
mod guard;
mod http_rules;
mod inline;
mod inputs;
mod library;
mod meter;
mod metrics;
mod near;
mod objects;
mod outside;
mod pace;
mod pages;
mod path;
mod patience;
mod problem;
mod program;
mod public_listener;
mod recorder;
mod records;
pub mod replay;
mod reply;
mod request_context;
mod retired;
mod ring;
mod routes;
mod runs;
mod sense;
mod server;
mod shared;
mod sharing;
mod socket;
mod takeover;
mod threads;
mod trace;
mod transfer;
mod upstream;
mod visit;
mod voice;
mod wire;
mod within;

use std::path::PathBuf;

/// The version of the C interface between a host and the libraries it loads.
pub use dyninka::border::VERSION as LIBRARY_INTERFACE;
#[doc(hidden)]
pub use near::near_pick_nanos;
pub use objects::without_folder;
pub use pages::release_start;
pub use server::{HostError, Server};
#[doc(hidden)]
pub use sharing::admission_nanos;
pub use voice::mark_lines;

use group::Group;

/// Services of one host, at the most: more than an app has by far.
const MOST_SERVICES: usize = 1000;

/// Runs the services whose `config.json` are in these folders, until SIGTERM or Ctrl-C; then answers what has begun. The exit
/// code to end with: 128 and the signal, as of a program that was ended by it, so that nobody takes it for one that ended
/// by itself.
pub fn run(folders: &[PathBuf]) -> Result<u8, HostError> {
    allow_connections();
    let runtime = threads::note(&mut tokio::runtime::Builder::new_multi_thread())
        .worker_threads(inline::WORKERS)
        // Each service has its own share of them, so that none waits for a thread that another holds.
        .max_blocking_threads(MOST_SERVICES * shared::MOST_THREADS)
        .enable_all()
        .build()
        .map_err(|source| HostError::Runtime { source })?;
    let code = runtime.block_on(async {
        let group = Group::new();
        for folder in folders {
            group.open(folder).await?;
        }
        group.inline.open(&tokio::runtime::Handle::current());
        let code = terminated().await;
        group.end().await;
        Ok::<_, HostError>(code)
    })?;
    // A function that never ends must not keep the process.
    runtime.shutdown_background();
    Ok(code)
}

/// Has this process have as many open files as it is allowed: 1024, unless it asks. Each connection is one.
pub fn allow_connections() {
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

/// Lets a debugger of the same user attach, where the system lets parents alone (Yama, `ptrace_scope` 1).
pub fn allow_debugger() {
    // A kernel without Yama knows nothing of it, and needs no leave.
    match rustix::process::set_ptracer(rustix::process::PTracer::Any) {
        Err(error) if error != rustix::io::Errno::INVAL => {
            eprintln!("dyninka: a debugger may need root to attach: {error}");
        }
        _ => {}
    }
}

/// Waits for a signal to end by; 128 and its number.
async fn terminated() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => 143,
            _ = interrupt.recv() => 130,
        },
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("dyninka: signals cannot be heard, so this service ends without draining: {error}");
            std::future::pending().await
        }
    }
}
