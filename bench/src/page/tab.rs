//! What the page takes of a browser: from a link to the first figures, of the main thread for a frame, of memory over time.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use support::browser::Browser;
use tokio::process::Command;

use super::{Asking, Setting, Shown, socket};
use crate::arguments::Page;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Why there are no rows.
pub(super) const NO_BROWSER: &str = "there is no chromedriver: install chromium and chromium-driver";
/// Times a page is opened.
const OPENED: usize = 10;
/// Seconds over which frames are drawn and looked at, one by one.
const LOOKS: usize = 60;
/// Requests a second: every figure changes with every frame, and a browser, the services and the session share the machine.
pub(super) const MOST_PACE: f64 = 2.0;
/// Lines of services a minute while the heap is looked at.
const LINES: f64 = 20_000.0;

/// Notes when the first latency is drawn, and counts what the session tells: run before anything of the page's own.
const NOTES: &str = "
    const Own = WebSocket;
    window.WebSocket = class extends Own {
      constructor(...of) { super(...of); this.addEventListener('message', () => { window.told = (window.told ?? 0) + 1; }); }
    };
    const look = () => {
      if (/\\d (µs|ms)/.test(document.querySelector('.services')?.textContent ?? '')) window.drawnAt = performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);";

pub(super) async fn measure(options: &Page, setting: &Setting) -> anyhow::Result<Vec<Row>> {
    if !support::browser::is_there() {
        return Ok(vec![Row::absent("a tab", "", NO_BROWSER)]);
    }
    let mut rows = drawn(options, setting).await?;
    rows.extend(held(options, setting).await?);
    Ok(rows)
}

/// Many services of which all figures change.
async fn drawn(options: &Page, setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let shown = Shown::start(setting, options.services).await?;
    let asking = Asking::begin(shown.session.url()?, options.pace.min(MOST_PACE))?;
    tokio::time::sleep(super::WARM).await;
    let link = socket::link(setting, &shown.file()).await?;
    let services = options.services;
    let looked = tokio::task::spawn_blocking(move || {
        let browser = open(&link);
        let mut navigated = Sample::default();
        for _ in 0..OPENED {
            browser.run("window.drawnAt = undefined; location.reload()");
            let at = browser.until("the first figures", "window.drawnAt ?? false");
            navigated.push(at.as_f64().unwrap_or(f64::NAN));
        }
        let (mut busy, mut before) = (Sample::default(), Counted::of(&browser));
        for _ in 0..LOOKS {
            std::thread::sleep(Duration::from_secs(1));
            let now = Counted::of(&browser);
            let frames = now.frames - before.frames;
            if frames > 0.0 {
                busy.push((now.seconds - before.seconds) * 1e3 / frames);
            }
            before = now;
        }
        let elements = browser.run("return document.querySelectorAll('*').length").as_f64().unwrap_or(f64::NAN);
        (navigated, busy, elements, clicks(&browser, services))
    });
    let (navigated, busy, elements, clicked) = looked.await.context("look at a tab")?;
    drop(asking);
    let (size, opened) = kept(&shown, setting).await?;
    let named = |what: &str| format!("{} services: {what}", options.services);
    Ok(vec![
        Row::spread(&named("a page loaded anew to its first figures"), "", &navigated, Some(Target::P50(500.0))),
        Row::spread(&named("main thread of a tab for a frame"), "", &busy, Some(Target::P50AndP95(16.0, 16.0)))
            .note("script, style, layout and paint; mean of each second"),
        Row::value(&named("elements of the page"), "", "elements", 1, elements, Some(Target::AtMost(3_000.0))),
        Row::spread(&named("a click on a request to its hops"), "", &clicked, Some(Target::P50(150.0))),
        Row::value(&named("file of a session with 200 requests"), "", "MB", 1, size, Some(Target::AtMost(5.0))),
        Row::spread(&named("that file opened to its first figures"), "", &opened, Some(Target::P50(1_000.0))),
    ])
}

/// Milliseconds from a click on a request of so many hops until all of them are drawn.
fn clicks(browser: &Browser, hops: u32) -> Sample {
    browser.run("location.hash = '#/requests'");
    browser.until("requests", &format!("document.querySelectorAll('.list tbody tr').length >= {OPENED}"));
    // What stands in the list stays there.
    browser.click("button", "Pause");
    let mut clicked = Sample::default();
    for at in 0..OPENED {
        let took = browser.wait_for(&format!(
            "const done = arguments[0], link = document.querySelectorAll('.list tbody tr')[{at}].querySelector('a');
             const begun = performance.now(), name = `Request ${{link.innerText}}`;
             const look = () => document.querySelector('h2')?.innerText === name && document.querySelectorAll('.waterfall tbody tr').length >= {hops}
               ? done(performance.now() - begun) : requestAnimationFrame(look);
             link.click();
             look();"
        ));
        clicked.push(took.as_f64().unwrap_or(f64::NAN));
    }
    clicked
}

/// A session kept in a file: its megabytes, and milliseconds from opening it to its first figures.
async fn kept(shown: &Shown, setting: &Setting) -> anyhow::Result<(f64, Sample)> {
    let file = shown.folder.path().join("kept.html");
    let mut command = Command::new(&setting.program);
    command.arg("bundle").arg(shown.file()).arg("--output").arg(&file).args(["--last", "200"]);
    let output =
        command.env("DYNINKA_HOME", &setting.home).kill_on_drop(true).output().await.context("run dyn bundle")?;
    ensure!(output.status.success(), "dyn bundle: {}", String::from_utf8_lossy(&output.stderr));
    let size = std::fs::metadata(&file).with_context(|| format!("look at {}", file.display()))?.len() as f64 / 1e6;
    let opened = tokio::task::spawn_blocking(move || {
        let mut opened = Sample::default();
        for _ in 0..OPENED {
            let browser = open(&format!("file://{}", file.display()));
            opened.push(browser.run("return window.drawnAt").as_f64().unwrap_or(f64::NAN));
        }
        opened
    });
    Ok((size, opened.await.context("open the file")?))
}

/// A tab that is left open under load, with lines that come and go.
async fn held(options: &Page, setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let shown = Shown::start_app(setting, &chatter()).await?;
    let asking = Asking::begin(shown.session.url()?, LINES / 60.0 / LINES_A_REQUEST)?;
    let link = socket::link(setting, &shown.file()).await?;
    let minutes = options.tab_minutes;
    let looked = tokio::task::spawn_blocking(move || {
        let browser = open(&link);
        browser.run("location.hash = '#/logs'");
        let (begun, mut heaps) = (Instant::now(), Vec::new());
        for minute in 1..=minutes {
            std::thread::sleep(Duration::from_secs(60 * u64::from(minute)).saturating_sub(begun.elapsed()));
            heaps.push(heap(&browser));
        }
        heaps
    });
    let heaps = looked.await.context("look at a tab")?;
    drop(asking);
    let last = heaps.last().copied().context("no minute went by")?;
    let late = &heaps[heaps.len() - heaps.len() / 3 - 1..];
    let (least, most) =
        late.iter().fold((f64::MAX, 0.0_f64), |(least, most), heap| (least.min(*heap), most.max(*heap)));
    let after = |what: &str| format!("{what}, {minutes} minutes with 20,000 lines a minute");
    Ok(vec![
        Row::value(&after("heap of a tab"), "", "MB", heaps.len(), last, Some(Target::AtMost(40.0))),
        Row::value(
            &after("heap of a tab in the last third: most over least"),
            "",
            "x",
            late.len(),
            most / least,
            Some(Target::AtMost(1.1)),
        ),
    ])
}

/// A browser at the page, once it shows a figure.
pub(super) fn open(link: &str) -> Browser {
    let browser = Browser::start();
    browser.tool("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": NOTES }));
    browser.tool("Performance.enable", &json!({}));
    browser.open(link);
    browser.until("the first figures", "window.drawnAt ?? false");
    browser
}

/// What the main thread did so far.
pub(super) struct Counted {
    /// Messages of the session.
    pub(super) frames: f64,
    pub(super) seconds: f64,
}

impl Counted {
    pub(super) fn of(browser: &Browser) -> Self {
        Self {
            frames: browser.run("return window.told ?? 0").as_f64().unwrap_or(f64::NAN),
            seconds: metric(browser, "TaskDuration"),
        }
    }
}

/// Megabytes of the heap that are used once everything is gone that nobody holds.
fn heap(browser: &Browser) -> f64 {
    browser.tool("HeapProfiler.collectGarbage", &json!({}));
    metric(browser, "JSHeapUsedSize") / 1e6
}

fn metric(browser: &Browser, name: &str) -> f64 {
    let all = browser.tool("Performance.getMetrics", &json!({}));
    let metrics = all["metrics"].as_array().into_iter().flatten();
    metrics.filter(|metric| metric["name"] == name).find_map(|metric| metric["value"].as_f64()).unwrap_or(f64::NAN)
}

/// Lines that each request writes.
const LINES_A_REQUEST: f64 = 10.0;

/// Services that write lines.
fn chatter() -> String {
    "use dyninka::prelude::*;\n#[service]\nfn make() -> f64 { for n in 0..5 { println!(\"make has read the sensor {n} of 5\"); } 1.0 }\n\
     #[service]\nfn scale(value: f64) -> f64 { for n in 0..5 { println!(\"scale goes by the factor {n}\"); } value * 2.0 }\n\
     #[dyninka::main]\nfn main() { make().scale() }\n"
        .to_owned()
}
