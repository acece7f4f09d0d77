//! Waiting for what becomes of an edit.

use std::time::Duration;

use serde_json::{Map, Value, json};
use session_api::snapshot::{EditLine, EditOutcome, Phase, Snapshot};
use session_api::verdict::Judgement;
use session_api::{Client, Diagnostic};

use crate::answer::{shortened, value};

/// Bytes of what an edit is told in, each part.
const MOST_OF_PART: usize = 9_000;

/// The session once something holds of it; none where that takes longer than the patience.
pub(crate) async fn wait(
    client: &Client,
    patience: Duration,
    holds: impl Fn(&Snapshot) -> bool,
) -> Result<Option<Snapshot>, String> {
    let waited = tokio::time::timeout(patience, async {
        // Behind all that was told by now: each later event is a reason to look again.
        let mut told = client.events(0, false).await.map_err(|error| error.to_string())?;
        let mut last = 0;
        while let Some(line) = told.next().await.map_err(|error| error.to_string())? {
            last = number(&line).unwrap_or(last);
        }
        let mut events = client.events(last, true).await.map_err(|error| error.to_string())?;
        loop {
            let snapshot = client.snapshot().await.map_err(|error| error.to_string())?;
            if holds(&snapshot) {
                return Ok(snapshot);
            }
            if events.next().await.map_err(|error| error.to_string())?.is_none() {
                return Err("the session ended".to_owned());
            }
        }
    });
    match waited.await {
        Ok(Ok(snapshot)) => Ok(Some(snapshot)),
        Ok(Err(why)) => Err(why),
        Err(_) => Ok(None),
    }
}

/// The latest edit.
pub(crate) fn latest(snapshot: &Snapshot) -> Option<&EditLine> {
    snapshot.edits.last()
}

/// Whether the last edit is a later one than `after`, and nothing of it is open: built or not, taken over or not, and
/// judged.
pub(crate) fn is_over(snapshot: &Snapshot, after: u64) -> bool {
    latest(snapshot).is_some_and(|line| line.edit > after && is_settled(line, snapshot))
}

/// Whether nothing of an edit is open.
fn is_settled(line: &EditLine, snapshot: &Snapshot) -> bool {
    let is_judged = !matches!(line.judgement, Some(Judgement::Running));
    let is_done = !matches!(line.outcome, EditOutcome::Open);
    is_judged && is_done && !matches!(snapshot.phase, Phase::Building | Phase::Starting)
}

/// An edit with its end, its verdict in lines, and where the file is broken the compiler's words.
pub(crate) fn told(snapshot: &Snapshot, line: &EditLine) -> Result<Value, String> {
    let mut told = Map::from_iter([
        ("edit".to_owned(), json!(line.edit)),
        ("services".to_owned(), shortened(value(&line.services)?, MOST_OF_PART / 3, "edits with edit=N")),
    ]);
    if let Value::Object(outcome) = value(&line.outcome)? {
        told.extend(outcome);
    }
    if let Some(ms) = line.ms {
        told.insert("ms".to_owned(), json!(ms.total));
    }
    match &line.judgement {
        Some(Judgement::Done { verdicts }) => {
            let lines: Vec<String> = verdicts.iter().flat_map(session_api::verdict::Verdict::lines).collect();
            let differs = verdicts.iter().any(session_api::verdict::Verdict::differs);
            told.insert("results_changed".to_owned(), json!(differs));
            let how = format!("edits with edit={}", line.edit);
            told.insert("verdict".to_owned(), shortened(json!(lines), MOST_OF_PART / 2, &how));
        }
        Some(Judgement::Failed { why }) => drop(told.insert("verdict".to_owned(), json!([why]))),
        Some(Judgement::Running | Judgement::Superseded) | None => {}
    }
    let is_last = latest(snapshot).is_some_and(|last| last.edit == line.edit);
    if is_last && !snapshot.diagnostics.is_empty() {
        told.insert("diagnostics".to_owned(), diagnostics(&snapshot.diagnostics)?);
    }
    Ok(Value::Object(told))
}

/// Diagnostics, as many as fit.
fn diagnostics(all: &[Diagnostic]) -> Result<Value, String> {
    let (mut shown, mut bytes) = (Vec::new(), 0);
    for diagnostic in all {
        let diagnostic = value(diagnostic)?;
        bytes += diagnostic.to_string().len();
        if bytes > MOST_OF_PART && !shown.is_empty() {
            let left = all.len() - shown.len();
            shown.push(json!({ "message": format!("{left} more diagnostics: call check") }));
            break;
        }
        shown.push(shortened(diagnostic, MOST_OF_PART, "check"));
    }
    Ok(shown.into())
}

/// The number of an event.
fn number(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?.get("seq")?.as_u64()
}
