//! Memory of services that wait.

use std::time::Duration;

use anyhow::ensure;

use super::Run;
use super::app::{App, RECORD, flow, maker, passer};
use crate::arguments::On;
use crate::memory;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Resident MiB that a service may have.
const MOST: f64 = 6.0;

/// Until what a start needed is given back or is not.
const SETTLING: Duration = Duration::from_secs(3);

/// Services of the flow; the others are asked for by a route only. A route may be 64 deep.
const FLOW: usize = 4;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    if !run.backends.contains(&On::Process) {
        let why = "processes are what is looked at, and process is not among the backends";
        return Ok(vec![Row::absent("idle services", "process", why)]);
    }
    let services: Vec<_> = (1..=run.options.idle.max(2)).map(|at| format!("idle_{at}")).collect();
    let mut text = RECORD.to_owned();
    text.push_str(&maker(&services[0], 300));
    services[1..].iter().for_each(|name| text.push_str(&passer(name)));
    text.push_str(&flow(&services[..FLOW.min(services.len())]));
    let app = App::start(&run.setting, On::Process, &text, &[]).await?;
    tokio::time::sleep(SETTLING).await;
    let session = app.session.pid()?;
    let hosts = memory::hosts(session)?;
    ensure!(hosts.len() == services.len(), "{} hosts run for {} services", hosts.len(), services.len());
    let (mut resident, mut shares) = (Sample::default(), Sample::default());
    for (pid, _) in &hosts {
        resident.push(memory::resident(*pid)?);
        shares.push(memory::proportional(*pid)?);
    }
    let (n, backend) = (services.len(), On::Process.name());
    Ok(vec![
        Row::sample(&format!("{n} idle services: each"), backend, "MiB", &resident, Some(Target::P50(MOST)))
            .note("resident"),
        Row::sample(&format!("{n} idle services: each, shared pages by their share"), backend, "MiB", &shares, None),
        Row::value(&format!("{n} idle services: the session"), backend, "MiB", 1, memory::resident(session)?, None)
            .note(format!("resident; started in {:.1} s", app.session.start / 1e3)),
    ])
}
