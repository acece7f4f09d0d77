//! What the page in a browser takes: bytes on its socket, processor time of the session, its files.
//!
//! Pages are plain clients that acknowledge at once, but for the tab of a browser.

mod closed;
mod events;
mod hidden;
mod history;
mod layout;
mod socket;
mod tab;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use crate::arguments::{Page, PagePart};
use crate::chain::open_many_files;
use crate::report::{Report, Row, Target};
use crate::sample::Sample;
use crate::session::{Session, Setting, millis};
use crate::{conditions, memory, program, table};
use socket::Visitor;

/// Between the start of a load and the first thing that is measured.
const WARM: Duration = Duration::from_secs(2);
/// A request is answered within this, or it failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures, prints the table, writes the JSON.
pub(crate) async fn run(options: &Page) -> anyhow::Result<Report> {
    let program = program::find(options.program.as_deref()).await?;
    let setting = Setting { program, home: program::workspace().join("target/bench/home") };
    std::fs::create_dir_all(&setting.home).with_context(|| format!("create {}", setting.home.display()))?;
    open_many_files()?;
    let mut report = Report { conditions: conditions::lines(options.program.as_deref())?, rows: Vec::new() };
    report.conditions.push(format!(
        "{} rounds of {} s, everything that is compared in turn; {} requests a second, each through every service; pages \
         are plain clients that acknowledge at once",
        options.rounds, options.seconds, options.pace
    ));
    for part in &options.only {
        eprintln!("bench: page: {part:?}");
        let rows = match part {
            PagePart::History => history::measure(),
            PagePart::Layout => layout::measure(),
            PagePart::Few => measure(options, &setting, 4, 4.0).await,
            PagePart::Many => measure(options, &setting, options.services, 30.0).await,
            PagePart::Closed => closed::measure(options, &setting).await,
            PagePart::Tab => tab::measure(options, &setting).await,
            PagePart::Events => events::measure(options, &setting).await,
            PagePart::Hidden => hidden::measure(options, &setting).await,
        };
        let failed = |error: anyhow::Error| vec![Row::failed(&format!("{part:?}"), "", &format!("{error:#}"))];
        report.rows.extend(rows.unwrap_or_else(failed));
    }
    let json = options.json.clone().unwrap_or_else(|| program::workspace().join("target/bench/page.json"));
    let text = serde_json::to_vec_pretty(&report).context("write the report as JSON")?;
    if let Some(folder) = json.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    std::fs::write(&json, text).with_context(|| format!("write {}", json.display()))?;
    println!("{}", table::draw(&report));
    eprintln!("bench: wrote {}", json.display());
    Ok(report)
}

/// A session with a page.
struct Shown {
    folder: TempDir,
    session: Session,
    visitor: Visitor,
}

impl Shown {
    async fn start(setting: &Setting, services: u32) -> anyhow::Result<Self> {
        Self::start_app(setting, &app(services)).await
    }

    async fn start_app(setting: &Setting, app: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let file: PathBuf = folder.path().join("app.rs");
        std::fs::write(&file, app).context("write the app")?;
        let session = Session::start_with(setting, &file, "process", None, &["--page", "0"]).await?;
        let visitor = Visitor::enter(setting, &file).await;
        let visitor = visitor.with_context(|| format!("dyn's last words:\n{}", session.last_words()))?;
        Ok(Self { folder, session, visitor })
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("app.rs")
    }

    /// Processor time of the session over a time, in percent of a core.
    async fn cost<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(f64, T)> {
        let pid = self.session.pid()?;
        let (begun, before) = (Instant::now(), memory::processor(pid)?);
        let done = work.await?;
        let used = memory::processor(pid)?.saturating_sub(before);
        Ok((used.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0, done))
    }
}

async fn measure(options: &Page, setting: &Setting, services: u32, most: f64) -> anyhow::Result<Vec<Row>> {
    let shown = Shown::start(setting, services).await?;
    let turn = Duration::from_secs_f64(options.seconds);
    let asking = Asking::begin(shown.session.url()?, options.pace)?;
    tokio::time::sleep(WARM).await;
    let mut rows = turns(options, &shown, services, most, turn).await?;
    let (asked, failed) = asking.end();
    let row = Row::value(
        &format!("{services} services: requests that failed"),
        "process",
        "requests",
        asked,
        failed,
        Some(Target::Exactly(0.0)),
    );
    rows.push(row);
    Ok(rows)
}

/// Requests by a clock, until it is dropped.
struct Asking {
    task: tokio::task::JoinHandle<()>,
    asked: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
}

impl Asking {
    fn begin(url: String, pace: f64) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().context("make a client")?;
        let (asked, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, missed) = (asked.clone(), failed.clone());
        let task = tokio::spawn(async move {
            let mut due = tokio::time::interval(Duration::from_secs_f64(1.0 / pace));
            loop {
                due.tick().await;
                let (request, count, missed) = (client.get(&url), count.clone(), missed.clone());
                tokio::spawn(async move {
                    let is_good = request.send().await.is_ok_and(|answer| answer.status().is_success());
                    count.fetch_add(1, Ordering::Relaxed);
                    missed.fetch_add(usize::from(!is_good), Ordering::Relaxed);
                });
            }
        });
        Ok(Self { task, asked, failed })
    }

    /// How many were answered or failed, and how many failed.
    fn end(self) -> (usize, f64) {
        (self.asked.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed) as f64)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn turns(options: &Page, shown: &Shown, services: u32, most: f64, turn: Duration) -> anyhow::Result<Vec<Row>> {
    let visitor = &shown.visitor;
    let (mut sent, mut whole, mut opened) = (Sample::default(), Sample::default(), Sample::default());
    let (mut none, mut one, mut eight) = (Sample::default(), Sample::default(), Sample::default());
    for _ in 0..options.rounds {
        let waited = async {
            tokio::time::sleep(turn).await;
            anyhow::Ok(())
        };
        none.push(shown.cost(waited).await?.0);
        let begun = Instant::now();
        let mut page = visitor.open(true).await?;
        page.first().await?;
        opened.push(millis(begun, Instant::now()));
        let (cost, received) = shown.cost(page.follow(turn)).await?;
        one.push(cost);
        sent.push(received.bytes as f64 / options.seconds / 1e3);
        let mut hidden = Vec::new();
        for _ in 0..7 {
            hidden.push(visitor.open(false).await?);
        }
        eight.push(shown.cost(page.follow(turn)).await?.0);
        drop(hidden);
        whole.push(visitor.get("/v1/snapshot", false).await?.len() as f64 * 5.0 / 1e3);
    }
    let named = |what: &str| format!("{services} services: {what}");
    let more = |with: &Sample| {
        let middle = |sample: &Sample| sample.spread().map_or(f64::NAN, |spread| spread.p50);
        middle(with) - middle(&none)
    };
    let n = one.len();
    let mut rows = vec![
        Row::sample(&named("bytes to a page"), "process", "kB/s", &sent, Some(Target::P50(most))),
        Row::sample(&named("snapshots 5 times a second"), "process", "kB/s", &whole, None),
        Row::spread(&named("opening to the first frame"), "process", &opened, Some(Target::P50(500.0))),
        Row::sample(&named("session without a page"), "process", "% of a core", &none, None),
        Row::value(&named("a page more"), "process", "% of a core", n, more(&one), Some(Target::AtMost(3.0))),
        Row::value(
            &named("8 pages more, 7 of them hidden"),
            "process",
            "% of a core",
            n,
            more(&eight),
            Some(Target::AtMost(3.0)),
        ),
    ];
    let mut searched = Sample::default();
    for _ in 0..options.rounds.max(5) {
        let begun = Instant::now();
        visitor.get("/v1/requests?limit=100&q=nothing-has-this", false).await?;
        searched.push(millis(begun, Instant::now()));
    }
    rows.push(Row::spread(&named("search in requests in memory"), "process", &searched, Some(Target::P50(100.0))));
    if services == 4 {
        rows.extend(files(visitor).await?);
    }
    Ok(rows)
}

/// The files of the page, from its document on.
async fn files(visitor: &Visitor) -> anyhow::Result<Vec<Row>> {
    let (mut wanted, mut known) = (vec!["/".to_owned()], BTreeSet::new());
    let (mut plain, mut packed) = (0, 0);
    while let Some(path) = wanted.pop() {
        if !known.insert(path.clone()) {
            continue;
        }
        let text = visitor.get(&path, false).await?;
        plain += text.len();
        packed += visitor.get(&path, true).await?.len();
        wanted.extend(named(&String::from_utf8_lossy(&text)));
    }
    let count = known.len();
    Ok(vec![
        Row::value("files of the page", "", "kB", count, plain as f64 / 1e3, Some(Target::AtMost(220.0))),
        Row::value("files, as they travel", "", "kB", count, packed as f64 / 1e3, Some(Target::AtMost(80.0))),
        Row::value("requests at load", "", "requests", 1, count as f64, Some(Target::AtMost(30.0))),
    ])
}

/// Paths that a file of the page asks for.
fn named(text: &str) -> Vec<String> {
    let quoted = |before: &str| -> Vec<String> {
        let parts = text.split(before).skip(1).filter_map(|rest| rest.split('"').next());
        parts
            .filter(|path| path.ends_with(".js") || path.ends_with(".css") || path.ends_with(".svg"))
            .map(|path| format!("/{path}"))
            .collect()
    };
    ["src=\"", "href=\"", "from \"./"].into_iter().flat_map(quoted).collect()
}

/// Services of which each takes part in each request: four chains, and the one that joins them.
fn app(services: u32) -> String {
    let mut text = "use dyninka::prelude::*;\n".to_owned();
    // Of four, a chain of three and the one that ends it; of more, four chains: a route may be 64 deep.
    let chains = if services < 8 { 1 } else { 4 };
    let (mut flow, mut inputs) = (Vec::new(), Vec::new());
    for chain in 0..chains {
        let length = (services - 1) / chains + u32::from(chain < (services - 1) % chains);
        let mut route = format!("make_{chain}()");
        // Writing to a text cannot fail.
        let _written = write!(text, "#[service]\nfn make_{chain}() -> f64 {{ 1.0 }}\n");
        for at in 1..length {
            let _written = write!(text, "#[service]\nfn pass_{chain}_{at}(value: f64) -> f64 {{ value + 1.0 }}\n");
            route = format!("pass_{chain}_{at}({route})");
        }
        flow.push(route);
        inputs.push(format!("input_{chain}: f64"));
    }
    let sum = (0..chains).map(|chain| format!("input_{chain}")).collect::<Vec<_>>().join(" + ");
    let (inputs, flow) = (inputs.join(", "), flow.join(", "));
    let _written = write!(
        text,
        "#[service]\nfn join({inputs}) -> f64 {{ {sum} }}\n#[dyninka::main]\nfn main() {{ join({flow}) }}\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_has_as_many_services_as_it_is_asked_for() {
        for services in [4, 8, 50, 200] {
            let text = app(services);
            assert_eq!(text.matches("#[service]").count(), services as usize, "{text}");
            assert_eq!(text.matches("fn join(").count(), 1);
        }
    }

    #[test]
    fn files_that_a_file_asks_for_are_found() {
        let text = "<link href=\"page.css\"><script src=\"run.js\"></script> import { html } from \"./lit-html.js\"; href=\"#/flow\"";
        assert_eq!(named(text), ["/run.js", "/page.css", "/lit-html.js"]);
    }
}
