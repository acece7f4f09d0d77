//! A chain with places: what a request pays for the table, for its headers, and for the pick.

use anyhow::Context;

use super::Run;
use super::places::{PROCESS, Places, Shape, TWO};
use crate::chain::cell::ratio;
use crate::chain::load;
use crate::report::{Row, Target};
use crate::sample::Sample;
use crate::session::Setting;

const HEADER: &str = "dyninka-data: images/cats/1.jpg\r\n";
/// Rounds of picks.
const PICKS: u32 = 51;
/// Nanoseconds of a pick.
const PICK: f64 = 2_000.0;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let plain = Shape { fetch: PROCESS, is_near: false, settings: None, further: &[] };
    let instances = Shape { further: &["--instances", "fetch=2"], ..plain };
    let near = Shape { is_near: true, settings: Some(TWO), further: &[], ..plain };
    let (plain_app, instances, near) = (
        Places::start(&run.setting, &plain).await?,
        Places::start(&run.setting, &instances).await?,
        Places::start(&run.setting, &near).await?,
    );
    let without = match &run.options.without {
        Some(program) => {
            let setting = Setting { program: program.clone(), ..run.setting.clone() };
            Some(Places::start(&setting, &plain).await?)
        }
        None => None,
    };
    let mut goals = vec![plain_app.goal("")?, instances.goal("")?, near.goal("")?, near.goal(HEADER)?];
    goals.extend(without.as_ref().map(|app| app.goal("")).transpose()?);
    let mut medians = vec![Vec::new(); goals.len()];
    let (mut asked, mut wrong) = (0, 0);
    // Short turns, many of them: what is looked for is small.
    for round in 0..run.options.rounds as usize * 3 {
        for turn in 0..goals.len() {
            let at = (round + turn) % goals.len();
            let tally = load(&goals[at], run.load(1)).await?;
            asked += tally.asked();
            wrong += tally.asked() - tally.right;
            medians[at].push(tally.micros(0.5).context("nothing was answered")?);
        }
    }
    let row = |name: &str, this: usize, that: usize, most: f64| {
        let mean = |at: usize| medians[at].iter().sum::<f64>() / medians[at].len().max(1) as f64;
        let row = Row::sample(name, "process", "x", &ratio(&medians[this], &medians[that]), Some(Target::P50(most)));
        row.note(format!("{:.0} µs over {:.0}", mean(this), mean(that)))
    };
    let name = "chain of three without buckets: p50, over a dyn without the feature";
    let mut rows = vec![match without {
        Some(_) => row(name, 0, 4, 1.02),
        None => Row::absent(name, "process", "--without names a dyn that was built without the feature data"),
    }];
    rows.push(row("two instances with places, no header: p50, over two instances without", 2, 1, 1.03));
    rows.push(row("two instances with places, a header: p50, over two instances without", 3, 1, 1.05));
    rows.push(Row::value(
        "requests of these that were not answered",
        "process",
        "",
        super::count(asked),
        wrong as f64,
        Some(Target::Exactly(0.0)),
    ));
    let mut nanos = Sample::default();
    host::near_pick_nanos(PICKS).map_err(anyhow::Error::msg)?.into_iter().for_each(|each| nanos.push(each));
    let pick = Row::sample("one pick of three instances, with a header", "", "ns", &nanos, Some(Target::P50(PICK)));
    rows.push(pick.note("20,000 picks a round, one thread; the headers are read once"));
    Ok(rows)
}
