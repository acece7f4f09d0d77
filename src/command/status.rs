//! `dyn status`: how the running session does.

use std::path::Path;

use session::Home;
use session_api::Client;
#[cfg(feature = "cluster")]
use session_api::measured::MeasuredHop;
use session_api::measured::Window;
use session_api::snapshot::{Condition, HopTransport, Phase, Snapshot};
use session_api::units::many;

use crate::fault::{Fault, Kind};
use crate::{finding, speech, start};

pub(crate) fn run(file: &Path, json: bool) -> Result<(), Fault> {
    let snapshot = start::runtime()?.block_on(async { Ok::<_, Fault>(attached(file)?.snapshot().await?) })?;
    if json {
        let text = serde_json::to_string(&snapshot);
        let text = text.map_err(|error| Fault::new(Kind::Machine, format!("cannot write JSON: {error}")))?;
        drop(speech::json(text));
        return Ok(());
    }
    show(&snapshot);
    finding::print(&snapshot.diagnostics);
    Ok(())
}

/// A client of the session that has the app.
pub(crate) fn attached(file: &Path) -> Result<Client, Fault> {
    let place = Home::open()?.place(file)?;
    match session::attach(&place) {
        Some(client) => Ok(client?),
        None => Err(Fault::new(Kind::App, format!("no session runs {}", file.display()))
            .hint(format!("`dyn dev {}` starts one", file.display()))),
    }
}

/// What a service on a cluster did in the longest stretch there is, which is where somebody who looks but once sees it.
#[cfg(feature = "cluster")]
pub(crate) fn hops(hop: &MeasuredHop) -> Option<String> {
    words(hop.windows.last()?)
}

fn words(window: &Window) -> Option<String> {
    let (p50, p99) = (window.total.p50 as f64 / 1e3, window.total.p99 as f64 / 1e3);
    let (rate, errors) = (window.rate, window.errors);
    (window.n > 0).then(|| format!("  {rate:.1} req/s  {errors} errors  p50 {p50:.2} ms  p99 {p99:.2} ms"))
}

fn show(snapshot: &Snapshot) {
    // Whoever reads it may have seen enough.
    let say = |words: std::fmt::Arguments<'_>| drop(speech::out(words));
    let phase = match snapshot.phase {
        Phase::Starting => "starting",
        Phase::Serving => "serving",
        Phase::Building => "building",
        Phase::Broken => "broken: the old version still serves",
        Phase::Closing => "closing",
    };
    let backend = snapshot.backend.as_deref().map(|backend| format!(" on {backend}")).unwrap_or_default();
    let url = snapshot.url.as_deref().map(|url| format!(": {url}")).unwrap_or_default();
    say(format_args!("{} (pid {}) {phase}{backend}{url}", snapshot.app, snapshot.pid));
    if let Some(HopTransport::Tcp { why }) = &snapshot.transport {
        say(format_args!("services call each other by TCP: {why}"));
    }
    if let Some(flow) = &snapshot.flow {
        say(format_args!("flow {flow}"));
    }
    let width = snapshot.services.iter().map(|service| service.name.len()).max().unwrap_or_default();
    for service in &snapshot.services {
        let state = word(service.state);
        let version = service.version.as_deref().unwrap_or("-");
        let hops = snapshot.hops.get(&service.name).and_then(|hop| words(hop.windows.get(1)?));
        let others: Vec<&str> =
            service.together.iter().filter(|other| **other != service.name).map(String::as_str).collect();
        let with = if others.is_empty() { String::new() } else { format!("  with {}", others.join(", ")) };
        let why = service.why.as_deref().map(|why| format!("  {why}")).unwrap_or_default();
        say(format_args!("  {:width$}  {state:8}  {version}{}{with}{why}", service.name, hops.unwrap_or_default()));
        for instance in &service.instances {
            let version = instance.version.as_deref().unwrap_or("-");
            let times = instance.restarts;
            let restarts = if times > 0 { format!("  restarts {times}") } else { String::new() };
            let why = instance.why.as_deref().map(|why| format!("  {why}")).unwrap_or_default();
            say(format_args!("    {:width$}  {:8}  {version}{restarts}{why}", instance.name, word(instance.state)));
        }
    }
    if let Some(written) = &snapshot.recording.written {
        let session_api::snapshot::Written { name, requests, lost, bytes } = written;
        say(format_args!("recording {name}: {requests} requests, {lost} lost, {bytes} bytes"));
    }
    let totals = snapshot.totals;
    if totals.n > 0 {
        say(format_args!(
            "{} live: p50 {:.0} ms, p95 {:.0} ms from save to first answer",
            many(usize::try_from(totals.n).unwrap_or(usize::MAX), "edit"),
            totals.p50,
            totals.p95
        ));
    }
}

fn word(state: Condition) -> &'static str {
    match state {
        Condition::Starting => "starting",
        Condition::Live => "live",
        Condition::Building => "building",
        Condition::Stale => "stale",
        Condition::Draining => "draining",
        Condition::Down => "down",
    }
}
