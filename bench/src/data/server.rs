//! A data server: `dyn data serve`, in a home of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{Run, weed};
use crate::load::address;

/// What ends, ends within this.
const PATIENCE: Duration = Duration::from_secs(1_800);
const LOOK: Duration = Duration::from_millis(20);

/// A data server. It ends with its handle.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
    token: String,
    client: reqwest::Client,
    home: TempDir,
}

impl Server {
    /// Starts one that knows nothing yet.
    pub(super) async fn start(run: &Run<'_>) -> anyhow::Result<Self> {
        Ok(Self::with(run, &[]).await?.0)
    }

    /// The same with a door, and where that is.
    pub(super) async fn with_door(run: &Run<'_>) -> anyhow::Result<(Self, SocketAddr)> {
        let (server, mut lines) = Self::with(run, &["--door", "127.0.0.1:0"]).await?;
        let line = lines.next_line().await.context("read what it says")?.context("dyn data serve ended")?;
        let at = line.strip_prefix("the door is at ").with_context(|| format!("dyn data serve said {line}"))?;
        Ok((server, address(at)?))
    }

    async fn with(run: &Run<'_>, further: &[&str]) -> anyhow::Result<(Self, Lines<BufReader<ChildStdout>>)> {
        let home = tempfile::tempdir().context("make a folder")?;
        weed::write_keys(home.path())?;
        let mut command = Command::new(&run.setting.program);
        command.args(["data", "serve", "--listen", "127.0.0.1:0"]).args(further).env("DYNINKA_HOME", home.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        let mut child = command.spawn().context("start dyn data serve")?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout is no pipe")?).lines();
        let line = lines.next_line().await.context("read what it says")?.context("dyn data serve ended")?;
        let (at, token) = line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split_once("; the token is in "))
            .with_context(|| format!("dyn data serve said {line}"))?;
        let token = std::fs::read_to_string(token).with_context(|| format!("read {token}"))?;
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(90)).build();
        let client = client.context("make a client")?;
        Ok((Self { child, address: address(at)?, token: token.trim().to_owned(), client, home }, lines))
    }

    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("dyn data serve has ended")
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/v1/{path}", self.url())).bearer_auth(&self.token)
    }

    /// A good answer.
    pub(super) async fn good(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.send().await.context("ask the data server")?;
        let (status, text) = (answer.status(), answer.text().await.context("read its answer")?);
        ensure!(status.is_success(), "the data server answered {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Takes settings: these stores, by name, each in a place of its name, and these buckets.
    pub(super) async fn apply(&self, stores: &Value, buckets: &Value) -> anyhow::Result<()> {
        let names = stores.as_object().context("stores have names")?.keys();
        let places: serde_json::Map<String, Value> = names.map(|name| (name.clone(), json!({}))).collect();
        let settings = json!({ "places": places, "stores": stores, "buckets": buckets });
        self.good(self.ask(Method::POST, "apply").json(&json!({ "settings": settings }))).await.map(drop)
    }

    /// Waits until all stores were asked and answer.
    pub(super) async fn up(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let catalog = self.good(self.ask(Method::GET, "catalog")).await?;
            let mut stores = catalog["stores"].as_object().into_iter().flat_map(serde_json::Map::values);
            if stores.all(|store| store["state"] == "up") {
                return Ok(());
            }
            ensure!(begun.elapsed() < Duration::from_secs(60), "not every store answers: {}", catalog["stores"]);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until every copy of a bucket is whole: a comparison of listings that began after this found nothing. The bucket.
    pub(super) async fn whole(&self, bucket: &str) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let now = self.good(self.ask(Method::GET, &format!("buckets/{bucket}/wait?within=60"))).await?;
            let mut copies = now["replicas"].as_object().into_iter().flat_map(serde_json::Map::values);
            if copies.all(|copy| copy["state"] == "whole") {
                return Ok(now);
            }
            ensure!(now["state"] != "held" && begun.elapsed() < PATIENCE, "{bucket} does not get whole: {now}");
        }
    }
}
