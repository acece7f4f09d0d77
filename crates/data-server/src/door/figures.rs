//! What the door has seen of endpoints: open requests, latencies, and those that do not answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data::view::EndpointLook;
use parking_lot::Mutex;
use protocol::near::peak_latency;

/// An endpoint that could not be connected to is the last one to be asked for so long.
const REST: Duration = Duration::from_secs(1);

/// What was seen of all endpoints, by name.
#[derive(Clone, Default)]
pub(crate) struct EndpointFigures(Arc<Mutex<Figures>>);

#[derive(Default)]
struct Figures {
    endpoints: BTreeMap<String, EndpointFigure>,
    /// By bucket.
    turns: BTreeMap<String, u64>,
}

#[derive(Default)]
struct EndpointFigure {
    open: u32,
    /// Peak of its moving mean, in nanoseconds.
    latency: u64,
    requests: u64,
    trouble: Option<(String, Instant)>,
}

/// What a policy looks at.
pub(super) struct SeenEndpoint {
    pub(super) open: u32,
    pub(super) latency: u64,
    pub(super) is_away: bool,
}

/// A request that an endpoint has not answered to its end.
pub(super) struct OpenRequest {
    figures: EndpointFigures,
    endpoint: String,
}

impl EndpointFigures {
    pub(super) fn seen(&self, endpoint: &str) -> SeenEndpoint {
        let known = self.0.lock();
        let Some(of) = known.endpoints.get(endpoint) else {
            return SeenEndpoint { open: 0, latency: 0, is_away: false };
        };
        let is_away = of.trouble.as_ref().is_some_and(|(_, since)| since.elapsed() < REST);
        SeenEndpoint { open: of.open, latency: of.latency, is_away }
    }

    /// Counts the requests of a bucket.
    pub(super) fn turn(&self, bucket: &str) -> u64 {
        let mut known = self.0.lock();
        match known.turns.get_mut(bucket) {
            Some(turn) => {
                *turn += 1;
                *turn
            }
            None => {
                known.turns.insert(bucket.to_owned(), 0);
                0
            }
        }
    }

    pub(super) fn open(&self, endpoint: &str) -> OpenRequest {
        self.0.lock().endpoints.entry(endpoint.to_owned()).or_default().open += 1;
        OpenRequest { figures: self.clone(), endpoint: endpoint.to_owned() }
    }

    /// It answered within this time.
    pub(super) fn answered(&self, endpoint: &str, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let mut known = self.0.lock();
        let of = known.endpoints.entry(endpoint.to_owned()).or_default();
        of.latency = if of.requests == 0 { took } else { peak_latency(of.latency, took) };
        of.requests += 1;
        if of.trouble.take().is_some() {
            eprintln!("dyninka: the endpoint {endpoint} answers again");
        }
    }

    /// A request did not come to it, or did not come to its end.
    pub(super) fn failed(&self, endpoint: &str, why: &str) {
        let mut known = self.0.lock();
        let of = known.endpoints.entry(endpoint.to_owned()).or_default();
        if of.trouble.replace((why.to_owned(), Instant::now())).is_none() {
            eprintln!("dyninka: the endpoint {endpoint} does not answer: {why}");
        }
    }

    /// Adds what was seen of an endpoint.
    pub(crate) fn show(&self, endpoint: &str, look: &mut EndpointLook) {
        if let Some(of) = self.0.lock().endpoints.get(endpoint) {
            look.requests = of.requests;
            look.trouble = of.trouble.as_ref().map(|(why, _)| why.clone());
        }
    }

    /// Forgets endpoints and buckets that are not there any more.
    pub(super) fn keep(&self, is_endpoint: impl Fn(&str) -> bool, is_bucket: impl Fn(&str) -> bool) {
        let mut known = self.0.lock();
        known.endpoints.retain(|name, of| of.open > 0 || is_endpoint(name));
        known.turns.retain(|name, _| is_bucket(name));
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if let Some(of) = self.figures.0.lock().endpoints.get_mut(&self.endpoint) {
            of.open = of.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_requests_latencies_and_troubles_are_those_of_each_endpoint() {
        let figures = EndpointFigures::default();
        let held = [figures.open("a"), figures.open("a"), figures.open("b")];
        assert_eq!((figures.seen("a").open, figures.seen("b").open, figures.seen("c").open), (2, 1, 0));
        figures.answered("a", Duration::from_nanos(800));
        figures.answered("a", Duration::from_nanos(80));
        assert_eq!(figures.seen("a").latency, 710);
        figures.failed("b", "refused");
        assert!(figures.seen("b").is_away && !figures.seen("a").is_away);
        let mut look = EndpointLook::default();
        figures.show("b", &mut look);
        assert_eq!((look.trouble.as_deref(), look.requests), (Some("refused"), 0));
        figures.answered("b", Duration::ZERO);
        assert!(!figures.seen("b").is_away);
        assert_eq!([figures.turn("x"), figures.turn("x"), figures.turn("y"), figures.turn("x")], [0, 1, 0, 2]);
        // What is open is still counted down.
        figures.keep(|name| name == "b", |_| false);
        assert_eq!((figures.seen("a").open, figures.turn("x")), (2, 0));
        drop(held);
        figures.keep(|name| name == "b", |_| false);
        assert_eq!((figures.seen("a").latency, figures.seen("b").open), (0, 0));
    }
}
