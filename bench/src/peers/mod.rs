//! What runs in processes of this program: the shapes that a chain is compared with.
//!
//! Each prints where it listens and ends when its standard input does, so that none outlives the bench, however that
//! ends.

mod function;
mod functions;
mod gateway;
mod keeper;
mod monolith;
mod queue;
mod relay;
mod watchdog;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use axum::Router;
use clap::Subcommand;

pub(crate) use functions::{Functions, Name, chain};

/// A process of this program.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Peer {
    /// Bytes on to the next process and back, blocking; echoed where there is no next one
    Relay {
        /// Bytes of a message
        size: usize,
        /// The next process
        next: Option<SocketAddr>,
    },
    /// One function behind an HTTP server
    Function {
        /// Which
        name: Name,
        /// The readings
        file: PathBuf,
    },
    /// All four functions behind one HTTP server
    Monolith {
        /// The readings
        file: PathBuf,
    },
    /// A proxy before one function, as OpenFaaS starts functions with
    Watchdog {
        /// The function
        to: SocketAddr,
    },
    /// A server that calls one function after the other through a gateway
    Gateway {
        /// The gateway; a function is at /function/NAME
        through: SocketAddr,
    },
    /// Takes one function's calls off a list in redis and puts its answers on another
    Worker {
        /// Which
        name: Name,
        /// The readings
        file: PathBuf,
        /// Where redis listens
        broker: SocketAddr,
    },
    /// A server that calls one function after the other through lists in redis
    Queue {
        /// Where redis listens
        broker: SocketAddr,
    },
    /// Starts another program, and has it end when this one does
    Keep {
        /// The program and its arguments
        #[arg(trailing_var_arg = true, required = true)]
        words: Vec<String>,
    },
}

/// Runs until standard input ends.
pub(crate) async fn run(peer: Peer) -> anyhow::Result<()> {
    match peer {
        Peer::Relay { size, next } => relay::run(size, next),
        Peer::Function { name, file } => serve(function::router(name, Functions::read(&file)?)).await,
        Peer::Monolith { file } => serve(monolith::router(Functions::read(&file)?)).await,
        Peer::Watchdog { to } => serve(watchdog::router(to)).await,
        Peer::Gateway { through } => serve(gateway::router(through)).await,
        Peer::Worker { name, file, broker } => queue::work(name, &Functions::read(&file)?, broker),
        Peer::Queue { broker } => serve(queue::router(broker)?).await,
        Peer::Keep { words } => keeper::run(&words),
    }
}

async fn serve(router: Router) -> anyhow::Result<()> {
    use axum::serve::ListenerExt;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen")?;
    announce(listener.local_addr().context("listen")?)?;
    // A hop is one small packet each way.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            eprintln!("bench: a connection stays slow: {error}");
        }
    });
    axum::serve(listener, router).await.context("serve")
}

/// Says where it listens, and from then on ends with standard input.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{address}").and_then(|()| output.flush()).context("say where")?;
    std::thread::spawn(|| {
        wait_for_the_end();
        std::process::exit(0);
    });
    Ok(())
}

/// Until standard input ends.
fn wait_for_the_end() {
    let mut byte = [0];
    // An error is an end, too.
    while matches!(std::io::stdin().read(&mut byte), Ok(1..)) {}
}
