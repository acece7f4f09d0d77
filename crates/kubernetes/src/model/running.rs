//! What runs on a cluster, as its objects tell.

use std::collections::{BTreeMap, BTreeSet};

use app::Wire;
use serde::Serialize;

use crate::object::CALLS;

/// What of an app runs in a namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunningApp {
    /// A service once for each wire form that still has pods, and in each place: while callers go over from one form to another
    /// there are two.
    pub services: Vec<RunningService>,
    /// The app's text as of the last push, where it is kept.
    pub source: Option<String>,
}

/// A service that runs, in one wire form.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunningService {
    /// Rust name.
    pub name: String,
    /// Its DNS label.
    #[serde(skip)]
    pub dns: String,
    /// Name of its Deployment, which services of a group share.
    pub object: String,
    /// The group whose pods it runs in; none: it has pods of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The place of its pods; none: they are wherever there is room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Where it listens in its pods.
    #[serde(skip)]
    pub port: u16,
    /// The labels of its pods: `key=value,…`.
    #[serde(skip)]
    pub pods: String,
    /// `service@hash`.
    pub version: String,
    /// Hash of its inputs' and output's wire form.
    pub wire: String,
    /// Whether the service's plain name leads to this form: what is not current is only there for callers of old.
    pub current: bool,
    /// Its image, by digest.
    pub image: String,
    /// Wanted pods.
    pub replicas: u32,
    /// Pods that are ready.
    pub ready: u32,
    /// The Deployment's revision.
    pub revision: u64,
    /// Who pushed it, where that is known.
    pub pushed_by: Option<String>,
    /// When, RFC 3339.
    pub pushed_at: Option<String>,
    /// File name of the library in the image.
    pub library: Option<String>,
    /// Hash of what its host is told, the library left out.
    pub routes: String,
    /// Hash of its settings, the number of pods left out.
    pub settings: String,
    /// Fields that are not as they were applied, in words.
    pub drift: Vec<String>,
    /// What it reaches, by label, each with its hash: for the reasons of a change.
    #[serde(skip)]
    pub reaches: BTreeMap<String, String>,
    /// Its wire form itself; none where it cannot be read.
    #[serde(skip)]
    pub form: Option<Wire>,
}

impl RunningService {
    /// Rust names of the services its body calls, as it runs, whatever the source says by now.
    pub fn calls(&self) -> BTreeSet<String> {
        let called = |label: &String| Some(label.strip_prefix(CALLS)?.strip_suffix("()")?.to_owned());
        self.reaches.keys().filter_map(called).collect()
    }
}

impl RunningApp {
    /// The form of a service that its plain name leads to.
    pub fn current(&self, service: &str) -> Option<&RunningService> {
        self.services.iter().find(|running| running.name == service && running.current)
    }

    /// The pods of the current form, in all places.
    pub fn replicas(&self, service: &str) -> Option<u32> {
        let mut current = self.services.iter().filter(|running| running.name == service && running.current).peekable();
        current.peek()?;
        Some(current.map(|running| running.replicas).sum())
    }

    /// A service as a Deployment runs it.
    pub fn within(&self, object: &str, service: &str) -> Option<&RunningService> {
        self.services.iter().find(|running| running.name == service && running.object == object)
    }

    /// Rust names of the services that run in a Deployment.
    pub fn sharing(&self, object: &str) -> BTreeSet<&str> {
        let there = self.services.iter().filter(|running| running.object == object);
        there.map(|running| running.name.as_str()).collect()
    }
}
