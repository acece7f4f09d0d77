//! What the page takes while none is open: a session with it beside one without, in turns.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::{Setting, Shown};
use crate::arguments::Page;
use crate::load::{self, Check, Goal, Length, Load};
use crate::memory;
use crate::report::{Row, Target};
use crate::sample::Sample;
use crate::session::Session;

/// Not timed, of each turn.
const WARM: Duration = Duration::from_millis(500);

pub(super) async fn measure(options: &Page, setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let with = Shown::start(setting, 4).await?;
    let folder = tempfile::tempdir().context("make a folder")?;
    let file = folder.path().join("app.rs");
    std::fs::write(&file, super::app(4)).context("write the app")?;
    let without = Session::start_with(setting, &file, "process", None, &["--page", "off"]).await?;
    let before = pictures(&with).await?;
    let (mut of_with, mut of_without) = (Side::default(), Side::default());
    for round in 0..options.rounds {
        let mut turns = [(&mut of_with, &with.session), (&mut of_without, &without)];
        // Neither is always the one that comes after the other.
        if round % 2 == 1 {
            turns.reverse();
        }
        for (side, session) in turns {
            side.turn(session, Duration::from_secs_f64(options.seconds)).await?;
        }
    }
    let made = pictures(&with).await? - before;
    let n = of_with.took.len();
    let ratio = |of: fn(&Side) -> &Sample| middle(of(&of_with)) / middle(of(&of_without));
    let value = |what: &str, value: f64, target| {
        Row::value(&format!("page, none open, over --page off: {what}"), "process", "x", n, value, Some(target))
    };
    Ok(vec![
        value("p50 of services", ratio(|side| &side.took), Target::AtMost(1.01)),
        value("requests a second", ratio(|side| &side.rate), Target::AtLeast(0.99)),
        value("session a request", ratio(|side| &side.session), Target::AtMost(1.01)),
        Row::value("pictures made while no page is open", "process", "pictures", n, made, Some(Target::Exactly(0.0))),
    ])
}

#[derive(Default)]
struct Side {
    took: Sample,
    rate: Sample,
    /// Its processor time for a request.
    session: Sample,
}

impl Side {
    async fn turn(&mut self, session: &Session, time: Duration) -> anyhow::Result<()> {
        let goal = Goal::door(&session.url()?, Check::Status(200))?;
        let load = Load { connections: 2, keep: true, warm: WARM, length: Length::Time(time), pace: None };
        let (pid, before) = (session.pid()?, memory::processor(session.pid()?)?);
        let tally = tokio::task::spawn_blocking(move || load::run(&goal, &load)).await.context("ask")??;
        let used = memory::processor(pid)?.saturating_sub(before);
        self.took.push(tally.micros(0.5).with_context(|| tally.complaints())?);
        self.rate.push(tally.per_second());
        self.session.push(used.as_secs_f64() / (tally.right as f64).max(1.0));
        Ok(())
    }
}

fn middle(sample: &Sample) -> f64 {
    sample.spread().map_or(f64::NAN, |spread| spread.p50)
}

/// Pictures that a session has made so far. To ask for this is to follow nothing.
async fn pictures(shown: &Shown) -> anyhow::Result<f64> {
    let text = shown.visitor.get("/v1/snapshot", false).await?;
    let snapshot: Value = serde_json::from_slice(&text).context("read a snapshot")?;
    snapshot["pictures"].as_f64().context("the session counts no pictures")
}
