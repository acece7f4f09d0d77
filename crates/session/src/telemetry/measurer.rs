//! What hosts measured, folded into what faces draw.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::fold::{self, CallFigures, Figures, Fold, HistorySpan, Measure};
use protocol::{Batch, Status};
use session_api::frame::MANY_SERVICES;
use session_api::measured::{
    EdgeWindow, HopComparison, HopPercentiles, LatencyHistory, LatencyPoint, MeasuredHop, MeasuredSpan, MoveComparison,
    SpeedVerdict, Trace, Window,
};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::telemetry::{Exporter, Followed};

/// Stretches of time that figures are over, and how often each is counted anew: the longer, the more there is to count
/// and the less it changes. Of many services ([`MANY_SERVICES`]) none is counted more often than calls: more figures than
/// a person reads in a second.
const WINDOWS: [(u64, Duration); 3] =
    [(10, Duration::from_millis(200)), (60, Duration::from_secs(1)), (300, Duration::from_secs(5))];
/// How often calls are counted anew: with the window of a minute.
const CALLS: Duration = Duration::from_secs(1);
/// What ended longer ago than this when it came is from before its host was asked.
const LATE: Duration = Duration::from_secs(2);
/// What a sparkline shows.
const SPARKLINE: Duration = Duration::from_secs(60);
/// Requests shown whole are the slowest and latest of this long.
const TRACES: Duration = Duration::from_secs(300);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// By service, by its Rust name.
    pub hops: BTreeMap<String, MeasuredHop>,
    /// What each service waited for others in the last minute: by the one that calls, then by the one that is called.
    pub calls: Calls,
    /// Versions that [`MeasuredHop::edit`] compares, by service: before and after.
    pub compared: BTreeMap<String, (String, String)>,
    /// Requests kept whole: the slowest of the last minutes first, then the latest.
    pub traces: Vec<Trace>,
    /// Requests that were counted but not measured in detail, or whose detail was lost on its way here.
    pub dropped: u64,
}

/// By the service that calls, then by the one that is called.
type Calls = BTreeMap<String, BTreeMap<String, EdgeWindow>>;

/// A question for a service's latency over time; nothing is answered where the service is not known.
#[derive(Debug)]
pub(crate) struct HistoryAsk {
    pub(crate) service: String,
    pub(crate) span: HistorySpan,
    pub(crate) reply: oneshot::Sender<Option<LatencyHistory>>,
}

/// [`measure`] on a thread of its own: to count over many services takes tens of milliseconds at a time, for which
/// neither saves nor front ends wait.
pub(crate) fn measure_apart(
    followed: Receiver<Followed>,
    asked: Receiver<HistoryAsk>,
    exporter: Option<Exporter>,
    shown: watch::Sender<Arc<Measured>>,
    begun: Instant,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let work = move || runtime.block_on(measure(followed, asked, exporter, shown, begun));
    // It ends once nobody sends any more.
    std::thread::Builder::new().name("measure".to_owned()).spawn(work).map(drop)
}

/// Folds what comes until nobody sends any more, and shows it.
pub(crate) async fn measure(
    mut followed: Receiver<Followed>,
    mut asked: Receiver<HistoryAsk>,
    exporter: Option<Exporter>,
    shown: watch::Sender<Arc<Measured>>,
    begun: Instant,
) {
    let mut fold = Fold::default();
    let mut windows: BTreeMap<String, [Window; 3]> = BTreeMap::new();
    let mut ways: BTreeMap<String, Ways> = BTreeMap::new();
    let mut calls = Calls::new();
    let mut due = [Duration::ZERO; 3];
    // What came changes windows that are seldom counted anew.
    let mut is_late = false;
    let mut ticks = tokio::time::interval(WINDOWS[0].1);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A session where nothing was called for longer than the longest window has nothing to count.
    let mut last_news: Option<Duration> = None;
    loop {
        tokio::select! {
            one = followed.recv() => {
                let Some(Followed { service, batch, otlp }) = one else { break };
                if let Some(exporter) = &exporter {
                    exporter.take(&batch, &otlp);
                }
                if batch.requests > 0 || !batch.spans.is_empty() || batch.in_flight > 0 {
                    last_news = Some(begun.elapsed());
                }
                is_late |= batch.spans.first().is_some_and(|span| age(&batch, span) > LATE);
                ways.insert(service.to_string(), Ways { retries: batch.retries, open: batch.open.clone() });
                fold.add(begun.elapsed(), &service, batch);
            }
            Some(HistoryAsk { service, span, reply }) = asked.recv() => {
                let points = fold.history(&service, span, begun.elapsed());
                // Whoever asked may be gone again.
                drop(reply.send(points.map(|points| history(span, &points))));
            }
            _ = ticks.tick(), if last_news.is_some() => {
                let now = begun.elapsed();
                if last_news.is_some_and(|at| now.saturating_sub(at) > fold::LONGEST_WINDOW + Duration::from_secs(5)) {
                    last_news = None;
                }
                fold.tick(now);
                let is_many = fold.services().nth(MANY_SERVICES).is_some();
                // Of many services once a second at most: where everything comes late, to count it all anew makes it later.
                if is_late && (!is_many || now >= due[1]) {
                    (due, is_late) = ([Duration::ZERO; 3], false);
                }
                let soonest = if is_many { CALLS } else { Duration::ZERO };
                let mut is_counted = false;
                for (at, (seconds, every)) in WINDOWS.into_iter().enumerate() {
                    if now < due[at] {
                        continue;
                    }
                    is_counted = true;
                    due[at] = now + every.max(soonest);
                    if every == CALLS {
                        calls = called(&fold, now);
                    }
                    for service in fold.services() {
                        if let Some(figures) = fold.figures(service, Duration::from_secs(seconds), now) {
                            windows.entry(service.to_string()).or_default()[at] = window(seconds, &figures);
                        }
                    }
                }
                if is_counted {
                    shown.send_replace(Arc::new(show(&fold, &windows, &ways, &calls, now)));
                }
            }
        }
    }
    if let Some(exporter) = exporter {
        exporter.end().await;
    }
}

fn age(batch: &Batch, span: &protocol::Span) -> Duration {
    Duration::from_nanos(batch.now.saturating_sub(span.start.saturating_add(span.total)))
}

/// How a service gets to others, as its host said last.
#[derive(Clone, Default)]
struct Ways {
    retries: u64,
    open: Vec<String>,
}

fn show(
    fold: &Fold,
    windows: &BTreeMap<String, [Window; 3]>,
    ways: &BTreeMap<String, Ways>,
    calls: &Calls,
    now: Duration,
) -> Measured {
    let mut measured = Measured { calls: calls.clone(), ..Measured::default() };
    for service in fold.services() {
        let name = service.to_string();
        let Some((in_flight, flow)) = fold.flow(service, SPARKLINE, now) else { continue };
        let comparison = fold.comparison(service, Measure::Function);
        if let Some(comparison) = &comparison {
            let versions = (comparison.before.version.to_string(), comparison.after.version.to_string());
            measured.compared.insert(name.clone(), versions);
        }
        let Ways { retries, open } = ways.get(&name).cloned().unwrap_or_default();
        let hop = MeasuredHop {
            retries,
            open,
            windows: windows.get(&name).map(|windows| windows.to_vec()).unwrap_or_default(),
            per_second: flow.iter().map(|n| u32::try_from(*n).unwrap_or(u32::MAX)).collect(),
            in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
            edit: comparison.map(|comparison| compare(&comparison)),
            moved: fold.moved(service).map(|comparison| moved(&comparison)),
        };
        measured.hops.insert(name, hop);
    }
    let kept = fold.waterfalls(TRACES, now);
    measured.traces = kept.slowest.iter().chain(&kept.latest).map(|waterfall| trace(waterfall, now)).collect();
    let counts = fold.counts();
    measured.dropped = counts.dropped + counts.lost;
    measured
}

fn called(fold: &Fold, now: Duration) -> Calls {
    let of = |service: &Arc<str>| {
        let calls = fold.calls(service, now).map(|(called, figures)| (called.to_string(), edge(&figures)));
        (service.to_string(), calls.collect::<BTreeMap<_, _>>())
    };
    fold.services().map(of).filter(|(_, calls)| !calls.is_empty()).collect()
}

fn edge(of: &CallFigures) -> EdgeWindow {
    EdgeWindow {
        n: of.requests,
        errors: of.errors,
        rate: of.per_second,
        wait: percentiles(of.wait),
        network: percentiles(of.network),
    }
}

fn history(span: HistorySpan, points: &[fold::HistoryPoint]) -> LatencyHistory {
    let narrow = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX);
    let point = |of: &fold::HistoryPoint| {
        LatencyPoint(of.at.into(), of.requests, of.errors, of.p50, of.p90, of.p99, of.max, of.function_p50)
    };
    LatencyHistory {
        step_s: narrow(span.step()),
        span_s: narrow(span.seconds()),
        points: points.iter().map(point).collect(),
    }
}

fn micros(nanos: u64) -> u64 {
    nanos.div_ceil(1000)
}

fn percentiles(of: fold::Percentiles) -> HopPercentiles {
    HopPercentiles { p50: micros(of.p50), p90: micros(of.p90), p99: micros(of.p99), max: micros(of.max) }
}

fn window(seconds: u64, figures: &Figures) -> Window {
    Window {
        seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        n: figures.requests,
        errors: figures.errors,
        rate: figures.per_second,
        total: percentiles(figures.total),
        function: percentiles(figures.function),
        upstream: percentiles(figures.upstream),
        network: percentiles(figures.network),
        overhead: percentiles(figures.overhead),
        histogram: figures.bars.iter().map(|bar| (micros(bar.below), bar.count)).collect(),
    }
}

fn compare(of: &fold::Comparison) -> HopComparison {
    HopComparison {
        edit: 0,
        before_p50: of.before.p50,
        before_n: of.before.n as u64,
        after_p50: of.after.p50,
        after_n: of.after.n as u64,
        verdict: verdict(of.verdict),
    }
}

fn verdict(of: fold::Significance) -> SpeedVerdict {
    match of {
        fold::Significance::Slower => SpeedVerdict::Slower,
        fold::Significance::Faster => SpeedVerdict::Faster,
        fold::Significance::NoEvidence => SpeedVerdict::NoEvidence,
    }
}

fn moved(of: &fold::Comparison) -> MoveComparison {
    let names = |joined: &str| joined.split('+').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    MoveComparison {
        before: names(&of.before.version),
        after: names(&of.after.version),
        before_p50: of.before.p50,
        before_n: of.before.n as u64,
        after_p50: of.after.p50,
        after_n: of.after.n as u64,
        verdict: verdict(of.verdict),
    }
}

fn trace(of: &fold::Waterfall, now: Duration) -> Trace {
    let span = |row: &fold::Row| {
        let parts = row.parts.unwrap_or_default();
        MeasuredSpan {
            service: row.service.to_string(),
            version: row.version.as_deref().unwrap_or_default().to_owned(),
            depth: u32::try_from(row.depth).unwrap_or(u32::MAX),
            start: micros(row.offset),
            total: micros(row.total),
            function: micros(parts.function),
            upstream: micros(parts.upstream),
            network: micros(row.network.unwrap_or_default()),
            status: match &row.outcome {
                Some(Status::Value) => 200,
                Some(Status::Filtered) => 204,
                Some(Status::Problem(_)) => 500,
                None => 0,
            },
            error: match &row.outcome {
                Some(Status::Problem(kind)) => Some(kind.to_string()),
                _ => None,
            },
        }
    };
    Trace {
        id: of.trace.to_string(),
        at_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        total: micros(of.total),
        partial: !of.complete,
        spans: of.rows.iter().map(span).collect(),
    }
}
