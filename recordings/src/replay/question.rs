//! What is asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::cases::{self, Chosen};
use super::verdict::ReplayVerdict;
use super::{Known, Runner, judge};
use crate::compare::Rules;
use crate::request::{Keyframe, Request};
use protocol::body::Body;

/// What an edit changed, to be asked of recorded requests.
#[derive(Clone, Debug)]
pub struct Question {
    /// Every service there is now, by its Rust name.
    pub subjects: BTreeMap<String, Subject>,
    /// Newest first, each with its number. Large bodies are in them.
    pub requests: Vec<(u64, Arc<Request>)>,
    /// Placed state, in any order.
    pub keyframes: Vec<Arc<Keyframe>>,
    /// What counts as a difference.
    pub rules: Rules,
    /// How far it is looked.
    pub limits: ReplayLimits,
    /// Whether fields were blanked: then what was recorded is not what the code before makes of it.
    pub redacted: bool,
    /// What was stopped before, and is not run.
    pub known: Known,
}

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Its version before the edit; none where there is no code of it any more: then what was recorded stands for it.
    pub was: Option<String>,
    /// Its version now.
    pub now: String,
    /// What its inputs come from, in the order of its parameters.
    pub feeds: Vec<InputSource>,
    /// Whether it may be called again, and how.
    pub replay: Replay,
    /// Whether it has placed state: then the order of its calls means something.
    pub placed: bool,
}

/// Whether a function is run again, as its `#[service]` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replay {
    /// It says nothing: as long as it computes and does nothing else.
    #[default]
    Computing,
    /// `replay = true`: whatever it does.
    Always,
    /// `replay = false`.
    Never,
}

/// What an input comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum InputSource {
    /// A service, by its Rust name.
    Service(String),
    /// It stands in the flow.
    Literal(Body),
}

impl Subject {
    /// The services its inputs come from.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = (usize, &str)> {
        self.feeds.iter().enumerate().filter_map(|(at, feed)| match feed {
            InputSource::Service(service) => Some((at, service.as_str())),
            InputSource::Literal(_) => None,
        })
    }
}

/// How far it is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Recorded calls of a function that are run.
    pub calls: usize,
    /// How long one run may take.
    pub timeout: Duration,
    /// Rounds over all calls: two are made in any case, so that what differs by accident is seen, more for the times.
    pub rounds: usize,
    /// No round begins after this time, the first two excepted.
    pub budget: Duration,
    /// Differences that are told one by one.
    pub shown: usize,
}

impl Default for ReplayLimits {
    fn default() -> Self {
        Self {
            calls: 50,
            timeout: Duration::from_secs(1),
            rounds: 5,
            // Half of what a verdict may take after a save.
            budget: Duration::from_millis(50),
            shown: 100,
        }
    }
}

impl Question {
    /// What changed for one service, and what that changes downstream. To be given up, it is dropped: nothing but the
    /// runner's process knows of it.
    pub async fn judge<R: Runner>(&self, service: &str, runner: &mut R) -> Result<ReplayVerdict, R::Error> {
        judge::judge(self, service, runner).await
    }

    /// The recorded calls of a service that are run.
    pub(crate) fn choose(&self, service: &str, subject: &Subject) -> Chosen {
        if subject.placed { cases::ordered(self, service) } else { cases::distinct(self, service) }
    }
}
