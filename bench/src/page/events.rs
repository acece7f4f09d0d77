//! From an event of the session to its picture in a tab: an edit that is live, and its verdict.

use std::time::{Instant, SystemTime};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use support::browser::Browser;

use super::{Asking, Setting, Shown, socket, tab};
use crate::arguments::Page;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Edits, each with one event of either kind.
const EDITS: u32 = 20;
/// Requests a second while it is quiet: a verdict is about some recorded inputs.
const QUIET_PACE: f64 = 2.0;
/// What an edit changes.
const BODY: &str = "fn pass_0_1(value: f64) -> f64 { value + 1.0 }";

/// Notes in each picture of the tab which edit is live in its head, and of which the verdict is shown.
const NOTES: &str = "
    window.shown = {};
    const note = (kind, text) => {
      if (text) window.shown[`${kind} ${text[1]}`] ??= performance.timeOrigin + performance.now();
    };
    const look = () => {
      note('live', document.querySelector('header .edit')?.textContent.match(/edit (\\d+)\\s+live/));
      note('verdict', document.querySelector('section[aria-label=\"One edit\"]')?.textContent.match(/edit (\\d+)[^]*of \\d+ answers/));
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);";

pub(super) async fn measure(options: &Page, setting: &Setting) -> anyhow::Result<Vec<Row>> {
    if !support::browser::is_there() {
        return Ok(vec![Row::absent("an event in a tab", "", tab::NO_BROWSER)]);
    }
    let mut rows = drawn(setting, 4, QUIET_PACE, "quiet", 200.0).await?;
    rows.extend(drawn(setting, options.services, options.pace.min(tab::MOST_PACE), "busy", 300.0).await?);
    Ok(rows)
}

async fn drawn(setting: &Setting, services: u32, pace: f64, how: &str, most: f64) -> anyhow::Result<Vec<Row>> {
    let mut shown = Shown::start(setting, services).await?;
    let app = super::app(services);
    ensure!(app.contains(BODY), "the app has no {BODY}");
    let asking = Asking::begin(shown.session.url()?, pace)?;
    let link = socket::link(setting, &shown.file()).await?;
    let here = tokio::runtime::Handle::current();
    let looked = tokio::task::spawn_blocking(move || {
        let browser = open(&link);
        let mut told = Vec::new();
        for number in 1..=EDITS {
            told.extend(here.block_on(edit(&mut shown, &app, number))?);
            // The next one takes its place in the picture.
            let last = told.last().map(|(name, _)| name.clone()).context("an edit told of nothing")?;
            browser.until(&last, &format!("Boolean(window.shown[{}])", json!(last)));
        }
        anyhow::Ok((browser.run("return window.shown"), told))
    });
    let (seen, told) = looked.await.context("look at a tab")??;
    drop(asking);
    Ok(["live", "verdict"].into_iter().map(|kind| row(kind, &seen, &told, how, services, most)).collect())
}

/// A tab at the page of edits.
fn open(link: &str) -> Browser {
    let browser = Browser::start();
    browser.tool("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": NOTES }));
    browser.open(link);
    browser.until("the page", "document.querySelector('nav') !== null");
    browser.run("location.hash = '#/edits'");
    browser
}

/// An edit, and when it was told to be live and its verdict to be there: milliseconds since 1970.
async fn edit(shown: &mut Shown, app: &str, number: u32) -> anyhow::Result<Vec<(String, f64)>> {
    // The clock of the tab is this machine's, too.
    let (instant, clock) = (Instant::now(), SystemTime::UNIX_EPOCH.elapsed().context("read the clock")?);
    let text = app.replace(BODY, &format!("fn pass_0_1(value: f64) -> f64 {{ value + {number}.5 }}"));
    std::fs::write(shown.file(), text).context("save an edit")?;
    let mut told = Vec::new();
    for kind in ["live", "verdict"] {
        let heard = shown.session.wait_for(&[kind, "unjudged"]).await?;
        let edit = heard.event["edit"].as_u64().context("an event names its edit")?;
        ensure!(heard.event["event"] == kind, "edit {edit} has no verdict: {}", heard.event);
        let at = clock + heard.at.saturating_duration_since(instant);
        told.push((format!("{kind} {edit}"), at.as_secs_f64() * 1e3));
    }
    Ok(told)
}

fn row(kind: &str, seen: &Value, told: &[(String, f64)], how: &str, services: u32, most: f64) -> Row {
    let (mut sample, mut missing) = (Sample::default(), 0);
    for (name, at) in told.iter().filter(|(name, _)| name.starts_with(kind)) {
        match seen[name.as_str()].as_f64() {
            // The tab may be told before the line of the event is read here.
            Some(shown) => sample.push((shown - at).max(0.0)),
            None => missing += 1,
        }
    }
    let name = match kind {
        "live" => format!("{services} services, {how}: edit live to drawn"),
        _ => format!("{services} services, {how}: verdict to drawn"),
    };
    if missing > 0 {
        return Row::failed(&name, "", &format!("{missing} were never drawn"));
    }
    Row::spread(&name, "", &sample, Some(Target::P50AndP95(most, most)))
}
