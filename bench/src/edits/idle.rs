//! What a session costs that waits for the next save, and a host over its reloads.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::Run;
use super::building::{Building, RESULT};
use crate::arguments::On;
use crate::memory;
use crate::report::{Row, Target};

/// Long enough for a clock that counts hundredths of a second to tell 1 % from 2 %.
const IDLE: Duration = Duration::from_secs(10);

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for on in &run.backends {
        match backend(run, *on).await {
            Ok(measured) => rows.extend(measured),
            Err(error) => rows.push(Row::failed("idle session", on.name(), &format!("{error:#}"))),
        }
    }
    Ok(rows)
}

async fn backend(run: &Run<'_>, on: On) -> anyhow::Result<Vec<Row>> {
    let mut building = Building::start(&run.setting, on.name(), None).await?;
    let session = building.session.pid()?;
    let host = host(session, on)?;
    let fresh = memory::resident(session)?;
    let host_fresh = host.map(memory::resident).transpose()?;
    let idle = idle(session).await?;
    for edit in 0..run.options.many {
        let added = (run.nonce * 10_000 + u64::from(edit) + 1) as f64 + 0.5;
        building.serve(&building.adding(added), RESULT + added).await?;
    }
    let used = memory::resident(session)?;
    let edits = run.options.many as usize;
    let (on, memory, share) = (on.name(), Some(Target::AtMost(60.0)), Some(Target::AtMost(1.0)));
    let after = format!("session after {edits} edits");
    let mut rows = vec![
        Row::value("session, ready", on, "MiB", 1, fresh, memory).note("resident, without its hosts"),
        Row::value(&after, on, "MiB", 1, used, memory).note("resident, without its hosts"),
        Row::value("session, idle", on, "% of a core", 1, idle, share).note(format!("over {IDLE:?}")),
    ];
    if let Some((pid, before)) = host.zip(host_fresh) {
        let now = memory::resident(pid)?;
        rows.push(Row::value("host of map, ready", on, "MiB", 1, before, None).note("resident"));
        let each = format!("resident; {:.2} MiB a reload", (now - before) / edits as f64);
        rows.push(Row::value(&format!("host of map after {edits} reloads"), on, "MiB", 1, now, None).note(each));
    }
    Ok(rows)
}

/// The process that runs `map`. Of a container's, only the engine knows which it is: it is not looked at.
fn host(session: u32, on: On) -> anyhow::Result<Option<u32>> {
    if on == On::Docker {
        return Ok(None);
    }
    let hosts = memory::hosts(session)?;
    let found = hosts.iter().find(|(_, folder)| folder.trim_end_matches('/').ends_with("/map"));
    found.map(|(pid, _)| Some(*pid)).with_context(|| format!("no host of map among {hosts:?}"))
}

/// Percent of one core over a while in which nobody asks for anything.
async fn idle(session: u32) -> anyhow::Result<f64> {
    let (begun, before) = (Instant::now(), memory::processor(session)?);
    tokio::time::sleep(IDLE).await;
    let used = memory::processor(session)?.saturating_sub(before);
    Ok(used.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0)
}
