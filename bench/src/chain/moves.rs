//! Services that go on in another host under load.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::process::Command;

use super::app::{App, Readings};
use super::{Run, load};
use crate::arguments::On;
use crate::load::Load;
use crate::report::{Row, Target};

/// Connections of the load.
const CONNECTIONS: u32 = 32;

/// What is done under it, in turns.
const MOVES: [&[&str]; 2] = [&["fuse", "filter", "map", "moving_avg"], &["split", "map", "moving_avg"]];

/// Longer than this nobody is to wait for a move.
const LONGEST_MS: f64 = 50.0;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    if !run.backends.contains(&On::Process) {
        let why = "it is measured with processes, which are not among the backends";
        return Ok(vec![Row::absent("a move under load", "process", why)]);
    }
    let app = App::building(&run.setting, On::Process, Readings::Temperatures, &[]).await?;
    let goal = app.door()?;
    let (mut asked, mut right, mut longest, mut words) = (0, 0, 0.0_f64, Vec::new());
    for _ in 0..run.options.rounds {
        for arguments in MOVES {
            let loading = tokio::spawn({
                let (goal, turn) = (goal.clone(), Load { warm: Duration::ZERO, ..run.turn(CONNECTIONS) });
                async move { load(&goal, turn).await }
            });
            // In the midst of it.
            tokio::time::sleep(Duration::from_secs_f64(run.options.seconds / 4.0)).await;
            let moved = regroup(run, &app, arguments).await;
            let tally = loading.await.context("load")??;
            moved?;
            asked += tally.asked();
            right += tally.right;
            longest = longest.max(tally.micros(1.0).unwrap_or_default() / 1e3);
            words.extend(Some(tally.complaints()).filter(|words| !words.is_empty()));
        }
    }
    words.truncate(3);
    let (backend, moves) = (On::Process.name(), run.options.rounds as usize * MOVES.len());
    let n = usize::try_from(asked).unwrap_or(usize::MAX);
    let lost = (asked - right) as f64;
    Ok(vec![
        Row::value(
            "moves under 32 connections: failed, wrong or counted twice",
            backend,
            "requests",
            n,
            lost,
            Some(Target::Exactly(0.0)),
        )
        .note(words.join("\n")),
        Row::value(
            "moves under 32 connections: longest wait",
            backend,
            "ms",
            moves,
            longest,
            Some(Target::AtMost(LONGEST_MS)),
        )
        .note("of any request while services move, load and all"),
    ])
}

/// `dyn fuse` or `dyn split`.
async fn regroup(run: &Run<'_>, app: &App, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(&run.setting.program);
    command.arg(arguments[0]).arg(app.file()).args(&arguments[1..]);
    command.env("DYNINKA_HOME", &run.setting.home).kill_on_drop(true);
    let output = command.output().await.context("start dyn")?;
    let words = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(output.status.success(), "dyn {}: {}", arguments[0], words());
    Ok(())
}
