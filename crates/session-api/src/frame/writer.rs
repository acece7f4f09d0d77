//! From snapshots to frames.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{EdgeRow, FigureRow, MANY_SERVICES, PACE_MS, SessionFrame};
use crate::measured::MeasuredHop;
use crate::snapshot::Snapshot;

/// Says what changed since the frame before, for one reader.
#[derive(Debug, Default)]
pub struct FrameWriter {
    seq: u64,
    /// The snapshot that the reader has, its figures aside.
    known: Option<Arc<Snapshot>>,
    small: BTreeMap<&'static str, Value>,
    figures: BTreeMap<u32, BTreeMap<String, FigureRow>>,
    seconds: BTreeMap<String, Vec<u32>>,
    calls: BTreeMap<String, BTreeMap<String, EdgeRow>>,
    /// When figures of the shortest window, and when others were looked at, in milliseconds.
    looked: [Option<u64>; 2],
}

/// Small fields that change with every request: they come at the pace of figures.
const PACED: [&str; 2] = ["recording", "dropped"];

impl FrameWriter {
    /// The frame that brings a reader to this snapshot; none where nothing changed that is due.
    pub fn frame(&mut self, snapshot: &Arc<Snapshot>) -> Option<SessionFrame> {
        let before = self.known.replace(snapshot.clone());
        let mut frame = SessionFrame { seq: self.seq + 1, now_ms: snapshot.now_ms, ..SessionFrame::default() };
        self.parts(before.as_deref(), snapshot, &mut frame);
        self.figures(snapshot, &mut frame);
        if frame.is_empty() && before.is_some() {
            return None;
        }
        self.seq += 1;
        Some(frame)
    }

    fn parts(&mut self, before: Option<&Snapshot>, now: &Snapshot, frame: &mut SessionFrame) {
        let is_quick = self.is_due(0, now, PACE_MS[0]);
        for (name, value) in small(now).into_iter().filter(|(name, _)| is_quick || !PACED.contains(name)) {
            if self.small.get(name) != Some(&value) {
                frame.set.insert(name.to_owned(), value.clone());
                self.small.insert(name, value);
            }
        }
        let none = Snapshot::default();
        let was = before.unwrap_or(&none);
        let names = |snapshot: &Snapshot| -> Vec<String> {
            snapshot.services.iter().map(|service| service.name.clone()).collect()
        };
        if before.is_none() || names(was) != names(now) {
            frame.order = Some(names(now));
        }
        let services = entries(&was.services, &now.services, |service| service.name.clone());
        (frame.services, frame.gone.services) = services;
        (frame.edits, frame.gone.edits) = entries(&was.edits, &now.edits, |edit| edit.edit);
        (frame.pushes, frame.gone.pushes) = entries(&was.pushes, &now.pushes, |push| push.push);
        frame.edges = (before.is_none() || was.edges != now.edges).then(|| now.edges.clone());
        frame.types = (before.is_none() || was.types != now.types).then(|| now.types.clone());
        for gone in &frame.gone.services {
            for rows in self.figures.values_mut() {
                rows.remove(gone);
            }
            self.seconds.remove(gone);
        }
    }

    fn is_due(&self, which: usize, now: &Snapshot, pace: u64) -> bool {
        self.looked[which].is_none_or(|at| now.now_ms.saturating_sub(at) >= pace)
    }

    fn figures(&mut self, now: &Snapshot, frame: &mut SessionFrame) {
        let slow = if now.services.len() > MANY_SERVICES { PACE_MS[1] } else { PACE_MS[0] };
        let (quick, others) = (self.is_due(0, now, PACE_MS[0]), self.is_due(1, now, slow));
        if quick {
            self.looked[0] = Some(now.now_ms);
            self.rows(now, true, frame);
        }
        if others {
            self.looked[1] = Some(now.now_ms);
            self.rows(now, false, frame);
            for (service, hop) in known(now) {
                if self.seconds.get(service) != Some(&hop.per_second) {
                    self.seconds.insert(service.clone(), hop.per_second.clone());
                    frame.seconds.insert(service.clone(), hop.per_second.clone());
                }
            }
            let calls = now.calls.iter().map(|(from, calls)| {
                (from.clone(), calls.iter().map(|(to, window)| (to.clone(), EdgeRow::of(window))).collect())
            });
            let calls: BTreeMap<String, BTreeMap<String, EdgeRow>> = calls.collect();
            frame.gone.calls = self.calls.keys().filter(|from| !calls.contains_key(*from)).cloned().collect();
            let changed = calls.iter().filter(|(from, rows)| self.calls.get(*from) != Some(rows));
            frame.calls = changed.map(|(from, rows)| (from.clone(), rows.clone())).collect();
            self.calls = calls;
            // Requests kept whole are figures, too: the latest is another one all the time.
            let traces = serde_json::to_value(&now.traces).unwrap_or_default();
            if self.small.get("traces") != Some(&traces) {
                self.small.insert("traces", traces);
                frame.traces = Some(now.traces.clone());
            }
        }
    }

    /// Rows that changed: of the shortest window, or of all others.
    fn rows(&mut self, now: &Snapshot, shortest: bool, frame: &mut SessionFrame) {
        for (service, hop) in known(now) {
            let windows = hop.windows.iter().enumerate().filter(|(at, _)| (*at == 0) == shortest);
            for (_, window) in windows {
                let row = FigureRow::of(hop, window);
                let rows = self.figures.entry(window.seconds).or_default();
                if rows.get(service) != Some(&row) {
                    rows.insert(service.clone(), row);
                    frame.figures.entry(window.seconds).or_default().insert(service.clone(), row);
                }
            }
        }
    }
}

/// What was measured of the services that there are: of one that is gone nothing is told any more.
fn known(now: &Snapshot) -> impl Iterator<Item = (&String, &MeasuredHop)> {
    now.hops.iter().filter(|(service, _)| now.service(service).is_some())
}

/// The entries that are new or changed, and the keys of those that are gone.
fn entries<T: Clone + PartialEq, K: Ord>(was: &[T], now: &[T], key: impl Fn(&T) -> K) -> (BTreeMap<K, T>, Vec<K>) {
    let known: BTreeMap<K, &T> = was.iter().map(|entry| (key(entry), entry)).collect();
    let there: BTreeMap<K, &T> = now.iter().map(|entry| (key(entry), entry)).collect();
    let gone = was.iter().map(&key).filter(|key| !there.contains_key(key)).collect();
    let changed = there.into_iter().filter(|(key, entry)| known.get(key) != Some(entry));
    (changed.map(|(key, entry)| (key, entry.clone())).collect(), gone)
}

/// The fields that are small enough to be told whole. A field that is added to [`Snapshot`] is added here, or as entries
/// above.
fn small(snapshot: &Snapshot) -> [(&'static str, Value); 19] {
    let Snapshot {
        app,
        file,
        pid,
        debug,
        now_ms: _,
        phase,
        backend,
        url,
        edit,
        services: _,
        hosts,
        flow,
        edges: _,
        types: _,
        edits: _,
        cluster,
        pushes: _,
        totals,
        diagnostics,
        notices,
        hops: _,
        calls: _,
        traces: _,
        pictures: _,
        dropped,
        recording,
        jobs,
        data,
        transport,
    } = snapshot;
    [
        ("app", value(app)),
        ("file", value(file)),
        ("pid", value(pid)),
        ("debug", value(debug)),
        ("phase", value(phase)),
        ("backend", value(backend)),
        ("url", value(url)),
        ("edit", value(edit)),
        ("hosts", value(hosts)),
        ("flow", value(flow)),
        ("cluster", value(cluster)),
        ("totals", value(totals)),
        ("diagnostics", value(diagnostics)),
        ("jobs", value(jobs)),
        ("data", value(data)),
        ("transport", value(transport)),
        ("notices", value(notices)),
        ("dropped", value(dropped)),
        ("recording", value(recording)),
    ]
}

/// Plain data always has a JSON form.
fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}
