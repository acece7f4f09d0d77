//! Chains of 1 to 64 services that hand a record on, apart and in one host.

use anyhow::ensure;

use super::app::{App, RECORD, flow, maker, passer, record};
use super::cell::ratio;
use super::{Run, counted, load};
use crate::arguments::On;
use crate::load::Check;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Services of the chains; all of them in one session, each chain the first so many.
const LENGTHS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// Services of the chains in one host: what one costs may not grow with their number.
const TOGETHER: [usize; 2] = [16, 64];

/// How much more a service may cost in the longer of them.
const DEARER: f64 = 1.5;

/// Bytes of the record, the relay's message as JSON.
const BYTES: usize = 300;

/// Connections for throughput.
const BUSY: u32 = 32;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let (services, text) = chain(LENGTHS.into_iter().max().unwrap_or_default());
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
        rows.extend(together(run, *on, &check).await?);
    }
    Ok(rows)
}

/// The text of a chain, and its services.
fn chain(length: usize) -> (Vec<String>, String) {
    let services: Vec<_> = (1..=length).map(|at| format!("step_{at}")).collect();
    let mut text = RECORD.to_owned();
    text.push_str(&maker(&services[0], BYTES));
    services[1..].iter().for_each(|name| text.push_str(&passer(name)));
    text.push_str(&flow(&services));
    (services, text)
}

/// What a service of a short and of a long chain costs where all are in one host.
async fn together(run: &Run<'_>, on: On, check: &Check) -> anyhow::Result<Vec<Row>> {
    let [short, long] = TOGETHER;
    let (services, text) = chain(long);
    let app = App::start(&run.setting, on, &text, &["--together", "all"]).await?;
    let mut each = TOGETHER.map(|_| Vec::new());
    for _ in 0..run.options.rounds {
        for (length, each) in TOGETHER.into_iter().zip(&mut each) {
            let tally = load(&app.goal(&services[length - 1], check.clone())?, run.turn(1)).await?;
            ensure!(tally.right == tally.asked(), "{length} services together: {}", tally.complaints());
            each.push(tally.micros(0.5).unwrap_or(f64::NAN) / length as f64);
        }
    }
    let [few, many] = &each;
    let name = format!("{long} services together over {short}: p50 a service");
    let mut rows = vec![Row::sample(&name, on.name(), "x", &ratio(many, few), Some(Target::P50(DEARER)))];
    for (length, each) in TOGETHER.into_iter().zip(&each) {
        let mut sample = Sample::default();
        each.iter().for_each(|micros| sample.push(*micros));
        rows.push(Row::sample(&format!("{length} services together: p50 a service"), on.name(), "µs", &sample, None));
    }
    Ok(rows)
}
