//! What a snapshot says of a session, as text.

use std::fmt::Write;

use session_api::command::{CallTree, LatencySpread, Timed};
use session_api::escaped;
use session_api::grammar::route;
use session_api::snapshot::{Condition, EditLine, EditOutcome, Phase, ServiceView, Snapshot, StateField};
use session_api::units::{age, ago, many, millis};
use session_api::verdict::{Judgement, Verdict};

use crate::LogLine;
use crate::table::columns;
use crate::words::short;

/// One line: the app, its backend, how it does.
pub(crate) fn greeting(snapshot: &Snapshot) -> String {
    let services = many(snapshot.services.len(), "service");
    let backend = snapshot.backend.as_deref().map_or_else(String::new, |backend| format!(" on {backend}"));
    let phase = match snapshot.phase {
        Phase::Starting => "starting",
        Phase::Serving => "serving",
        Phase::Building => "building an edit",
        Phase::Broken => "serving an older version: the file is broken",
        Phase::Closing => "ending",
    };
    format!("{}: {services}{backend}, {phase}. :help for help, ctrl-d leaves", snapshot.app)
}

pub(crate) fn services(snapshot: &Snapshot) -> String {
    let row = |service: &ServiceView| {
        let age = service.since_ms.map_or_else(String::new, |since| age(snapshot.now_ms.saturating_sub(since)));
        let version = service.version.as_deref().map_or("", short).to_owned();
        let state = condition(service.state).to_owned();
        let why = service.why.clone().unwrap_or_default();
        [service.name.clone(), state, version, age, service.restarts.to_string(), signature(service), why]
    };
    columns(["SERVICE", "STATE", "VERSION", "AGE", "RESTARTS", "TYPE", "WHY"], snapshot.services.iter().map(row))
}

fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Starting => "starting",
        Condition::Live => "live",
        Condition::Building => "building",
        Condition::Stale => "stale",
        Condition::Draining => "draining",
        Condition::Down => "down",
    }
}

fn signature(service: &ServiceView) -> String {
    let inputs: Vec<_> = service.inputs.iter().map(|StateField { name, ty }| format!("{name}: {ty}")).collect();
    format!("({}) -> {}", inputs.join(", "), service.output)
}

pub(crate) fn flow(snapshot: &Snapshot) -> String {
    let mut text = snapshot.flow.clone().unwrap_or_else(|| "the flow is not known yet".to_owned()) + "\n";
    for edge in &snapshot.edges {
        let input = edge.input.as_ref().map_or_else(|| " (in its body)".to_owned(), |input| format!(".{input}"));
        // A String takes whatever is written.
        let _ = writeln!(text, "  {} -> {}{input}", edge.from, edge.to);
    }
    text
}

pub(crate) fn edits(snapshot: &Snapshot) -> String {
    let row = |line: &EditLine| {
        let services: Vec<_> = line.services.iter().map(|service| service.name.as_str()).collect();
        let flow = line.flow.then_some("the flow");
        let changed: Vec<_> = services.into_iter().chain(flow).collect();
        let took = line.ms.map_or_else(String::new, |took| millis(took.total));
        [
            line.edit.to_string(),
            age(snapshot.now_ms.saturating_sub(line.at_ms)),
            outcome(&line.outcome),
            took,
            changed.join(", "),
        ]
    };
    let mut text = columns(["EDIT", "AGO", "OUTCOME", "TOOK", "CHANGED"], snapshot.edits.iter().map(row));
    let totals = snapshot.totals;
    if totals.n > 0 {
        let _ = write!(
            text,
            "\n{} live: p50 {}, p95 {}",
            many(totals.n as usize, "edit"),
            millis(totals.p50),
            millis(totals.p95)
        );
    }
    text
}

fn outcome(outcome: &EditOutcome) -> String {
    match outcome {
        EditOutcome::Open => "under way".to_owned(),
        EditOutcome::Live => "live".to_owned(),
        EditOutcome::Unchanged => "changed no meaning".to_owned(),
        EditOutcome::Broken { errors } => format!("broken, {}", many(*errors, "error")),
        EditOutcome::RolledBack { why } => format!("not taken over: {why}"),
        EditOutcome::Superseded => "a later save came first".to_owned(),
    }
}

pub(crate) fn why(snapshot: &Snapshot, line: &EditLine) -> String {
    let ago = ago(snapshot.now_ms.saturating_sub(line.at_ms));
    let mut text = format!("edit {}, {ago}: {}\n", line.edit, outcome(&line.outcome));
    for service in &line.services {
        let version = service.version.as_deref().map_or_else(String::new, |version| format!(" -> {}", short(version)));
        let _ = writeln!(text, "  {}: {}{version}", service.name, service.reason);
    }
    if line.flow {
        text.push_str("  services feed each other in another way since\n");
    }
    match &line.judgement {
        Some(Judgement::Done { verdicts }) => {
            verdicts.iter().flat_map(Verdict::lines).for_each(|told| text += &format!("  {told}\n"));
        }
        Some(Judgement::Failed { why }) => text += &format!("  not replayed: {why}\n"),
        Some(Judgement::Running | Judgement::Superseded) | None => {}
    }
    if let Some(took) = line.ms {
        let parts = [
            ("settle", took.settle),
            ("read", took.parse),
            ("build", took.build),
            ("takeover", took.takeover),
            ("first answer", took.first_response),
        ];
        let parts: Vec<_> = parts.iter().map(|(name, part)| format!("{name} {}", millis(*part))).collect();
        let _ = writeln!(text, "  {}: {}", millis(took.total), parts.join(", "));
    }
    escaped(&text).into_owned()
}

pub(crate) fn logs(lines: &[LogLine]) -> String {
    let width = lines.iter().map(|line| line.service.len()).max().unwrap_or(0);
    let mut text = String::new();
    for LogLine { at_ms, service, stream, line, .. } in lines {
        let mark = if stream == "stderr" { '!' } else { '|' };
        let seconds = format!("{}.{:03}", at_ms / 1000, at_ms % 1000);
        let _ = writeln!(text, "{seconds:>9} {service:<width$} {mark} {}", escaped(line));
    }
    text
}

/// The header, and the whole request for `curl`.
pub(crate) fn route_of(call: &CallTree, snapshot: &Snapshot) -> (String, Option<String>) {
    let header = route(call, snapshot);
    let shown = match &header {
        Some(header) => format!("Dyninka-Route: {header}"),
        None => format!("{} needs no route: the app's flow feeds it", call.service),
    };
    let url = snapshot.service(&call.service).and_then(|service| service.url.as_deref());
    let header = header.map_or_else(String::new, |header| {
        // Within single quotes a shell leaves everything but those alone.
        format!(" -H 'Dyninka-Route: {}'", header.replace('\'', "'\\''"))
    });
    (shown, url.map(|url| format!("curl{header} {url}")))
}

pub(crate) fn timed(timed: &Timed) -> String {
    let spread = |of: &LatencySpread| [of.p50, of.p90, of.p99, of.max].map(millis);
    let row = |name: String, of: &LatencySpread| {
        let [p50, p90, p99, max] = spread(of);
        [name, p50, p90, p99, max]
    };
    let mut rows = vec![row("all, seen from here".to_owned(), &timed.total)];
    for (service, total, function) in &timed.hops {
        rows.push(row(service.clone(), total));
        rows.push(row(format!("  {service}'s function"), function));
    }
    columns(["HOP", "P50", "P90", "P99", "MAX"], rows)
}
