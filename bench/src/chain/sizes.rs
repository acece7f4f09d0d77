//! Payloads from 1 KiB to 8 MiB through four services.

use std::time::Duration;

use super::app::{App, RECORD, flow, maker, passer, record};
use super::{Run, load};
use crate::load::{Check, Goal, Length, Load, Wire};
use crate::report::Row;
use crate::sample::Sample;

/// Name and bytes of the record as JSON.
const SIZES: [(&str, usize); 6] = [
    ("1 KiB", 1 << 10),
    ("8 KiB", 8 << 10),
    ("64 KiB", 64 << 10),
    ("512 KiB", 512 << 10),
    ("1 MiB", 1 << 20),
    ("8 MiB", 8 << 20),
];

/// Bytes of a turn, so that every size has about the same time; and how many requests that is at least and at most.
const AROUND: usize = 32 << 20;
const FEWEST: usize = 5;
const MOST: usize = 500;

/// Bytes in a MiB.
const MIB: f64 = 1024.0 * 1024.0;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut text = RECORD.to_owned();
    SIZES.iter().for_each(|(_, bytes)| text.push_str(&maker(&format!("bytes_{bytes}"), *bytes)));
    let passers: Vec<_> = (1..=3).map(|at| format!("pass_{at}")).collect();
    passers.iter().for_each(|name| text.push_str(&passer(name)));
    let mut services = passers.clone();
    services.insert(0, format!("bytes_{}", SIZES[0].1));
    text.push_str(&flow(&services));
    let mut rows = Vec::new();
    for on in &run.backends {
        let app = App::start(&run.setting, *on, &text, &[]).await?;
        let mut all = SIZES.map(|size| (size, Sample::default(), 0, String::new()));
        for _ in 0..run.options.rounds {
            for ((_, bytes), p50s, errors, words) in &mut all {
                let check = Check::Exactly(record(*bytes).into_bytes().into());
                let goal = routed(app.goal("pass_3", check)?, &format!("pass_2(pass_1(bytes_{bytes}))"));
                let requests = (AROUND / *bytes).clamp(FEWEST, MOST);
                let length = Length::Requests(requests as u64);
                let tally = load(&goal, Load { length, warm: Duration::ZERO, ..run.turn(1) }).await?;
                *errors += tally.asked() - tally.right;
                words.push_str(&tally.complaints());
                if let Some(p50) = tally.micros(0.5) {
                    p50s.push(p50 / 1e3);
                }
            }
        }
        for ((name, bytes), p50s, errors, words) in all {
            let through = p50s.spread().map(|spread| 4.0 * bytes as f64 / MIB / spread.p50 * 1e3);
            let mut note = through.map(|mib| format!("{mib:.0} MiB/s over the four hops")).unwrap_or_default();
            if errors > 0 {
                note.push_str(&format!("; {errors} not answered right: {words}"));
            }
            rows.push(Row::sample(&format!("{name} through 4 services"), on.name(), "ms", &p50s, None).note(note));
        }
    }
    Ok(rows)
}

/// The same, by a route of its own.
fn routed(goal: Goal, route: &str) -> Goal {
    match goal.wire {
        Wire::Http { address, .. } => {
            Goal { wire: Wire::Http { address, headers: format!("dyninka-route: {route}\r\n") }, ..goal }
        }
        _ => goal,
    }
}
