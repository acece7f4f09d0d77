//! What happened at a node, as CloudEvents, in bounded room.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Events that are kept.
const KEPT: usize = 1000;

/// The events of a node.
pub(crate) struct EventLog {
    source: String,
    kept: Mutex<(u64, VecDeque<(u64, Value)>)>,
    news: watch::Sender<u64>,
}

impl EventLog {
    pub(crate) fn new(fleet: &str, name: &str) -> Self {
        let source = format!("/fleets/{fleet}/nodes/{name}");
        Self { source, kept: Mutex::default(), news: watch::channel(0).0 }
    }

    /// Notes an event. `kind` follows `dev.dyninka.`.
    pub(crate) fn tell(&self, kind: &str, subject: &str, data: Value) {
        let mut kept = self.kept.lock();
        kept.0 += 1;
        let number = kept.0;
        tracing::info!(kind, subject, %data, "event");
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
        kept.1.push_back((number, event));
        if kept.1.len() > KEPT {
            kept.1.pop_front();
        }
        drop(kept);
        self.news.send_replace(number);
    }

    /// Events after a number.
    pub(crate) fn after(&self, number: u64) -> Vec<Value> {
        self.kept.lock().1.iter().filter(|(at, _)| *at > number).map(|(_, event)| event.clone()).collect()
    }

    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}
