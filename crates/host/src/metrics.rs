//! What a host counts and measures, as Prometheus reads it. Durations are in seconds.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// From 10 µs, what a small function takes, by factors of about 3 to 30 s, the default deadline.
const BUCKETS: [f64; 14] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// How a request ended that was answered with a value.
const VALUE: &str = "value";

pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Outcome, Counter>,
    /// Of the requests, those that ended in a value: nearly all, so they are not looked up.
    values: Counter,
    pub(crate) panics: Counter,
    pub(crate) in_flight: Gauge,
    function: Histogram,
    upstream: Histogram,
    swaps: Counter<u64, AtomicU64>,
    pub(crate) retries: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Metrics {
    pub(crate) fn new(service: &str) -> Self {
        let mut registry =
            Registry::with_prefix_and_labels("dyninka", [("service".into(), service.to_owned().into())].into_iter());
        let requests = Family::<Outcome, Counter>::default();
        let (panics, in_flight, swaps) = (Counter::default(), Gauge::default(), Counter::default());
        let retries = Counter::default();
        let (function, upstream) = (Histogram::new(BUCKETS), Histogram::new(BUCKETS));
        registry.register("requests", "Requests by how they ended", requests.clone());
        registry.register("panics", "Panics of the function", panics.clone());
        registry.register("in_flight", "Requests that are being answered", in_flight.clone());
        registry.register("function_seconds", "Time in the function", function.clone());
        registry.register("upstream_seconds", "Time waiting for the inputs", upstream.clone());
        registry.register("swaps", "Versions taken over", swaps.clone());
        let about = "Further attempts of requests to other services of which nothing had been sent";
        registry.register("retries", about, retries.clone());
        let values = requests.get_or_create(&Outcome { outcome: VALUE }).clone();
        Self { registry, requests, values, panics, in_flight, function, upstream, swaps, retries }
    }

    /// Counts an answer: `value`, `filtered`, or the kind of its problem.
    pub(crate) fn answered(&self, outcome: &'static str) {
        match outcome {
            VALUE => self.values.inc(),
            outcome => self.requests.get_or_create(&Outcome { outcome }).inc(),
        };
    }

    pub(crate) fn function_took(&self, nanos: u64) {
        self.function.observe(nanos as f64 / 1e9);
    }

    pub(crate) fn waited(&self, time: std::time::Duration) {
        self.upstream.observe(time.as_secs_f64());
    }

    /// For what others count.
    pub(crate) fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    pub(crate) fn swapped(&self) {
        self.swaps.inc();
    }

    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
