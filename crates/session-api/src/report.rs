//! What a session tells the world: the JSON lines of `dyn dev --json`, and what the faces draw from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::push::{PushView, RollState};
use crate::verdict::Verdict;

/// One event. Its JSON form carries the kind in `event`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Report {
    /// Something a user should know and need not act on: a fallback and its reason, crates being fetched.
    Notice {
        /// The text, in words.
        message: String,
    },
    /// A service's library is being built.
    Building {
        /// The edit, 0 for the start.
        edit: u64,
        /// Rust name.
        service: String,
    },
    /// A service's library is there.
    Built {
        /// The edit, 0 for the start.
        edit: u64,
        /// Rust name.
        service: String,
        /// `service@hash`.
        version: String,
        /// False where it was there already.
        compiled: bool,
        /// How many services that one call of rustc compiled, where there were several.
        #[serde(skip_serializing_if = "Option::is_none")]
        with: Option<usize>,
        /// Milliseconds in rustc and linker.
        ms: f64,
    },
    /// Every service of the app serves.
    Ready {
        /// The public listener: where the last service answers.
        url: String,
        /// `docker` or `process`.
        backend: String,
        /// Every service, in the order of the file.
        services: Vec<ServiceAddress>,
        /// Milliseconds since the session began.
        ms: f64,
    },
    /// A save that changed no meaning: nothing is built, nothing restarted.
    Unchanged {
        /// The edit.
        edit: u64,
        /// Milliseconds from the settled save.
        ms: f64,
    },
    /// The services that an edit changed serve.
    Live {
        /// The edit.
        edit: u64,
        /// The services that are new or changed.
        services: Vec<Taken>,
        /// The services that are gone, with all that was made for them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
        /// Whether services feed each other in another way now.
        flow: bool,
        /// The parts of the time.
        ms: EditTimes,
    },
    /// The verdict of recorded inputs on a service's new code, once it is live.
    Verdict {
        /// The edit.
        edit: u64,
        /// Milliseconds since it was asked: since the edit was live, unless it was asked again.
        ms: f64,
        /// The verdict.
        #[serde(flatten)]
        verdict: Box<Verdict>,
    },
    /// An edit's effect on the results of functions is not known.
    Unjudged {
        /// The edit.
        edit: u64,
        /// The reason, in words.
        why: String,
    },
    /// A later save came before what an edit changed was served.
    Superseded {
        /// The edit.
        edit: u64,
        /// The later one.
        by: u64,
    },
    /// A new version was not taken over; the one before serves on.
    RolledBack {
        /// The edit.
        edit: u64,
        /// Rust name.
        service: String,
        /// The reason, in words.
        why: String,
    },
    /// The app as it stands cannot be built; what served before still serves.
    Broken {
        /// The edit, 0 for the start.
        edit: u64,
        /// Errors first, in the shape of `check --json`.
        diagnostics: Vec<app::Diagnostic>,
    },
    /// The plan of a push or rollback, service by service.
    Plan {
        /// All of it.
        #[serde(flatten)]
        push: Box<PushView>,
    },
    /// A service of a push goes on.
    Pushing {
        /// The number of the push within this session.
        push: u64,
        /// Rust name.
        service: String,
        /// The state.
        #[serde(flatten)]
        state: RollState,
    },
    /// A push or rollback came to its end, whichever.
    Pushed {
        /// All of it.
        #[serde(flatten)]
        push: Box<PushView>,
    },
    /// A line a service wrote.
    Log {
        /// Rust name.
        service: String,
        /// `stdout` or `stderr`; `dropped` where the line tells how many lines are missing in its place.
        stream: &'static str,
        /// Without its line end.
        line: String,
    },
    /// A service does not answer.
    Down {
        /// Rust name.
        service: String,
        /// The reason, in words.
        why: String,
        /// When it is started again, in milliseconds from now.
        #[serde(skip_serializing_if = "Option::is_none")]
        restart_ms: Option<u64>,
    },
    /// A service that was down answers again, with the latest code.
    Up {
        /// Rust name.
        service: String,
        /// `service@hash`.
        version: String,
        /// Whether it was started again: its placed state began anew. Otherwise it stood still, and goes on.
        anew: bool,
    },
    /// A service that runs went on in another host. No request of it failed.
    Moved {
        /// Rust name.
        service: String,
        /// The host it left.
        from: String,
        /// The host it runs in.
        to: String,
        /// The reason, in words.
        why: String,
        /// The fate of each placed value.
        states: BTreeMap<String, Fate>,
        /// The parts of the time.
        ms: MoveTimes,
    },
    /// Services were to go on in another host, and stay where they are.
    Stayed {
        /// Rust names.
        services: Vec<String>,
        /// The reason, in words.
        why: String,
    },
    /// The session cannot go on.
    Failed {
        /// The text, in words.
        message: String,
        /// A hint at a remedy.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// Everything is stopped and removed.
    Stopped,
}

/// A service whose new version serves.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Taken {
    /// Rust name.
    pub name: String,
    /// The change, in terms of the source.
    pub reason: String,
    /// `service@hash`.
    pub version: String,
    /// The fate of each placed value.
    pub state: BTreeMap<String, Fate>,
    /// The process of its host on this machine; edits keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// The fate of a placed value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "lowercase")]
pub enum Fate {
    /// The very value, in place.
    Kept,
    /// Through JSON: the new type reads what the old one wrote.
    Carried {
        /// The reason why it was not kept in place.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// Its initial value.
    Reset {
        /// The reason, in words.
        why: String,
    },
    /// A value that was not there before.
    New,
}

/// Milliseconds of an edit, which add up to `total`: from the first sign of the save to the first answer of the new code,
/// which is to the session's own question whether it is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EditTimes {
    /// Until the files rested.
    pub settle: f64,
    /// Reading and comparing.
    pub parse: f64,
    /// rustc and linker, the longest of the services.
    pub build: f64,
    /// From the last library until the last host switched to it.
    pub takeover: f64,
    /// From there to the first answer, and to whatever else the edit asked for: routes told, services removed.
    pub first_response: f64,
    /// All of it.
    pub total: f64,
}

/// Milliseconds of a service's way to another host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MoveTimes {
    /// Until it was open there; here it answered meanwhile.
    pub open: f64,
    /// Until its last request here had ended; new ones waited.
    pub hold: f64,
    /// Until its placed values were there. Who waited is answered from then on.
    pub carry: f64,
    /// From its beginning until every caller knew the new host.
    pub total: f64,
}

/// The address of a service from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceAddress {
    /// Rust name.
    pub name: String,
    /// Ends in `/`.
    pub url: String,
    /// `service@hash`.
    pub version: String,
    /// The process of its host on this machine; none: its backend runs elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}
