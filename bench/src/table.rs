//! Rows as a table for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::report::{Figures, Report, Row, Target, Verdict};
use crate::sample::Spread;

/// Characters of a note's line.
const LONGEST: usize = 120;

/// The report in words and columns.
pub(crate) fn draw(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["", "backend", "n", "min", "p50", "p95", "max", "unit", "target", "", ""]);
    for row in &report.rows {
        table.add_row(cells(row));
    }
    for column in 2..=6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n{table}\n", report.conditions.join("\n"))
}

fn cells(row: &Row) -> [String; 11] {
    let [n, min, p50, p95, max] = match row.figures {
        Figures::Spread(Spread { n, min, p50, p95, max }) => {
            [n.to_string(), number(min), number(p50), number(p95), number(max)]
        }
        Figures::Value { n, value } => [n.to_string(), String::new(), number(value), String::new(), String::new()],
        Figures::None => Default::default(),
    };
    let target = match row.target {
        None => String::new(),
        Some(Target::P50(p50)) => format!("p50 {}", number(p50)),
        Some(Target::P50AtLeast(p50)) => format!("p50 at least {}", number(p50)),
        Some(Target::P50AndP95(p50, p95)) => format!("p50 {}, p95 {}", number(p50), number(p95)),
        Some(Target::AtMost(most)) => format!("at most {}", number(most)),
        Some(Target::AtLeast(least)) => format!("at least {}", number(least)),
        Some(Target::Exactly(wanted)) => number(wanted),
    };
    let verdict = match row.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::Failed => "FAILED",
        Verdict::Absent => "absent",
        Verdict::Told => "",
    };
    let words = |text: &str| text.to_owned();
    let (name, backend) = (words(&row.name), words(row.backend));
    [name, backend, n, min, p50, p95, max, words(row.unit), target, words(verdict), short(&row.note)]
}

/// A program's last words, cut at the right so that the table stays one; the JSON has all of them.
fn short(note: &str) -> String {
    let cut = |line: &str| match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    };
    note.lines().map(cut).collect::<Vec<_>>().join("\n")
}

/// Whole numbers as they are, small ones with two places, others with one.
pub(crate) fn number(value: f64) -> String {
    match value {
        whole if whole.fract() == 0.0 => format!("{whole:.0}"),
        small if small.abs() < 10.0 => format!("{small:.2}"),
        large => format!("{large:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_target_stands_in_capitals_with_its_figures() {
        let row = Row::value("wrong answers", "docker", "answers", 4000, 2.0, Some(Target::Exactly(0.0)));
        let report = Report { conditions: vec!["2 cores".to_owned()], rows: vec![row.note("first: 7 of map@1")] };
        let text = draw(&report);
        assert_eq!(short(&"ä".repeat(LONGEST + 1)), format!("{}…", "ä".repeat(LONGEST)));
        for word in ["2 cores", "wrong answers", "4000", "MISSED", "first: 7 of map@1"] {
            assert!(text.contains(word), "{word} in {text}");
        }
    }
}
