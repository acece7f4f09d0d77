//! A session with jobs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Run, requests};
use crate::chain::load;
use crate::load::{Check, Goal, Load, Tally, Wire, address};
use crate::memory;
use crate::session::Session;

/// What services of this app say of themselves: `tick` adds up what its calls took.
const APP: &str = "\
use dyninka::prelude::*;
use std::time::{Duration, Instant};

#[placed(tick)]
static SPENT: Placed<u64> = Placed::new(u64::default);

#[service]
fn seed() -> u64 {
    1
}

/// Takes so many microseconds; one: none.
#[service]
fn work(us: u64) -> u64 {
    if us > 1 {
        std::thread::sleep(Duration::from_micros(us));
    }
    us
}

/// The same, and adds up how long it took, in nanoseconds; nothing: what it came to.
#[service]
fn tick(us: u64) -> u64 {
    if us == 0 {
        return SPENT.update(|spent| *spent);
    }
    let begun = Instant::now();
    std::thread::sleep(Duration::from_micros(us));
    let took = begun.elapsed().as_nanos() as u64;
    SPENT.update(|spent| *spent += took);
    us
}

/// Calls `tick` again and again.
#[service]
async fn many(count: u64, us: u64) -> Result<u64> {
    for _ in 0..count {
        tick(us).await?;
    }
    Ok(count)
}

#[dyninka::main]
fn main() {
    work(seed())
}
";

/// Jobs of a batch.
const BATCH: u64 = 1_000;
/// Between two looks at a server.
const LOOK: Duration = Duration::from_millis(10);
/// What ends, ends within this.
const PATIENCE: Duration = Duration::from_secs(300);

/// A session with jobs. Dropped in this order: the session before its file.
pub(super) struct Ours {
    pub(super) session: Session,
    pub(super) server: SocketAddr,
    token: String,
    pub(super) store: PathBuf,
    client: reqwest::Client,
    _folder: TempDir,
}

impl Ours {
    /// Starts one, with these lines in the `[jobs]` of its dyn.toml.
    pub(super) async fn start(run: &Run<'_>, settings: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let file = folder.path().join("app.rs");
        std::fs::write(&file, APP).context("write the app")?;
        let settings = format!("[jobs]\n{settings}\n");
        std::fs::write(folder.path().join("dyn.toml"), settings).context("write dyn.toml")?;
        let mut session = Session::start_with(&run.setting, &file, "process", None, &["--jobs=0"]).await?;
        let said = loop {
            let heard = session.wait_for(&["notice"]).await?;
            let message = heard.event["message"].as_str().unwrap_or_default().to_owned();
            if message.starts_with("jobs are accepted at ") {
                break message;
            }
        };
        let after = |words: &str| {
            let rest = said.split(words).nth(1).with_context(|| format!("no {words:?} in {said:?}"))?;
            anyhow::Ok(rest.split([';', ',']).next().unwrap_or_default().trim().to_owned())
        };
        let token = std::fs::read_to_string(after("the token is in ")?).context("read the token")?;
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(90)).build();
        Ok(Self {
            session,
            server: address(&after("accepted at ")?)?,
            token: token.trim().to_owned(),
            store: after("the store is ")?.into(),
            client: client.context("make a client")?,
            _folder: folder,
        })
    }

    /// A request of the operator, for a tenant.
    pub(super) fn ask(&self, method: Method, path: &str, tenant: Option<&str>) -> RequestBuilder {
        let request = self.client.request(method, format!("http://{}/{path}", self.server)).bearer_auth(&self.token);
        tenant.into_iter().fold(request, |request, tenant| request.header("dyninka-tenant", tenant))
    }

    /// A good answer.
    pub(super) async fn good(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.send().await.context("ask the job server")?;
        let (status, text) = (answer.status(), answer.text().await.context("read its answer")?);
        ensure!(status.is_success(), "the job server answered {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Adds a tenant, with no limit but this weight and this many jobs at a time.
    pub(super) async fn tenant(&self, name: &str, weight: f64, running: u32) -> anyhow::Result<()> {
        let limits =
            json!({ "weight": weight, "running": running, "queued": 1_000_000_000, "rate": 1e9, "burst": 1e9 });
        let body = json!({ "name": name, "limits": limits });
        self.good(self.ask(Method::POST, "v1/tenants", None).json(&body)).await.map(drop)
    }

    /// A load that asks for this job of a tenant, again and again.
    pub(super) fn asking(&self, tenant: &str, job: &Value, prefer: &str, status: u16) -> Goal {
        self.posting("v1/jobs", tenant, prefer, &job.to_string(), status)
    }

    fn posting(&self, path: &str, tenant: &str, prefer: &str, body: &str, status: u16) -> Goal {
        let Self { server, token, .. } = self;
        let prefer = if prefer.is_empty() { String::new() } else { format!("prefer: {prefer}\r\n") };
        let bytes = format!(
            "POST /{path} HTTP/1.1\r\nhost: {server}\r\nauthorization: Bearer {token}\r\ndyninka-tenant: {tenant}\r\n\
             content-type: application/json\r\n{prefer}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let wire = Wire::Request { address: *server, bytes: bytes.into_bytes() };
        Goal { wire, check: Check::Status(status) }
    }

    /// Asks for so many jobs alike, in batches; at least so many are taken in. What the load says of it.
    pub(super) async fn fill(&self, tenant: &str, job: &Value, count: u64) -> anyhow::Result<Tally> {
        let jobs = vec![job.to_string(); usize::try_from(count.min(BATCH)).unwrap_or_default()];
        let body = format!(r#"{{"jobs":[{}]}}"#, jobs.join(","));
        let goal = self.posting("v1/jobs/batch", tenant, "", &body, 200);
        let tally = load(&goal, requests(count.div_ceil(BATCH).max(1), if count > BATCH { 4 } else { 1 })).await?;
        ensure!(tally.right == tally.asked(), "not every batch was taken in: {}", tally.complaints());
        Ok(tally)
    }

    /// Jobs of all tenants that are in a state.
    pub(super) async fn count(&self, state: &str) -> anyhow::Result<u64> {
        let answer = self.ask(Method::GET, "metrics", None).send().await.context("ask the job server")?;
        let text = answer.text().await.context("read its answer")?;
        let head = format!("dyninka_jobs{{state=\"{state}\"}} ");
        let line =
            text.lines().find_map(|line| line.strip_prefix(&head)).with_context(|| format!("{head} in {text}"))?;
        line.parse().with_context(|| format!("read {line}"))
    }

    /// Jobs done a second, of so many that wait for one moment and then are all ready.
    pub(super) async fn drain(&self, tenant: &str, job: &Value, count: u64) -> anyhow::Result<f64> {
        let before = self.count("done").await?;
        // Long enough for the batches to be taken in.
        let at = Instant::now() + Duration::from_millis(1_500 + count / 2);
        let mut left = count;
        while left > 0 {
            let some = left.min(BATCH);
            let mut job = job.clone();
            job["delay"] = json!(format!("{}ms", at.saturating_duration_since(Instant::now()).as_millis()));
            self.fill(tenant, &job, some).await?;
            left -= some;
        }
        ensure!(Instant::now() < at, "{count} jobs were not taken in before they were due: fewer, by --jobs");
        tokio::time::sleep_until(at.into()).await;
        self.done(before + count).await?;
        Ok(count as f64 / at.elapsed().as_secs_f64())
    }

    /// Waits until so many jobs are done.
    pub(super) async fn done(&self, count: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let done = self.count("done").await?;
            if done >= count {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("{done} of {count} jobs are done after {PATIENCE:?}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Nanoseconds of function time that a tenant, or a service, is billed for.
    pub(super) async fn billed(&self, by: &str, name: &str) -> anyhow::Result<(f64, u64)> {
        let bill = self.good(self.ask(Method::GET, &format!("v1/usage?by={by}"), None)).await?;
        let rows = bill["rows"].as_array().into_iter().flatten().filter(|row| row[by] == name);
        let sum = |of: &str| rows.clone().filter_map(|row| row[of].as_f64()).sum::<f64>();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        Ok((sum("function_ns"), sum("calls") as u64))
    }

    /// The process of the job server.
    pub(super) fn process(&self) -> anyhow::Result<u32> {
        memory::child(self.session.pid()?, "job-server")
    }

    /// Kills the job server, and answers how long it took until the next one serves.
    pub(super) async fn kill(&self) -> anyhow::Result<Duration> {
        let pid = self.process()?;
        let pid = rustix::process::Pid::from_raw(pid.cast_signed()).context("a process id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).context("kill the job server")?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let asked = self.client.get(format!("http://{}/readyz", self.server)).timeout(Duration::from_secs(5));
            // The one that was killed answers nothing.
            if asked.send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(begun.elapsed());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("no job server came back within {PATIENCE:?}; the session said:\n{}", self.session.last_words())
    }

    /// The median of the times from asked to done, of so many jobs one after the other, in milliseconds.
    pub(super) async fn idle(&self, tenant: &str, job: &Value, count: u64) -> anyhow::Result<f64> {
        let tally = load(&self.asking(tenant, job, "wait=30", 200), requests(count, 1)).await?;
        ensure!(tally.right == count, "not every job was done: {}", tally.complaints());
        tally.micros(0.5).map(|micros| micros / 1e3).context("nothing was measured")
    }

    /// Jobs accepted a second. They wait: none of them runs meanwhile.
    pub(super) async fn accept(&self, tenant: &str, load_: Load) -> anyhow::Result<f64> {
        let job = json!({ "inputs": { "us": 1 }, "tags": ["bench"], "delay": "1d" });
        let tally = load(&self.asking(tenant, &job, "", 202), load_).await?;
        ensure!(tally.right == tally.asked(), "not every job was accepted: {}", tally.complaints());
        Ok(tally.per_second())
    }
}
