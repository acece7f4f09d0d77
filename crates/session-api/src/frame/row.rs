//! Figures as rows of numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measured::{EdgeWindow, HopPercentiles, MeasuredHop, Window};

/// A service over one window, as an array. Times are microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FigureRow(
    /// Requests.
    pub u64,
    /// Of those, answered with an error.
    pub u64,
    /// Requests a second, to a hundredth.
    pub f64,
    /// p50, p90, p99, and the longest.
    pub [u64; 4],
    /// p50 in the function, waiting for upstream services, on the network, and of everything else.
    pub [u64; 4],
    /// Requests that are being answered at this moment.
    pub u32,
    /// Requests to other services that were tried again, since the service's host began.
    pub u64,
);

/// Calls of one service to another over the last minute, as an array. Times are microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeRow(
    /// Calls.
    pub u64,
    /// Of those, answered with an error or not at all.
    pub u64,
    /// Calls a second, to a hundredth.
    pub f64,
    /// p50 and p99 of what was waited.
    pub [u64; 2],
    /// p50 on the network.
    pub u64,
);

impl FigureRow {
    pub(super) fn of(hop: &MeasuredHop, window: &Window) -> Self {
        let HopPercentiles { p50, p90, p99, max } = window.total;
        let parts = [window.function.p50, window.upstream.p50, window.network.p50, window.overhead.p50];
        Self(window.n, window.errors, hundredths(window.rate), [p50, p90, p99, max], parts, hop.in_flight, hop.retries)
    }

    /// The window, as far as a row has it.
    pub(super) fn window(&self, seconds: u32) -> Window {
        let half = |p50| HopPercentiles { p50, ..HopPercentiles::default() };
        let [p50, p90, p99, max] = self.3;
        let [function, upstream, network, overhead] = self.4.map(half);
        let total = HopPercentiles { p50, p90, p99, max };
        let (n, errors, rate) = (self.0, self.1, self.2);
        Window { seconds, n, errors, rate, total, function, upstream, network, overhead, histogram: Vec::new() }
    }
}

impl EdgeRow {
    pub(super) fn of(window: &EdgeWindow) -> Self {
        let wait = [window.wait.p50, window.wait.p99];
        Self(window.n, window.errors, hundredths(window.rate), wait, window.network.p50)
    }

    /// The window, as far as a row has it.
    pub(super) fn window(&self) -> EdgeWindow {
        EdgeWindow {
            n: self.0,
            errors: self.1,
            rate: self.2,
            wait: HopPercentiles { p50: self.3[0], p99: self.3[1], ..HopPercentiles::default() },
            network: HopPercentiles { p50: self.4, ..HopPercentiles::default() },
        }
    }
}

/// Few digits travel, and nobody reads more.
fn hundredths(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}
