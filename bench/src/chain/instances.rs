//! Several hosts of one service that has much to do, beside one.

use super::app::App;
use super::cell::ratio;
use super::{Run, load};
use crate::arguments::On;
use crate::load::Check;
use crate::report::{Row, Target};

/// Connections of the load: enough that every instance always has a request.
const CONNECTIONS: u32 = 8;

/// Two milliseconds of processor time, and a service that hands the answer out.
const WORK: &str = "use dyninka::prelude::*;\n\
    #[service]\nfn work() -> u64 {\n    let begun = std::time::Instant::now();\n    let mut n = 0;\n    \
    while begun.elapsed() < std::time::Duration::from_millis(2) { n = std::hint::black_box(n + 1); }\n    u64::from(n > 0)\n}\n\
    #[service]\nfn hand(value: u64) -> u64 { value }\n\
    #[dyninka::main]\nfn main() { work().hand() }\n";

/// Requests a second of three over one, where two cores are free.
const GOAL: f64 = 1.8;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    if !run.backends.contains(&On::Process) {
        let why = "it is measured with processes, which are not among the backends";
        return Ok(vec![Row::absent("three instances", "process", why)]);
    }
    let apps = [
        App::start(&run.setting, On::Process, WORK, &[]).await?,
        App::start(&run.setting, On::Process, WORK, &["--instances", "work=3"]).await?,
    ];
    let mut rates = [Vec::new(), Vec::new()];
    let mut wrong = 0;
    for _ in 0..run.options.rounds {
        for (app, rates) in apps.iter().zip(&mut rates) {
            let tally = load(&app.goal("hand", Check::Exactly(b"1".as_slice().into()))?, run.turn(CONNECTIONS)).await?;
            wrong += tally.asked() - tally.right;
            rates.push(tally.per_second());
        }
    }
    let [one, three] = &rates;
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    let name = "three instances of a service of 2 ms over one, requests/s";
    let row = Row::sample(name, "process", "x", &ratio(three, one), Some(Target::P50AtLeast(GOAL)));
    Ok(vec![row.note(format!("{:.0} and {:.0} requests/s, {wrong} not answered right", mean(three), mean(one)))])
}
