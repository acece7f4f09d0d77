//! From frames to snapshots.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::SessionFrame;
use crate::measured::MeasuredHop;
use crate::push::PushView;
use crate::snapshot::{EditLine, ServiceView, Snapshot};

/// Makes snapshots of frames. Of what was measured they hold what frames do: no histogram, and no comparison with the
/// version before an edit.
#[derive(Debug, Default)]
pub struct FrameFollower {
    seq: u64,
    small: Map<String, Value>,
    services: BTreeMap<String, ServiceView>,
    order: Vec<String>,
    edits: BTreeMap<u64, EditLine>,
    pushes: BTreeMap<u64, PushView>,
    /// What is neither small nor by entries.
    rest: Snapshot,
}

/// A frame that cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Frames are missing before it.
    #[error("frame {found} follows frame {known}: what is between them is missing")]
    Missing {
        /// The last one that was applied.
        known: u64,
        /// The one that came.
        found: u64,
    },
    /// A field is not as this version knows it.
    #[error("cannot understand a frame: {0}")]
    Strange(#[from] serde_json::Error),
}

impl FrameFollower {
    /// Applies a frame, and answers with the session as it is then.
    ///
    /// # Errors
    /// Frames are missing, or fields are not as this version knows them. The first frame of a writer mends both.
    pub fn apply(&mut self, frame: SessionFrame) -> Result<Snapshot, FollowError> {
        if frame.seq == 1 {
            *self = Self::default();
        } else if frame.seq != self.seq + 1 {
            return Err(FollowError::Missing { known: self.seq, found: frame.seq });
        }
        self.seq = frame.seq;
        self.rest.now_ms = frame.now_ms;
        self.small.extend(frame.set);
        self.take_entries(&frame.gone);
        self.services.extend(frame.services);
        self.edits.extend(frame.edits);
        self.pushes.extend(frame.pushes);
        self.order = frame.order.unwrap_or_else(|| std::mem::take(&mut self.order));
        self.rest.edges = frame.edges.unwrap_or_else(|| std::mem::take(&mut self.rest.edges));
        self.rest.types = frame.types.unwrap_or_else(|| std::mem::take(&mut self.rest.types));
        self.rest.traces = frame.traces.unwrap_or_else(|| std::mem::take(&mut self.rest.traces));
        for (seconds, rows) in frame.figures {
            for (service, row) in rows {
                let hop = self.rest.hops.entry(service).or_default();
                (hop.in_flight, hop.retries) = (row.5, row.6);
                put(hop, seconds, row.window(seconds));
            }
        }
        for (service, seconds) in frame.seconds {
            self.rest.hops.entry(service).or_default().per_second = seconds;
        }
        for (from, rows) in frame.calls {
            let calls = rows.into_iter().map(|(to, row)| (to, row.window())).collect();
            self.rest.calls.insert(from, calls);
        }
        self.snapshot()
    }

    fn take_entries(&mut self, gone: &super::Gone) {
        for service in &gone.services {
            self.services.remove(service);
            self.rest.hops.remove(service);
        }
        gone.edits.iter().for_each(|edit| drop(self.edits.remove(edit)));
        gone.pushes.iter().for_each(|push| drop(self.pushes.remove(push)));
        gone.calls.iter().for_each(|from| drop(self.rest.calls.remove(from)));
    }

    fn snapshot(&self) -> Result<Snapshot, FollowError> {
        let mut small = self.small.clone();
        // Entries, which are put in below.
        for (name, empty) in [
            ("now_ms", json!(0)),
            ("services", json!([])),
            ("edges", json!([])),
            ("types", json!({})),
            ("edits", json!([])),
            ("hops", json!({})),
            ("traces", json!([])),
        ] {
            small.insert(name.to_owned(), empty);
        }
        let small: Snapshot = serde_json::from_value(Value::Object(small))?;
        Ok(Snapshot {
            now_ms: self.rest.now_ms,
            services: self.order.iter().filter_map(|name| self.services.get(name)).cloned().collect(),
            edges: self.rest.edges.clone(),
            types: self.rest.types.clone(),
            edits: self.edits.values().cloned().collect(),
            pushes: self.pushes.values().cloned().collect(),
            hops: self.rest.hops.clone(),
            calls: self.rest.calls.clone(),
            traces: self.rest.traces.clone(),
            ..small
        })
    }
}

/// Puts a window where its length belongs, shortest first.
fn put(hop: &mut MeasuredHop, seconds: u32, window: crate::measured::Window) {
    match hop.windows.binary_search_by_key(&seconds, |known| known.seconds) {
        Ok(at) => hop.windows[at] = window,
        Err(at) => hop.windows.insert(at, window),
    }
}
