//! What a simulation brought, for a terminal.

use balance::simulate::{Analysis, Indexes, Scenario, Spread};

use super::Compared;

/// A line about the scenario, a row for each strategy, and what was published of them.
pub(super) fn drawn(scenario: &Scenario, compared: &[Compared]) -> String {
    let shows_power = scenario.analysis == Analysis::Thresholds;
    let mut head = vec!["strategy", "served %", "least", "most", "refused", "mean %", "median %", "stress %"];
    head.push("stress median %");
    if shows_power {
        head.extend(["power W", "most W"]);
    }
    head.push("overloaded");
    let head: Vec<String> = head.into_iter().map(str::to_owned).collect();
    let rows: Vec<Vec<String>> =
        [head].into_iter().chain(compared.iter().map(|compared| row(compared, shows_power))).collect();
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or_default()).collect();
    let mut text = title(scenario);
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match at {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text += "\n";
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
    }
    if !scenario.published.is_empty() {
        let published = scenario.published.iter().map(|(name, percent)| format!("{} {percent}", name.as_str()));
        text += &format!("\nDFaaS published: {}", published.collect::<Vec<_>>().join(", "));
    }
    text
}

fn title(scenario: &Scenario) -> String {
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}: {}, {}, {}, {:.0} s, {}\n",
        scenario.name,
        many(scenario.nodes.len(), "node"),
        many(scenario.edges.len(), "edge"),
        many(scenario.services.len(), "service"),
        scenario.length.as_secs_f64(),
        many(scenario.repeat as usize, "run"),
    )
}

fn row(compared: &Compared, shows_power: bool) -> Vec<String> {
    let mean = |of: &dyn Fn(&Indexes) -> Option<f64>, digits: usize| {
        let spread = Spread::of(compared.runs.iter().filter_map(of));
        spread.map_or_else(|| "-".to_owned(), |spread| format!("{:.digits$}", spread.mean))
    };
    let Spread { mean: success, least, most } = compared.success;
    let mut row = vec![
        compared.settings.name.as_str().to_owned(),
        format!("{success:.3}"),
        format!("{least:.3}"),
        format!("{most:.3}"),
        mean(&|run| Some(run.refused), 0),
        mean(&|run| Some(run.mean), 2),
        mean(&|run| Some(run.median), 2),
        mean(&|run| run.stress_mean, 2),
        mean(&|run| run.stress_median, 2),
    ];
    if shows_power {
        row.extend([mean(&|run| Some(run.power_mean / 1e6), 3), mean(&|run| Some(run.power_max / 1e6), 3)]);
    }
    let overloaded = compared.runs.first().map(|run| run.overloaded.iter().map(usize::to_string).collect::<Vec<_>>());
    row.push(overloaded.unwrap_or_default().join(" "));
    row
}
