//! What a tab takes that nobody sees: of the browser, and of the session.

use std::time::Duration;

use anyhow::Context;
use support::browser::Browser;

use super::{Asking, Setting, Shown, socket, tab};
use crate::arguments::Page;
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
    let mut browser = tokio::task::spawn_blocking(move || tab::open(&link)).await.context("open a tab")?;
    let turn = Duration::from_secs_f64(options.seconds);
    let (mut seen, mut hidden) = (Turns::default(), Turns::default());
    for _ in 0..options.rounds {
        for (turns, is_hidden) in [(&mut seen, false), (&mut hidden, true)] {
            browser = at_once(browser, move |browser| browser.hide(is_hidden)).await?;
            // What was under way is drawn.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (before, back) = counted(browser).await?;
            let waited = async {
                tokio::time::sleep(turn).await;
                anyhow::Ok(())
            };
            turns.session.push(shown.cost(waited).await?.0);
            let (after, back) = counted(back).await?;
            browser = back;
            turns.frames += after.frames - before.frames;
            turns.tab.push((after.seconds - before.seconds) / options.seconds * 100.0);
        }
    }
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

async fn counted(browser: Browser) -> anyhow::Result<(tab::Counted, Browser)> {
    tokio::task::spawn_blocking(move || (tab::Counted::of(&browser), browser)).await.context("look at a tab")
}

async fn at_once(browser: Browser, work: impl FnOnce(&Browser) + Send + 'static) -> anyhow::Result<Browser> {
    let done = tokio::task::spawn_blocking(move || {
        work(&browser);
        browser
    });
    done.await.context("change a tab")
}
