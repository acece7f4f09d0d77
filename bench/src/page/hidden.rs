//! What a tab takes that nobody sees: of the browser, and of the session.

use std::time::Duration;

use anyhow::Context;

use super::{Asking, Setting, Shown, socket, tab};
use crate::arguments::Page;
use crate::memory;
use crate::report::{Row, Target};
use crate::sample::Sample;

pub(super) async fn measure(options: &Page, setting: &Setting) -> anyhow::Result<Vec<Row>> {
    if !support::browser::is_there() {
        return Ok(vec![Row::absent("a hidden tab", "", tab::NO_BROWSER)]);
    }
    let shown = Shown::start(setting, options.services).await?;
    let asking = Asking::begin(shown.session.url()?, options.pace.min(tab::MOST_PACE))?;
    tokio::time::sleep(super::WARM).await;
    let link = socket::link(setting, &shown.file()).await?;
    let (pid, rounds, time) = (shown.session.pid()?, options.rounds, Duration::from_secs_f64(options.seconds));
    let turns = tokio::task::spawn_blocking(move || turns(&link, pid, rounds, time));
    let [seen, hidden] = turns.await.context("look at a tab")??;
    drop(asking);
    let n = hidden.tab.len();
    let middle = |sample: &Sample| sample.spread().map_or(f64::NAN, |spread| spread.p50);
    let more = middle(&hidden.session) - middle(&seen.session);
    let row = |name: &str, sample: &Sample| Row::sample(name, "", "% of a core", sample, None);
    Ok(vec![
        Row::value("a hidden tab: frames told", "", "frames", n, hidden.frames, Some(Target::Exactly(0.0))),
        row("a hidden tab: its main thread", &hidden.tab),
        row("the same tab seen: its main thread", &seen.tab),
        row("a hidden tab: the session", &hidden.session),
        row("the same tab seen: the session", &seen.session),
        Row::value("the session, hidden less seen", "", "% of a core", n, more, Some(Target::AtMost(0.0))),
    ])
}

#[derive(Default)]
struct Turns {
    frames: f64,
    tab: Sample,
    session: Sample,
}

/// A tab that is seen and hidden in turn.
fn turns(link: &str, pid: u32, rounds: u32, time: Duration) -> anyhow::Result<[Turns; 2]> {
    let browser = tab::open(link);
    let mut both = [Turns::default(), Turns::default()];
    for _ in 0..rounds {
        for (turns, is_hidden) in both.iter_mut().zip([false, true]) {
            browser.hide(is_hidden);
            // What was under way is drawn.
            std::thread::sleep(Duration::from_secs(1));
            let (before, used) = (tab::Counted::of(&browser), memory::processor(pid)?);
            std::thread::sleep(time);
            let (after, then) = (tab::Counted::of(&browser), memory::processor(pid)?);
            let share = |seconds: f64| seconds / time.as_secs_f64() * 100.0;
            turns.frames += after.frames - before.frames;
            turns.tab.push(share(after.seconds - before.seconds));
            turns.session.push(share(then.saturating_sub(used).as_secs_f64()));
        }
    }
    Ok(both)
}
