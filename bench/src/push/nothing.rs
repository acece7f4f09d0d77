//! A push where nothing changed.

use anyhow::ensure;

use super::backend::Backend;
use super::pushed::push;
use super::{BACKEND, Run, audit};
use crate::report::{Row, Target};
use crate::sample::Sample;

/// From the cluster's answer to the end.
const WITHIN: f64 = 100.0;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let backend = Backend::new(run, "nothing")?;
    push(run, &backend).await?;
    let (writes, sent) = (audit::writes(&backend)?, audit::sent(&backend)?);
    // Otherwise nothing is counted where nobody looks.
    ensure!(writes > 0 && sent > 0, "a first push was counted as {writes} writes and {sent} uploads");
    let (mut whole, mut after) = (Sample::default(), Sample::default());
    for _ in 0..run.options.rounds {
        let pushed = push(run, &backend).await?;
        ensure!(pushed.is_nothing(), "nothing changed, and something was pushed");
        whole.push(pushed.whole());
        after.push(pushed.since("connected")?);
    }
    let (writes, sent) = (audit::writes(&backend)? - writes, audit::sent(&backend)? - sent);
    let none = Some(Target::Exactly(0.0));
    Ok(vec![
        Row::spread("push of nothing", BACKEND, &whole, None).note("the whole command"),
        Row::spread("  once the cluster answered", BACKEND, &after, Some(Target::P50(WITHIN))),
        Row::value("  writes at the API", BACKEND, "requests", whole.len(), writes as f64, none)
            .note("counted in the API server's audit log"),
        Row::value("  uploads to the registry", BACKEND, "requests", whole.len(), sent as f64, none)
            .note("counted in the registry's own log"),
    ])
}
