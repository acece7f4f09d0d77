//! Edits while 32 connections ask without a pause: nothing may fail, nothing may be wrong, every call counts once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Run, save};
use crate::client::{Answer, Door};
use crate::report::{Row, Target};
use crate::sample::Sample;
use crate::session::{Heard, Session, millis};

/// Each constant shows in the result, and each result is counted in placed state.
const APP: &str = "use dyninka::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tally { call: u64, plus: u64, count: u64 }

#[placed(count)]
static CALLS: Placed<u64> = Placed::new(u64::default);

#[service]
fn source() -> u64 { 0 }

#[service]
fn plus(value: u64) -> u64 { value + PLUS }

#[service]
fn count(value: u64) -> Tally {
    let call = CALLS.update(|calls| { *calls += 1; *calls });
    Tally { call, plus: value, count: COUNT }
}

#[dyninka::main]
fn main() { source().plus().count() }
";

/// Answers of one connection, folded: what came how often, and which numbers the calls had.
#[derive(Debug, Default)]
struct Heap {
    /// Versions that took part, and the constants of the two services in the result.
    results: BTreeMap<(String, u64, u64), usize>,
    calls: Vec<u64>,
    failed: usize,
    /// The first failure.
    words: String,
}

/// Service and version to the constant that version has.
type Constants = BTreeMap<String, u64>;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for on in &run.backends {
        match backend(run, on.name()).await {
            Ok(measured) => rows.extend(measured),
            Err(error) => rows.push(Row::failed("edits under load", on.name(), &format!("{error:#}"))),
        }
    }
    Ok(rows)
}

async fn backend(run: &Run<'_>, on: &'static str) -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let file = folder.path().join("tally.rs");
    let mut constants = [run.nonce * 100_000; 2];
    save(&file, &text(constants))?;
    let mut session = Session::start(&run.setting, &file, on, None).await?;
    let mut known = Constants::new();
    for (service, constant) in ["plus", "count"].into_iter().zip(constants) {
        known.insert(session.service(service)?.1, constant);
    }
    let url = session.url()?;
    let over = Arc::new(AtomicBool::new(false));
    let mut connections = JoinSet::new();
    for _ in 0..run.options.connections {
        connections.spawn(ask(Door::new(&url, json!({}))?, over.clone()));
    }
    let mut times = Sample::default();
    for edit in 0..run.options.many {
        // Every fourth edit is one of the service that holds the state.
        let (at, service) = if edit % 4 == 3 { (1, "count") } else { (0, "plus") };
        constants[at] += 1;
        drop(session.drain());
        let saved = save(&file, &text(constants))?;
        let mut passed: Vec<Heard> = Vec::new();
        let live = session.wait_noting(&["live"], &mut passed).await?;
        times.push(millis(saved, live.at));
        let taken = &live.event["services"][0];
        ensure!(taken["name"] == service, "an edit of {service} was told as {}", live.event);
        if service == "count" {
            ensure!(taken["state"]["CALLS"]["how"] == "kept", "the count was not kept: {}", live.event);
        }
        known.insert(taken["version"].as_str().context("live names no version")?.to_owned(), constants[at]);
    }
    over.store(true, Ordering::Relaxed);
    let mut heap = Heap::default();
    while let Some(connection) = connections.join_next().await {
        heap.merge(connection.context("a connection's task ended")?);
    }
    // The last call tells how many there were before it.
    let last = Door::new(&url, json!({}))?.ask().await.context("ask once more")?;
    let counted = last.value["call"].as_u64().context("the result has no number")? - 1;
    Ok(heap.rows(on, &known, counted, &times))
}

fn text([plus, count]: [u64; 2]) -> String {
    APP.replace("PLUS", &plus.to_string()).replace("COUNT", &count.to_string())
}

async fn ask(door: Door, over: Arc<AtomicBool>) -> Heap {
    let mut heap = Heap::default();
    while !over.load(Ordering::Relaxed) {
        match door.ask().await {
            Ok(answer) => heap.add(answer),
            Err(error) => heap.fail(&format!("{error:#}")),
        }
    }
    heap
}

impl Heap {
    fn add(&mut self, Answer { versions, value }: Answer) {
        let number = |part: &str| value[part].as_u64();
        let (Some(call), Some(plus), Some(count)) = (number("call"), number("plus"), number("count")) else {
            return self.fail(&format!("not a tally: {}", Value::to_string(&value)));
        };
        self.calls.push(call);
        *self.results.entry((versions, plus, count)).or_default() += 1;
    }

    fn fail(&mut self, words: &str) {
        self.failed += 1;
        if self.words.is_empty() {
            words.clone_into(&mut self.words);
        }
    }

    fn merge(&mut self, other: Self) {
        for (result, times) in other.results {
            *self.results.entry(result).or_default() += times;
        }
        self.calls.extend(other.calls);
        self.failed += other.failed;
        if self.words.is_empty() {
            self.words = other.words;
        }
    }

    /// Answers whose constants are not those of the versions they name, and the first of them.
    fn wrong(&self, known: &Constants) -> (usize, String) {
        let mut wrong = (0, String::new());
        for ((versions, plus, count), times) in &self.results {
            let constant = |service: &str| {
                let version = versions.split(',').map(str::trim).find(|hop| hop.split('@').next() == Some(service));
                version.and_then(|version| known.get(version)).copied()
            };
            if constant("plus") == Some(*plus) && constant("count") == Some(*count) {
                continue;
            }
            wrong.0 += times;
            if wrong.1.is_empty() {
                wrong.1 = format!("first: plus {plus}, count {count} of {versions}");
            }
        }
        wrong
    }

    fn rows(&self, on: &'static str, known: &Constants, counted: u64, times: &Sample) -> Vec<Row> {
        let (asked, answered) = (self.calls.len() + self.failed, self.calls.len());
        let (wrong, first) = self.wrong(known);
        let mut numbers = self.calls.clone();
        numbers.sort_unstable();
        numbers.dedup();
        let none = Some(Target::Exactly(0.0));
        let off = (counted as f64 - answered as f64).abs();
        let twice = (answered - numbers.len()) as f64;
        vec![
            Row::spread("edit under load", on, times, None).note("save to live"),
            Row::value("  failed requests", on, "requests", asked, self.failed as f64, none).note(&self.words),
            Row::value("  wrong answers", on, "answers", answered, wrong as f64, none).note(first),
            Row::value("  placed count off by", on, "calls", answered, off, none)
                .note(format!("it stands at {counted}")),
            Row::value("  numbers given twice", on, "calls", answered, twice, none),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heap(answers: &[(&str, u64, u64, u64)]) -> Heap {
        let mut heap = Heap::default();
        for (versions, call, plus, count) in answers {
            let value = json!({ "call": call, "plus": plus, "count": count });
            heap.add(Answer { versions: (*versions).to_owned(), value });
        }
        heap
    }

    fn known() -> Constants {
        [("plus@a", 1), ("plus@b", 2), ("count@a", 7)].map(|(version, constant)| (version.to_owned(), constant)).into()
    }

    #[test]
    fn an_answer_is_right_when_its_constants_are_its_versions() {
        let right = heap(&[("source@a, plus@a, count@a", 1, 1, 7), ("source@a, plus@b, count@a", 2, 2, 7)]);
        assert_eq!(right.wrong(&known()).0, 0);
        let old = heap(&[("source@a, plus@b, count@a", 1, 1, 7)]);
        assert_eq!(old.wrong(&known()).0, 1);
        let unknown = heap(&[("source@a, plus@c, count@a", 1, 1, 7), ("", 2, 1, 7)]);
        assert_eq!(unknown.wrong(&known()).0, 2);
    }

    #[test]
    fn a_number_given_twice_and_a_count_that_is_off_are_seen() {
        let heap = heap(&[("plus@a, count@a", 1, 1, 7), ("plus@a, count@a", 1, 1, 7)]);
        let rows = heap.rows("process", &known(), 1, &Sample::default());
        let missed = rows.iter().filter(|row| row.verdict == crate::report::Verdict::Missed);
        let missed: Vec<_> = missed.map(|row| row.name.trim()).collect();
        assert_eq!(missed, ["placed count off by", "numbers given twice"]);
    }

    #[test]
    fn what_is_no_tally_failed() {
        let mut heap = Heap::default();
        heap.add(Answer { versions: String::new(), value: json!("hello") });
        assert_eq!((heap.failed, heap.calls.len()), (1, 0));
        assert!(heap.words.contains("hello"));
    }
}
