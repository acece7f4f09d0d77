//! What happened at a node, as CloudEvents, in bounded room.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

/// Events that are kept.
const KEPT: usize = 1000;
/// What happens again and again is said so often.
const AGAIN: Duration = Duration::from_secs(60);

/// What happened at a node: a CloudEvent 1.0 (<https://github.com/cloudevents/spec>).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NodeEvent {
    /// `1.0`.
    pub specversion: String,
    /// Its number at this node, as text; numbers begin with 1 at each start.
    pub id: String,
    /// `/fleets/FLEET/nodes/NODE`.
    pub source: String,
    /// Such as `dev.dyninka.node.joined`, `dev.dyninka.service.shared`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name of the node, app or service that it is about.
    pub subject: String,
    /// When it happened, by RFC 3339 in UTC.
    pub time: String,
    /// `application/json`.
    pub datacontenttype: String,
    /// What else is to be said of it.
    pub data: Value,
}

/// What an agent says to whoever started it.
#[derive(Clone, Debug)]
pub enum NodeSaid {
    /// A CloudEvent.
    Event(NodeEvent),
    /// A line that a service wrote.
    Line { service: String, line: String },
}

/// Hears what an agent says. It is called by whatever task has something to say, and may not wait.
pub type NodeListener = Arc<dyn Fn(NodeSaid) + Send + Sync>;

/// The events of a node.
pub(crate) struct EventLog {
    listener: NodeListener,
    source: String,
    kept: Mutex<(u64, VecDeque<(u64, NodeEvent)>)>,
    /// What was said lately that would be said again and again.
    said: Mutex<HashMap<String, Instant>>,
    news: watch::Sender<u64>,
}

impl EventLog {
    pub(crate) fn new(fleet: &str, name: &str, listener: NodeListener) -> Self {
        let source = format!("/fleets/{fleet}/nodes/{name}");
        Self { listener, source, kept: Mutex::default(), said: Mutex::default(), news: watch::channel(0).0 }
    }

    /// Notes an event. `kind` follows `dev.dyninka.`.
    pub(crate) fn tell(&self, kind: &str, subject: &str, data: Value) {
        let mut kept = self.kept.lock();
        kept.0 += 1;
        let number = kept.0;
        let event = NodeEvent {
            specversion: "1.0".to_owned(),
            id: number.to_string(),
            source: self.source.clone(),
            kind: format!("dev.dyninka.{kind}"),
            subject: subject.to_owned(),
            time: jiff::Timestamp::now().to_string(),
            datacontenttype: "application/json".to_owned(),
            data,
        };
        (self.listener)(NodeSaid::Event(event.clone()));
        kept.1.push_back((number, event));
        if kept.1.len() > KEPT {
            kept.1.pop_front();
        }
        drop(kept);
        self.news.send_replace(number);
    }

    /// Notes an event that was not noted within the last minute.
    pub(crate) fn tell_once(&self, kind: &str, subject: &str, data: Value) {
        let mut said = self.said.lock();
        said.retain(|_, at| at.elapsed() < AGAIN);
        if said.len() < KEPT && said.insert(format!("{kind} {subject} {data}"), Instant::now()).is_none() {
            drop(said);
            self.tell(kind, subject, data);
        }
    }

    /// Events after a number.
    pub(crate) fn after(&self, number: u64) -> Vec<NodeEvent> {
        self.kept.lock().1.iter().filter(|(at, _)| *at > number).map(|(_, event)| event.clone()).collect()
    }

    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}
