//! The life of a data server.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use data::{DataMistake, DataSettings};
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
    /// The settings would move a master.
    #[error("the master of {bucket} is {is}, and the settings say {said}")]
    Master { bucket: String, is: String, said: String },
    /// The settings cannot be taken.
    #[error("the settings are refused")]
    Settings(Vec<DataMistake>),
}

/// The first bucket whose master would be another one.
fn moved_master(kept: &DataSettings, given: &DataSettings) -> Option<DataServerError> {
    kept.buckets.iter().find_map(|(bucket, of)| {
        let said = &given.buckets.get(bucket)?.master;
        let moved = || DataServerError::Master { bucket: bucket.clone(), is: of.master.clone(), said: said.clone() };
        (*said != of.master).then(moved)
    })
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
    let moved = options.settings.as_ref().and_then(|given| moved_master(&kept.settings, given));
    drop(kept);
    if let Some(moved) = moved.filter(|_| options.takes && has_others) {
        return Err(moved);
    }
    let is_first = core.catalog().revision == 0;
    match options.settings {
        // A catalog that has settings keeps them: they are changed by a plan.
        Some(settings) if is_first || options.takes && has_others => match core.apply(settings, false, None).await {
            Ok(_) => {}
            Err(Unapplied::Refused(plan)) => return Err(DataServerError::Settings(plan.refused)),
            Err(Unapplied::Store(error)) => return Err(error.into()),
            // There is nobody else yet.
            Err(Unapplied::Outdated { .. }) => {}
        },
        _ => core.supervise(),
    }
    let has_others = has_others && !options.takes;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn settings_of_a_start_are_taken_where_that_is_said_and_no_master_moves() {
        let folder = tempfile::tempdir().expect("a folder");
        let start = async |images: &str, takes: bool| {
            let at = folder.path().display();
            let text = format!(
                "places = {{ a = {{}}, b = {{}} }}\nstores = {{ a = {{ place = \"a\", folder = \"{at}\" }}, \
                 b = {{ place = \"b\", folder = \"{at}/b\" }} }}\n[buckets]\nimages = {images}\n"
            );
            let options = DataServerOptions {
                listen: ([127, 0, 0, 1], 0).into(),
                catalog: folder.path().join("catalog.db"),
                token: folder.path().join("token"),
                settings: Some(DataSettings::read(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))),
                door: None,
                takes,
            };
            let mut has_others = None;
            run(options, |start| has_others = Some(start.has_others), async {}).await.map(|()| has_others)
        };
        let (alone, copied) = (r#"{ master = "a" }"#, r#"{ master = "a", at = ["b"] }"#);
        assert_eq!(start(alone, true).await.expect("a first start"), Some(false));
        assert_eq!(start(copied, false).await.expect("it keeps what it has"), Some(true));
        assert_eq!(start(copied, true).await.expect("it takes them"), Some(false));
        assert_eq!(start(copied, false).await.expect("it has them"), Some(false));
        let moved = start(r#"{ master = "b" }"#, true).await.expect_err("a master would move");
        assert_eq!(moved.to_string(), "the master of images is a, and the settings say b");
        assert_eq!(start(copied, false).await.expect("nothing was changed"), Some(false));
    }
}
