//! Chains of 1 to 32 services that hand a record on.

use super::app::{App, RECORD, flow, maker, passer, record};
use super::{Run, counted, load};
use crate::load::Check;
use crate::report::Row;
use crate::sample::Sample;

/// Services of the chains; all of them in one session, each chain the first so many.
const LENGTHS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// Bytes of the record, the relay's message as JSON.
const BYTES: usize = 300;

/// Connections for throughput.
const BUSY: u32 = 32;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let longest = LENGTHS.into_iter().max().unwrap_or_default();
    let services: Vec<_> = (1..=longest).map(|at| format!("step_{at}")).collect();
    let mut text = RECORD.to_owned();
    text.push_str(&maker(&services[0], BYTES));
    services[1..].iter().for_each(|name| text.push_str(&passer(name)));
    text.push_str(&flow(&services));
    let check = Check::Exactly(record(BYTES).into_bytes().into());
    let mut rows = Vec::new();
    for on in &run.backends {
        let app = App::start(&run.setting, *on, &text, &[]).await?;
        let mut all = LENGTHS.map(|length| (length, Sample::default(), Sample::default(), 0, String::new()));
        let mut hop = Sample::default();
        for _ in 0..run.options.rounds {
            let mut medians = Vec::new();
            for (length, p50s, rates, errors, words) in &mut all {
                let goal = app.goal(&services[*length - 1], check.clone())?;
                for connections in [1, BUSY] {
                    let tally = load(&goal, run.turn(connections)).await?;
                    *errors += tally.asked() - tally.right;
                    words.push_str(&tally.complaints());
                    if connections == BUSY {
                        rates.push(tally.per_second());
                    } else if let Some(p50) = tally.micros(0.5) {
                        p50s.push(p50);
                        medians.push((*length as f64, p50));
                    }
                }
            }
            if let [(short, first), .., (long, last)] = medians[..] {
                hop.push((last - first) / (long - short));
            }
        }
        for (length, p50s, rates, errors, words) in all {
            let services = counted(length as u64, "service");
            let note = if errors > 0 { format!("{errors} not answered right: {words}") } else { String::new() };
            rows.push(Row::sample(&format!("{services}: p50"), on.name(), "µs", &p50s, None).note(note));
            let name = format!("{services}, {BUSY} connections");
            rows.push(Row::sample(&name, on.name(), "requests/s", &rates, None));
        }
        let row = Row::sample("one more hop", on.name(), "µs", &hop, None);
        rows.push(row.note("p50 of the longest chain less the shortest's, by the hops between"));
    }
    Ok(rows)
}
