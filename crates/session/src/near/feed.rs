//! The table on its way: from the data server to the hosts.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::near::NearTable;
use session_api::data::DataMatrix;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::actor::control::Control;

/// A host that is told nothing else is told again after so long: it may have been started anew.
const AGAIN: Duration = Duration::from_secs(1);

/// The last table, and where it is from.
#[derive(Clone, Debug, Default)]
pub(crate) struct NearNews {
    /// None: settings alone say who holds what.
    pub(crate) table: Option<Arc<NearTable>>,
    /// When it was made.
    pub(crate) at: Option<Instant>,
    /// Where it is from, or why there is none, in words.
    pub(crate) source: String,
}

/// Tasks that ask for tables and tell them.
pub(crate) struct NearFeed {
    pub(crate) news: watch::Sender<NearNews>,
    /// By the name of an instance.
    pub(crate) tellers: HashMap<String, AbortHandle>,
    /// Buckets and their copies, for faces; none: no data server was heard of.
    #[cfg_attr(not(feature = "data"), expect(dead_code, reason = "without data servers there is nothing to tell"))]
    pub(crate) matrix: watch::Sender<Option<Arc<DataMatrix>>>,
    pub(crate) seen: watch::Receiver<Option<Arc<DataMatrix>>>,
    #[cfg(feature = "data")]
    pub(crate) asks: bool,
}

impl Default for NearFeed {
    fn default() -> Self {
        let (matrix, seen) = watch::channel(None);
        Self {
            news: watch::Sender::default(),
            tellers: HashMap::new(),
            matrix,
            seen,
            #[cfg(feature = "data")]
            asks: false,
        }
    }
}

/// Tells a host each table that says something else than the one before, and any once a second. A host that does not
/// answer is told the next one.
pub(crate) async fn tell(control: Control, at: SocketAddr, mut news: watch::Receiver<NearNews>) {
    let mut told: Option<(Arc<NearTable>, Instant)> = None;
    loop {
        let table = news.borrow_and_update().table.clone();
        let is_news = |table: &NearTable| {
            told.as_ref().is_none_or(|(known, when)| !known.says_the_same(table) || when.elapsed() >= AGAIN)
        };
        if let Some(table) = table.filter(|table| is_news(table))
            && control.near(at, &table).await.is_ok()
        {
            told = Some((table, Instant::now()));
        }
        if news.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(feature = "data")]
pub(crate) use asking::ask;

#[cfg(feature = "data")]
mod asking {
    use data::near::live;
    use data::view::DataView;
    use protocol::error_chain;

    use super::{Arc, DataMatrix, Duration, Instant, NearNews, watch};
    use crate::near::matrix::matrix;
    use crate::store::home::DataServerFiles;

    /// Between two questions.
    const LOOK: Duration = Duration::from_millis(250);
    /// The longest wait for an answer.
    const SOON: Duration = Duration::from_secs(2);

    /// Asks the data server of this user who holds what, until the session ends. `notice`: it is there or gone.
    pub(crate) async fn ask(
        client: reqwest::Client,
        files: DataServerFiles,
        (news, faces): (watch::Sender<NearNews>, watch::Sender<Option<Arc<DataMatrix>>>),
        notice: impl Fn(String),
    ) {
        let (epoch, mut number, mut was_there) = (format!("{:016x}", rand::random::<u64>()), 0, false);
        loop {
            let begun = Instant::now();
            match look(&client, &files).await {
                Ok((address, view)) => {
                    number += 1;
                    let table = Some(Arc::new(live(&view, &epoch, number)));
                    let seen = Some(Arc::new(matrix(&view, &address)));
                    faces.send_if_modified(|known| {
                        *known != seen && {
                            *known = seen;
                            true
                        }
                    });
                    let source = format!("the data server at {address}");
                    news.send_replace(NearNews { table, at: Some(begun), source });
                    was_there = true;
                }
                Err(why) => {
                    if std::mem::take(&mut was_there) {
                        notice(format!("{why}: requests go by the last table, and versions to masters"));
                        faces.send_modify(|known| {
                            let last = known.as_deref().cloned().unwrap_or_default();
                            *known = Some(Arc::new(DataMatrix { why: Some(why.clone()), ..last }));
                        });
                    }
                    // The last table stands: places hold, and hosts know its age.
                    news.send_modify(|news| news.source = why);
                }
            }
            tokio::time::sleep(LOOK.max(begun.elapsed() * 4)).await;
        }
    }

    async fn look(client: &reqwest::Client, files: &DataServerFiles) -> Result<(String, DataView), String> {
        let address =
            tokio::fs::read_to_string(&files.address).await.map_err(|_| "no data server runs here".to_owned())?;
        let token = tokio::fs::read_to_string(&files.token).await;
        let token = token
            .map_err(|error| format!("cannot read the token {} of the data server: {error}", files.token.display()))?;
        let address = address.trim().to_owned();
        let silent = |why: String| format!("the data server at {address} does not answer: {why}");
        let asked = client.get(format!("http://{address}/v1/catalog")).bearer_auth(token.trim()).timeout(SOON);
        let answer = asked.send().await.map_err(|error| silent(error_chain(&error.without_url())))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(silent(status.to_string()));
        }
        let view = answer.json().await.map_err(|error| silent(error_chain(&error.without_url())))?;
        Ok((address, view))
    }
}
