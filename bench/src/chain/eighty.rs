//! How far p99 is from p50 at four fifths of what the chain can.

use super::app::{App, Readings};
use super::{Run, load};
use crate::load::Load;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Of the most that is answered.
const SHARE: f64 = 0.8;

/// Connections of both loads.
const CONNECTIONS: u32 = 32;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for on in &run.grounds {
        let app = App::building(&run.setting, *on, Readings::Temperatures, &[]).await?;
        let goal = app.door()?;
        let (mut ratios, mut p50s, mut p99s) = (Sample::default(), Sample::default(), Sample::default());
        let (mut asked, mut errors, mut most) = (0, 0, Sample::default());
        for _ in 0..run.options.rounds {
            let full = load(&goal, run.turn(CONNECTIONS)).await?;
            most.push(full.per_second());
            let pace = Some(full.per_second() * SHARE).filter(|pace| *pace > 0.0);
            let tally = load(&goal, Load { pace, ..run.turn(CONNECTIONS) }).await?;
            asked += tally.asked();
            errors += tally.asked() - tally.right;
            if let (Some(p50), Some(p99)) = (tally.micros(0.5), tally.micros(0.99)) {
                p50s.push(p50);
                p99s.push(p99);
                ratios.push(p99 / p50);
            }
        }
        let ground = on.name();
        let note = format!("{errors} of {asked} not answered right");
        rows.push(Row::sample("at 80 %: p99 over p50", ground, "x", &ratios, Some(Target::P50(5.0))).note(note));
        rows.push(Row::sample("at 80 %: p50", ground, "µs", &p50s, None));
        rows.push(Row::sample("at 80 %: p99", ground, "µs", &p99s, None));
        let row = Row::sample("at 100 %", ground, "requests/s", &most, None);
        rows.push(row.note(format!("{CONNECTIONS} connections, paced to four fifths of this for the rows above")));
    }
    Ok(rows)
}
