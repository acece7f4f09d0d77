//! A service as the session knows it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use app::App;
use local_cluster::{Doer, Environment};
use protocol::Config;
use session_api::Fate;

use crate::effect::Bring;
use crate::event::{Artifact, HostEndpoint};

/// Lines kept of what a service wrote, as its last words.
const LAST_WORDS: usize = 5;

/// A service as the session knows it.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) endpoint: Option<HostEndpoint>,
    pub(super) seating: bool,
    pub(super) host: Host,
    /// What its host goes by.
    pub(super) told: Option<Config>,
    pub(super) telling: bool,
    /// The environment it was started in.
    pub(super) given: Environment,
    /// It is being started anew, in another.
    pub(super) renewing: bool,
    /// It is on its way to another host.
    pub(super) moving: bool,
    /// Why one of its two hosts ended meanwhile, and whose doing that was.
    pub(super) fell: Option<(String, Doer)>,
    /// Whether that is all that its last edit did: its code is what it was.
    pub(super) renewed: bool,
    pub(super) build: Build,
    /// What the build that runs compiles.
    pub(super) compiling: Option<Arc<App>>,
    pub(super) artifact: Option<Kept>,
    /// The version that is being taken over.
    pub(super) swapping: Option<String>,
    /// Placed values to come from others with the next version.
    pub(super) bring: Vec<Bring>,
    /// The meaning that was not taken over, and why.
    pub(super) refused: Option<(String, String)>,
    /// How often the host ended while it took this meaning over.
    pub(super) deaths: u32,
    pub(super) live: Option<Live>,
    /// What served before that.
    pub(super) previous: Option<Live>,
    /// Wanted no more.
    pub(super) leaving: bool,
    pub(super) removing: bool,
    /// When its host was last seen to start, and how often it ended soon after.
    pub(super) begun: Duration,
    pub(super) crashes: u32,
    /// How often of these it was its own doing.
    pub(super) own_crashes: u32,
    /// When its host ended by its own doing, within the last minute.
    pub(super) own_ends: VecDeque<Duration>,
    pub(super) restarts: u32,
    /// Why it is down.
    pub(super) why: Option<String>,
    /// Its host was killed because it read nothing. The next one is waited for.
    pub(super) was_deaf: bool,
    /// Why its host is being killed.
    pub(super) condemned: Option<String>,
    pub(super) last_words: VecDeque<String>,
}

/// A service's host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Host {
    #[default]
    None,
    Starting,
    Up,
    Down,
}

/// A service's build.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Build {
    #[default]
    None,
    Running {
        ticket: u64,
        key: String,
    },
    Failed {
        key: String,
    },
}

/// A library, and the meaning it has.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) key: String,
    pub(super) app: Arc<App>,
    /// The reading of the file that it was compiled from.
    pub(super) built: Arc<App>,
    pub(super) artifact: Artifact,
}

/// What serves.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) key: String,
    /// The reading of the file that it has the meaning of.
    pub(super) app: Arc<App>,
    /// The reading of the file that it was compiled from: it names the places of that one.
    pub(super) built: Arc<App>,
    /// The places of its code that its host was told of, and how they differ from those.
    pub(super) placed_at: Option<String>,
    pub(super) moved: Option<Arc<protocol::Moved>>,
    pub(super) version: String,
    /// File name of its library.
    pub(super) library: String,
    pub(super) since: Duration,
    /// When the version was taken over, whatever was started again since.
    pub(super) taken: Duration,
    pub(super) states: BTreeMap<String, Fate>,
}

impl Service {
    pub(super) fn serves(&self, key: &str) -> bool {
        self.live.as_ref().is_some_and(|live| live.key == key)
    }

    pub(super) fn has_built(&self, key: &str) -> bool {
        self.artifact.as_ref().is_some_and(|kept| kept.key == key)
    }

    pub(super) fn has_failed(&self, key: &str) -> bool {
        matches!(&self.build, Build::Failed { key: failed } if failed == key)
            || self.refused.as_ref().is_some_and(|(refused, _)| refused == key)
    }

    /// The meaning whose build is running.
    pub(super) fn building(&self) -> Option<&str> {
        match &self.build {
            Build::Running { key, .. } => Some(key),
            Build::None | Build::Failed { .. } => None,
        }
    }

    /// Notes what it wrote.
    pub(super) fn said(&mut self, line: &str) {
        if self.last_words.len() == LAST_WORDS {
            self.last_words.pop_front();
        }
        self.last_words.push_back(line.to_owned());
    }

    /// What it wrote last, for who wants to know why it ended.
    pub(super) fn last_words(&self) -> String {
        if self.last_words.is_empty() {
            return String::new();
        }
        let words: Vec<&str> = self.last_words.iter().map(String::as_str).collect();
        format!("; it last wrote: {}", words.join(" / "))
    }
}
