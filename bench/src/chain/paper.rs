//! The paper's own experiment: its load profiles, its limits on a service, its readings.

use super::app::{App, Readings};
use super::{Run, counted, load};
use crate::arguments::On;
use crate::load::{Length, Load, Tally};
use crate::report::{Row, Target};

/// Workers; what the paper's system answered a second and failed in percent; what OpenFaaS failed there, where told.
const PROFILES: [(u32, f64, f64, Option<f64>); 4] =
    [(1, 2.04, 0.25, None), (5, 3.67, 0.0, None), (10, 4.59, 0.0, Some(94.32)), (50, 7.44, 18.81, Some(99.03))];

/// On each service.
const LIMITS: [&str; 4] = ["--cpus", "1", "--memory", "256M"];

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    if !run.backends.contains(&On::Docker) {
        let why = "limits on processors and memory are the engine's, and docker is not among the backends";
        return Ok(vec![Row::absent("the paper's profiles", "docker", why)]);
    }
    let app = App::building(&run.setting, On::Docker, Readings::All, &LIMITS).await?;
    let goal = app.door()?;
    let mut rows = Vec::new();
    for (workers, rate, failed, openfaas) in PROFILES {
        let length = Length::Requests(run.options.readings);
        let tally =
            load(&goal, Load { keep: false, length, warm: std::time::Duration::ZERO, ..run.turn(workers) }).await?;
        rows.extend(judge(workers, &tally, rate, failed, openfaas));
    }
    Ok(rows)
}

fn judge(workers: u32, tally: &Tally, rate: f64, failed: f64, openfaas: Option<f64>) -> [Row; 2] {
    let (n, backend) = (usize::try_from(tally.asked()).unwrap_or(usize::MAX), On::Docker.name());
    let name = format!("paper, {}", counted(workers, "worker"));
    let times = tally.per_second() / rate;
    let note = format!("the paper: {rate} requests/s on small VMs, which is {times:.0} times less");
    let answered = Row::value(&name, backend, "requests/s", n, tally.per_second(), None).note(note);
    let errors = (tally.asked() - tally.right - tally.filtered) as f64 / (tally.asked() as f64).max(1.0) * 100.0;
    let mut note = format!("the paper: {failed} %");
    if let Some(openfaas) = openfaas {
        note.push_str(&format!(", OpenFaaS there: {openfaas} %"));
    }
    if errors > 0.0 {
        note.push_str(&format!("; {}", tally.complaints()));
    }
    let failed = Row::value(&format!("{name}: errors"), backend, "%", n, errors, Some(Target::Exactly(0.0)));
    [answered, failed.note(note)]
}
