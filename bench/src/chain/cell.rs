//! One shape under one load.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::load::Tally;
use crate::sample::{Sample, Spread};
use crate::table::number;

/// What came of a shape's turns under one load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cell {
    pub(crate) shape: String,
    pub(crate) backend: &'static str,
    pub(crate) keep_alive: bool,
    pub(crate) connections: u32,
    /// Of each turn, in order: microseconds, microseconds, requests a second.
    pub(crate) p50: Vec<f64>,
    pub(crate) p99: Vec<f64>,
    pub(crate) per_second: Vec<f64>,
    /// Microseconds of processor that the hosts took for a request, where they are known.
    pub(crate) processor: Vec<f64>,
    /// Requests of all turns.
    pub(crate) asked: u64,
    pub(crate) shed: u64,
    pub(crate) wrong: u64,
    pub(crate) failed: u64,
    pub(crate) complaints: Vec<String>,
}

impl Cell {
    pub(crate) fn new(shape: &str, backend: &'static str, keep_alive: bool, connections: u32) -> Self {
        Self {
            shape: shape.to_owned(),
            backend,
            keep_alive,
            connections,
            p50: Vec::new(),
            p99: Vec::new(),
            per_second: Vec::new(),
            processor: Vec::new(),
            asked: 0,
            shed: 0,
            wrong: 0,
            failed: 0,
            complaints: Vec::new(),
        }
    }

    /// A turn without an answer counts, and has no times: a ratio of other turns would pair the wrong ones.
    pub(crate) fn push(&mut self, tally: &Tally) {
        self.p50.push(tally.micros(0.5).unwrap_or(f64::NAN));
        self.p99.push(tally.micros(0.99).unwrap_or(f64::NAN));
        self.per_second.push(tally.per_second());
        self.asked += tally.asked();
        self.shed += tally.shed;
        self.wrong += tally.wrong;
        self.failed += tally.failed;
        self.complaints.extend(Some(tally.complaints()).filter(|words| !words.is_empty()));
    }

    /// Requests that were not answered as they should.
    pub(crate) fn errors(&self) -> u64 {
        self.shed + self.wrong + self.failed
    }
}

/// Turn by turn, this over that.
pub(crate) fn ratio(this: &[f64], that: &[f64]) -> Sample {
    let mut sample = Sample::default();
    let ratios = this.iter().zip(that).map(|(this, that)| this / that);
    ratios.filter(|ratio| ratio.is_finite()).for_each(|ratio| sample.push(ratio));
    sample
}

/// What stands for some turns.
fn spread(values: &[f64]) -> Option<Spread> {
    let mut sample = Sample::default();
    values.iter().filter(|value| value.is_finite()).for_each(|value| sample.push(*value));
    sample.spread()
}

/// All cells as a table.
pub(crate) fn draw(cells: &[Cell]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    let head = ["shape", "backend", "keep-alive", "connections", "turns", "p50 µs", "min-max", "p99 µs"];
    table.set_header(head.into_iter().chain(["requests/s", "min-max", "asked", "errors"]));
    for cell in cells {
        let part = |values: &[f64]| match spread(values) {
            Some(spread) => (number(spread.p50), format!("{}-{}", number(spread.min), number(spread.max))),
            None => ("none".to_owned(), String::new()),
        };
        let ((p50, p50s), (p99, _), (rate, rates)) = (part(&cell.p50), part(&cell.p99), part(&cell.per_second));
        let keep = if cell.keep_alive { "yes" } else { "no" }.to_owned();
        let (connections, turns) = (cell.connections.to_string(), cell.p50.len().to_string());
        let (asked, errors) = (cell.asked.to_string(), cell.errors().to_string());
        let (shape, backend) = (cell.shape.clone(), cell.backend.to_owned());
        table.add_row([shape, backend, keep, connections, turns, p50, p50s, p99, rate, rates, asked, errors]);
    }
    for column in 3..12 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_turn() {
        let spread = ratio(&[10.0, 40.0, 90.0], &[5.0, 10.0, 30.0]).spread().unwrap();
        assert_eq!((spread.n, spread.min, spread.p50, spread.max), (3, 2.0, 3.0, 4.0));
        // A turn without an answer is in no ratio, and shifts no other.
        let spread = ratio(&[10.0, f64::NAN, 90.0], &[5.0, 10.0, 30.0]).spread().unwrap();
        assert_eq!((spread.n, spread.min, spread.max), (2, 2.0, 3.0));
    }

    #[test]
    fn a_cell_without_an_answer_says_so() {
        let mut cell = Cell::new("relay", "process", true, 5);
        cell.p50.push(f64::NAN);
        cell.failed = 7;
        let text = draw(&[cell]);
        assert!(text.contains("none") && text.contains(" 7 "), "{text}");
    }
}
