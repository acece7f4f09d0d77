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

/// What one host of all services may have of what hosts apart have.
const TOGETHER: f64 = 0.25;

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
    let apart = hosts.iter().map(|(pid, _)| memory::proportional(*pid)).sum::<anyhow::Result<f64>>()?;
    let (n, backend) = (services.len(), On::Process.name());
    let started = app.session.start / 1e3;
    let session = memory::resident(session)?;
    drop(app);
    let together = together(run, &text).await?;
    Ok(vec![
        Row::sample(&format!("{n} idle services: each"), backend, "MiB", &resident, Some(Target::P50(MOST)))
            .note("resident"),
        Row::sample(&format!("{n} idle services: each, shared pages by their share"), backend, "MiB", &shares, None),
        Row::value(&format!("{n} idle services: the session"), backend, "MiB", 1, session, None)
            .note(format!("resident; started in {started:.1} s")),
        Row::value(
            &format!("{n} idle services in one host over apart"),
            backend,
            "x",
            1,
            together / apart,
            Some(Target::AtMost(TOGETHER)),
        )
        .note(format!("{together:.1} MiB over {apart:.1}, shared pages by their share")),
    ])
}

/// MiB of the one host that all services of this app are in.
async fn together(run: &Run<'_>, text: &str) -> anyhow::Result<f64> {
    let app = App::start(&run.setting, On::Process, text, &["--together", "all"]).await?;
    tokio::time::sleep(SETTLING).await;
    let hosts = memory::hosts(app.session.pid()?)?;
    ensure!(hosts.len() == 1, "{} hosts run for services that are together", hosts.len());
    memory::proportional(hosts[0].0)
}
