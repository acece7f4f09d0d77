//! `dyn data serve --in-pod`: the pods of the app are told where data is, as often as that changes.

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use data::DataSettings;
use data::near::live;
use data::view::DataView;
use data_server::{DataServerError, DataServerOptions, DataServerStart};
use futures_util::StreamExt as _;
use kubernetes::cluster::{ClusterTarget, connect};
use kubernetes::hosts::addresses;
use kubernetes::model::{DATA_APP, DATA_CATALOG, DATA_PORT, DATA_SETTINGS};
use protocol::near::NearTable;
use session::{DataServerFiles, Home};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::settings;
use crate::fault::{Fault, Kind};
use crate::speech;
use crate::start::Signals;

/// A token of the server begins so.
const TOKEN: &str = "dynd_";

/// Between two looks at the catalog.
const LOOK: Duration = Duration::from_millis(250);
/// A host that is told nothing else is told again after so long: it may have been started anew.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest wait for an answer.
const SOON: Duration = Duration::from_secs(2);

/// The server in a pod that a push made, and hosts of the app told of where data is.
pub(super) async fn run() -> Result<(), Fault> {
    let (app, text) = (variable(DATA_APP)?, variable(DATA_SETTINGS)?);
    let key = variable(protocol::TOKEN_VARIABLE)?;
    let token = format!("{TOKEN}{key}");
    let options = DataServerOptions {
        door: None,
        listen: (Ipv4Addr::UNSPECIFIED, DATA_PORT).into(),
        catalog: Path::new(DATA_CATALOG).join("catalog.db"),
        token: keep_token(&token)?,
        settings: Some(DataSettings::read(&text).map_err(|mistakes| settings::refused(&mistakes))?),
        takes: true,
    };
    let access = connect(&ClusterTarget::default()).await.map_err(|error| {
        let fault = Fault::new(Kind::Machine, error.to_string());
        error.hint().into_iter().fold(fault, Fault::hint)
    })?;
    let client = reqwest::Client::builder().no_proxy().timeout(SOON).build();
    let client = client.map_err(|error| Fault::new(Kind::Machine, format!("cannot make an HTTP client: {error}")))?;
    let mut signals = Signals::new()?;
    let end = async move {
        signals.next().await;
    };
    let ready = |DataServerStart { address, .. }| {
        drop(speech::out(format_args!("listening on http://{address}")));
        let news = watch::Sender::new(None);
        tokio::spawn(ask(client.clone(), address.port(), token, news.clone()));
        tokio::spawn(async move {
            let mut pods = std::pin::pin!(addresses(&access, &app));
            let mut tellers: HashMap<SocketAddr, AbortHandle> = HashMap::new();
            while let Some(hosts) = pods.next().await {
                keep(&mut tellers, &hosts, |host| tell(client.clone(), host, key.clone(), news.subscribe()));
            }
        });
    };
    data_server::run(options, ready, end).await.map_err(|error| match error {
        DataServerError::Settings(mistakes) => settings::refused(&mistakes),
        error @ DataServerError::Master { .. } => Fault::new(Kind::App, error).hint(
            "a master moves by `dyn data apply`, and a push afterwards: pods write to the one that its settings say",
        ),
        error => Fault::new(Kind::Machine, error),
    })
}

fn variable(name: &str) -> Result<String, Fault> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    let missing =
        || Fault::new(Kind::Usage, format!("{name} is not set")).hint("--in-pod is for pods that `dyn push` makes");
    value.ok_or_else(missing)
}

/// Keeps the token where the server reads it, for its owner alone.
fn keep_token(token: &str) -> Result<PathBuf, Fault> {
    let DataServerFiles { folder, token: file, .. } = Home::open()?.data_server();
    let wrong = |error: std::io::Error| Fault::new(Kind::Machine, format!("cannot use {}: {error}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(wrong)?;
    let made = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
    made.and_then(|mut made| made.write_all(token.as_bytes())).map_err(wrong)?;
    Ok(file)
}

/// Ends those who tell hosts that are gone, and begins for those that are new.
fn keep<F>(
    tellers: &mut HashMap<SocketAddr, AbortHandle>,
    hosts: &BTreeSet<SocketAddr>,
    begin: impl Fn(SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    tellers.retain(|host, teller| {
        let stays = hosts.contains(host);
        if !stays {
            teller.abort();
        }
        stays
    });
    for host in hosts {
        tellers.entry(*host).or_insert_with(|| tokio::spawn(begin(*host)).abort_handle());
    }
}

/// Makes tables of what the server says of itself, until the process ends.
async fn ask(client: reqwest::Client, port: u16, token: String, news: watch::Sender<Option<Arc<NearTable>>>) {
    let (epoch, mut number, mut is_silent) = (epoch(), 0, false);
    loop {
        let asked = client.get(format!("http://127.0.0.1:{port}/v1/catalog")).bearer_auth(&token).send();
        let view: Result<DataView, reqwest::Error> = async { asked.await?.error_for_status()?.json().await }.await;
        match view {
            Ok(view) => {
                number += 1;
                news.send_replace(Some(Arc::new(live(&view, &epoch, number))));
                is_silent = false;
            }
            // The last table stands: places hold, and hosts know its age.
            Err(error) if !std::mem::replace(&mut is_silent, true) => {
                drop(speech::err(format_args!("notice: the catalog does not answer: {error}")));
            }
            Err(_) => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What no other life of the server has.
fn epoch() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    // Keyed by the system's randomness.
    format!("{:016x}", RandomState::new().hash_one(DATA_PORT))
}

/// Tells a host each table that says something else than the one before, and any once a second. A host that does not answer
/// is told the next one.
async fn tell(
    client: reqwest::Client,
    host: SocketAddr,
    key: String,
    mut news: watch::Receiver<Option<Arc<NearTable>>>,
) {
    let mut told: Option<(Arc<NearTable>, Instant)> = None;
    loop {
        let table = news.borrow_and_update().clone();
        let is_news = |table: &NearTable| {
            told.as_ref().is_none_or(|(known, when)| known.buckets != table.buckets || when.elapsed() >= AGAIN)
        };
        if let Some(table) = table.filter(|table| is_news(table)) {
            let put = client.put(format!("http://{host}/_dyninka/near")).bearer_auth(&key).json(&*table).send().await;
            if put.is_ok_and(|answer| answer.status().is_success()) {
                told = Some((table, Instant::now()));
            }
        }
        if news.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hosts_have_one_teller_each_for_as_long_as_they_are_there() {
        let hosts = |ports: &[u16]| ports.iter().map(|port| SocketAddr::from(([10, 0, 0, 1], *port))).collect();
        let mut tellers = HashMap::new();
        let begun = std::sync::Mutex::new(Vec::new());
        let begin = |host: SocketAddr| {
            begun.lock().expect("no panic").push(host.port());
            std::future::pending()
        };
        for (there, all) in
            [(&[1, 2][..], &[1, 2][..]), (&[2, 3], &[1, 2, 3]), (&[2, 3], &[1, 2, 3]), (&[], &[1, 2, 3])]
        {
            keep(&mut tellers, &hosts(there), begin);
            assert_eq!(tellers.len(), there.len());
            assert_eq!(*begun.lock().expect("no panic"), all);
        }
    }
}
