//! What happened at a node, as CloudEvents, in bounded room.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Events that are kept.
const KEPT: usize = 1000;
/// What happens again and again is said so often.
const AGAIN: Duration = Duration::from_secs(60);

/// What an agent says to whoever started it.
#[derive(Clone, Debug)]
pub enum NodeSaid {
    /// A CloudEvent.
    Event(Value),
    /// A line that a service wrote.
    Line { service: String, line: String },
}

/// Hears what an agent says. It is called by whatever task has something to say, and may not wait.
pub type NodeListener = Arc<dyn Fn(NodeSaid) + Send + Sync>;

/// The events of a node.
pub(crate) struct EventLog {
    listener: NodeListener,
    source: String,
    kept: Mutex<(u64, VecDeque<(u64, Value)>)>,
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
        let event = json!({
            "specversion": "1.0",
            "id": number.to_string(),
            "source": self.source,
            "type": format!("dev.dyninka.{kind}"),
            "subject": subject,
            "time": jiff::Timestamp::now().to_string(),
            "datacontenttype": "application/json",
            "data": data,
        });
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
    pub(crate) fn after(&self, number: u64) -> Vec<Value> {
        self.kept.lock().1.iter().filter(|(at, _)| *at > number).map(|(_, event)| event.clone()).collect()
    }

    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}
