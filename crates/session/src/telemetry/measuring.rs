//! Hosts that come and go, measured as the session's own are: those of a cluster.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::ask_pace::AskPace;
use super::follow::{Followed, follow_telling};
use super::gather::Gather;
use super::host_address::HostAddress;
use crate::telemetry::measurer::{Measured, measure};

/// Batches on their way to be folded.
const BATCHES: usize = 64;
/// Batches of one host on their way: it is asked again when there is room.
const OF_ONE: usize = 2;

/// Follows hosts and folds what they measure. Dropping it ends that.
pub struct Measuring {
    news: Sender<News>,
    /// Each is followed until its sender is dropped.
    following: HashMap<String, oneshot::Sender<()>>,
    pace: AskPace,
    tasks: JoinSet<()>,
    pictures: watch::Receiver<Arc<Measured>>,
    standings: watch::Sender<Standings>,
}

/// By the names of the hosts that are followed: none where it answers, why it does not in words where it does not, and
/// nothing where neither is known yet.
pub type Standings = BTreeMap<String, Option<String>>;

enum News {
    Told(String, Followed),
    Gone(String),
}

impl Measuring {
    /// Begins, with nobody to follow yet.
    pub fn begin() -> Self {
        let begun = Instant::now();
        let (news, told) = mpsc::channel(BATCHES);
        let (batches, followed) = mpsc::channel(BATCHES);
        let (shown, pictures) = watch::channel(Arc::new(Measured::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(gather(told, batches, begun));
        // Nobody asks for the history of what is looked at for a while.
        let (_, asked) = mpsc::channel(1);
        tasks.spawn(measure(followed, asked, None, shown, begun));
        Self {
            news,
            following: HashMap::new(),
            pace: AskPace::default(),
            tasks,
            pictures,
            standings: watch::Sender::default(),
        }
    }

    /// Follows a host under a name that is its alone, from what it kept of the time before. One that is followed
    /// already goes on being followed as it is.
    pub fn follow(&mut self, name: &str, host: HostAddress) {
        if self.following.contains_key(name) {
            return;
        }
        let (stay, stop) = oneshot::channel();
        self.following.insert(name.to_owned(), stay);
        self.pace.know(self.following.len());
        // Reaped now and then: a cluster has pods come and go for days.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(one(
            name.to_owned(),
            host,
            self.pace.clone(),
            self.news.clone(),
            self.standings.clone(),
            stop,
        ));
    }

    /// Ends following a host. What it told stays in the figures.
    pub fn forget(&mut self, name: &str) {
        self.following.remove(name);
        self.pace.know(self.following.len());
    }

    /// What was measured, whenever it changes.
    pub fn pictures(&self) -> watch::Receiver<Arc<Measured>> {
        self.pictures.clone()
    }

    /// How the hosts that are followed answer, whenever that changes.
    pub fn standings(&self) -> watch::Receiver<Standings> {
        self.standings.subscribe()
    }
}

/// Follows one host until nobody wants that any more.
async fn one(
    name: String,
    host: HostAddress,
    pace: AskPace,
    news: Sender<News>,
    standings: watch::Sender<Standings>,
    stop: oneshot::Receiver<()>,
) {
    let (sender, mut batches) = mpsc::channel(OF_ONE);
    let hear = |trouble: Option<String>| {
        standings.send_if_modified(|all| all.insert(name.clone(), trouble.clone()) != Some(trouble));
    };
    let following = async {
        if let Err(error) = follow_telling(host, pace, sender, hear).await {
            hear(Some(error.to_string()));
        }
    };
    let handing_on = async {
        while let Some(followed) = batches.recv().await {
            if news.send(News::Told(name.clone(), followed)).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = async { tokio::join!(following, handing_on) } => {}
        // The sender says nothing: it is dropped.
        _ = stop => {}
    }
    standings.send_modify(|all| drop(all.remove(&name)));
    // Nobody takes it only where everything has ended.
    drop(news.send(News::Gone(name.clone())).await);
}

/// Hands on what hosts tell, added up, until nobody listens.
async fn gather(mut told: Receiver<News>, batches: Sender<Followed>, begun: Instant) {
    let mut gather = Gather::default();
    loop {
        let wait = gather.wait(begun.elapsed());
        let ready = tokio::select! {
            news = told.recv() => match news {
                Some(News::Told(host, followed)) => vec![gather.take(begun.elapsed(), &host, followed)],
                Some(News::Gone(host)) => gather.forget(&host).into_iter().collect(),
                None => return,
            },
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => gather.release(begun.elapsed()),
        };
        for followed in ready {
            if batches.send(followed).await.is_err() {
                return;
            }
        }
    }
}
