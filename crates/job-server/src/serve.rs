//! The life of a job server.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use jobs::token::JobToken;
use store::DatabaseError;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::books::Books;
use crate::config::{self, JobConfigError};
use crate::core::{Core, new_token};
use crate::{asks, deliver, dispatch, functions, hosts, http, schedule, sweep};

/// Requests that are being answered end within this at the end of the server.
const DRAIN: Duration = Duration::from_millis(1_500);
/// Bytes that wait for whoever reads events and does not read, or for the rest of a request's head.
const BUFFER: usize = 64 << 10;
/// Before another connection is accepted after one could not be.
const REST: Duration = Duration::from_millis(50);

/// A job server that does not start.
#[derive(Debug, thiserror::Error)]
pub enum JobServerError {
    #[error(transparent)]
    Config(#[from] JobConfigError),
    #[error(transparent)]
    Store(#[from] DatabaseError),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    /// The operator's token cannot be kept or read.
    #[error("cannot use {}: {why}", file.display())]
    Token { file: PathBuf, why: String },
    #[error(transparent)]
    Functions(#[from] ::functions::PoolError),
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Runs the job server whose `config.json` is in `folder`, until `end` is ready. `ready` is told where it listens, `lost` each
/// service whose host ended during a run of a job.
pub async fn run(
    folder: &Path,
    (ready, lost): (impl FnOnce(SocketAddr), impl Fn(&str) + Send + Sync + 'static),
    end: impl Future<Output = ()>,
) -> Result<(), JobServerError> {
    let config = config::read(folder)?;
    let books = Books::open(&config.store)?;
    let operator = operator(&config.operator)?;
    let listen = |source| JobServerError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (tokens, tenants, queued) = (books.tokens().await?, books.tenants().await?, books.queued().await?);
    let (nudges, inbox) = mpsc::unbounded_channel();
    let mut core = Core::new(folder.to_owned(), config, books, &operator, tokens, tenants, queued, nudges)?;
    core.lost = Box::new(lost);
    let core = Arc::new(core);
    functions::open(&core).await?;
    core.books.settle(core.clock.now()).await?;
    core.books.resume_deliveries(core.clock.now()).await?;
    // From here on runs of the server before are this one's, and nobody else changes them.
    let adopted = core.books.adopt(core.holder.clone()).await?;
    hosts::count_today(&core).await;
    let mut tasks = JoinSet::new();
    dispatch::adopt(&core, adopted);
    tasks.spawn(dispatch::dispatch(core.clone(), inbox));
    tasks.spawn(hosts::follow(core.clone()));
    tasks.spawn(asks::follow(core.clone()));
    tasks.spawn(sweep::sweep(core.clone()));
    tasks.spawn(schedule::fire(core.clone()));
    tasks.spawn(deliver::deliver(core.clone()));
    ready(address);
    let (stop, stopped) = watch::channel(());
    let mut serving = tokio::spawn(accept(listener, http::router(core), stopped));
    end.await;
    // Every connection hears of it.
    drop(stop);
    if tokio::time::timeout(DRAIN, &mut serving).await.is_err() {
        serving.abort();
    }
    Ok(())
}

/// Answers requests until the end, and then those that are under way.
async fn accept(listener: TcpListener, router: axum::Router, mut stopped: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, router.clone(), stopped.clone()))),
                // Such as too many open files, which passes.
                Err(_) => tokio::time::sleep(REST).await,
            },
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: axum::Router, mut stopped: watch::Receiver<()>) {
    // Without it an answer waits for the acknowledgement of the one before.
    drop(stream.set_nodelay(true));
    let served = http1::Builder::new()
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served);
    tokio::select! {
        // The other side is gone, or has said nonsense.
        _ = served.as_mut() => return,
        _ = stopped.changed() => served.as_mut().graceful_shutdown(),
    }
    drop(served.await);
}

/// The operator's token: made at the first start, and readable by its owner alone.
fn operator(file: &Path) -> Result<JobToken, JobServerError> {
    let wrong = |why: String| JobServerError::Token { file: file.to_owned(), why };
    match std::fs::read_to_string(file) {
        Ok(text) => JobToken::read(text.trim())
            .ok_or_else(|| wrong("it holds no token; remove it to have a new one".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = new_token();
            let mut options = std::fs::OpenOptions::new();
            let made = options.write(true).create_new(true).mode(0o600).open(file);
            let written =
                made.and_then(|mut made| io::Write::write_all(&mut made, format!("{}\n", token.text()).as_bytes()));
            written.map_err(|error| wrong(error.to_string()))?;
            Ok(token)
        }
        Err(error) => Err(wrong(error.to_string())),
    }
}
