//! The life of a data server.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use data::DataMistake;
use store::DatabaseError;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::core::{Core, Unapplied};
use crate::door::{self, Door};
use crate::http;
use crate::ledger::Ledger;
use crate::options::{DataServerOptions, DataServerStart};
use crate::secret::ServerToken;

/// Requests that are being answered end within this at the end of the server.
const DRAIN: Duration = Duration::from_millis(1_500);

/// A data server that does not start.
#[derive(Debug, thiserror::Error)]
pub enum DataServerError {
    #[error(transparent)]
    Store(#[from] DatabaseError),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    /// The token cannot be kept or read.
    #[error("cannot use {}: {why}", file.display())]
    Token { file: PathBuf, why: String },
    /// The settings cannot be taken.
    #[error("the settings are refused")]
    Settings(Vec<DataMistake>),
}

/// Runs a data server until `end` is ready. `ready` is told once it answers.
pub async fn run(
    options: DataServerOptions,
    ready: impl FnOnce(DataServerStart),
    end: impl Future<Output = ()>,
) -> Result<(), DataServerError> {
    let token = ServerToken::open(&options.token);
    let token = token.map_err(|why| DataServerError::Token { file: options.token.clone(), why })?;
    let core = Arc::new(Core::open(Ledger::open(&options.catalog)?, token).await?);
    let (listener, address) = bind(options.listen).await?;
    let door = match options.door {
        Some(door) => Some(bind(door).await?),
        None => None,
    };
    let kept = core.catalog();
    let has_others = kept.revision > 0 && options.settings.as_ref().is_some_and(|given| *given != kept.settings);
    drop(kept);
    match options.settings {
        // A catalog that has settings keeps them: they are changed by a plan.
        Some(settings) if core.catalog().revision == 0 => match core.apply(settings, false, None).await {
            Ok(_) => {}
            Err(Unapplied::Refused(plan)) => return Err(DataServerError::Settings(plan.refused)),
            Err(Unapplied::Store(error)) => return Err(error.into()),
            // There is nobody else yet.
            Err(Unapplied::Outdated { .. }) => {}
        },
        _ => core.supervise(),
    }
    ready(DataServerStart { address, door: door.as_ref().map(|(_, address)| *address), has_others });
    let (stop, stopped) = watch::channel(());
    let mut told = stopped.clone();
    let serving = axum::serve(listener, http::router(core.clone())).with_graceful_shutdown(async move {
        // Whether it is told or the other end is gone, it is the end.
        drop(told.changed().await);
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(serving.await) });
    let looking = door.map(|(listener, _)| {
        let door = Arc::new(Door::new(core.clone()));
        let looked_at = door.clone();
        tasks.spawn(door::accept(door, listener, stopped));
        tokio::spawn(async move { looked_at.look().await })
    });
    end.await;
    core.end();
    if let Some(looking) = looking {
        looking.abort();
    }
    drop(stop);
    drop(tokio::time::timeout(DRAIN, async { while tasks.join_next().await.is_some() {} }).await);
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), DataServerError> {
    let listen = |source| DataServerError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    Ok((listener, bound))
}
