//! A SeaweedFS of the bench's own: masters, volumes, filer and S3 in one process.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand::RngExt;
use serde_json::{Value, json};
use storage::{ObjectStore, S3Access};

use super::programs;
use crate::chain::process::Process;

pub(super) const VERSION: &str = "4.48";
/// The key and the secret of all of them.
pub(super) const KEY: (&str, &str) = ("dyn-key", "dyn-secret");
/// It is up within this.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// Ports in a row that it takes; each has another one 10,000 above.
const PORTS: u16 = 7;

/// A SeaweedFS. It ends with its handle.
#[derive(Debug)]
pub(super) struct Weed {
    pub(super) base: u16,
    _process: Process,
    client: reqwest::Client,
}

/// The first of ports that are free.
pub(super) fn ports() -> anyhow::Result<u16> {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let mut random = rand::rng();
    let mut tries = (0..1_000).map(|_| random.random_range(20_000..29_000_u16));
    let found = tries.find(|base| (*base..base + PORTS).all(|port| is_free(port) && is_free(port + 10_000)));
    found.context("find free ports for SeaweedFS")
}

impl Weed {
    /// Starts one on ports of its own.
    pub(super) async fn start() -> anyhow::Result<Self> {
        Self::start_at(ports()?, None).await
    }

    /// Starts one at these ports, which tells changes below `/buckets/images` to a URL with a token.
    pub(super) async fn start_at(base: u16, hook: Option<(&str, &str)>) -> anyhow::Result<Self> {
        let program = programs().join(format!("weed-{VERSION}"));
        ensure!(program.exists(), "no SeaweedFS: `tests/testbed/stores fetch` downloads it");
        let folder = tempfile::tempdir().context("make a folder")?;
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).with_context(|| format!("write {name}"))
        };
        let identity = json!({ "identities": [{
            "name": "dyn",
            "credentials": [{ "accessKey": KEY.0, "secretKey": KEY.1 }],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }] });
        write("s3.json", identity.to_string())?;
        if let Some((url, token)) = hook {
            // It is read from the working folder.
            let text = format!(
                "[notification.webhook]\nenabled = true\nendpoint = \"{url}\"\nbearer_token = \"{token}\"\n\
                 path_prefixes = [\"/buckets/images\"]\n"
            );
            write("notification.toml", text)?;
        }
        std::fs::create_dir(folder.path().join("data")).context("make a folder")?;
        let place = folder.path().display().to_string();
        let program = program.display().to_string();
        let mut words: Vec<String> = ["env", "-C", &place, &program, "mini", "-dir=data"].map(str::to_owned).into();
        words.extend(["-master.telemetry=false", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"].map(str::to_owned));
        words.extend(["-s3.config=s3.json", "-admin.ui=false", "-webdav=false"].map(str::to_owned));
        words.extend(["-s3.port.iceberg=0", "-s3.port.lance=0"].map(str::to_owned));
        let names = ["master.port", "volume.port", "filer.port", "s3.port", "webdav.port", "admin.port", "metricsPort"];
        words.extend((base..).zip(names).map(|(port, name)| format!("-{name}={port}")));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let process = Process::server(&words, base + 3, folder)?;
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().context("make a client")?;
        let weed = Self { base, _process: process, client };
        let (begun, health) = (Instant::now(), format!("http://127.0.0.1:{}/healthz", base + 3));
        while !weed.client.get(&health).send().await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(begun.elapsed() < PATIENCE, "SeaweedFS is not up within {PATIENCE:?}");
            tokio::time::sleep(LOOK).await;
        }
        Ok(weed)
    }

    /// Its S3 port.
    pub(super) fn port(&self) -> u16 {
        self.base + 3
    }

    /// Its filer, as other programs of SeaweedFS name it.
    pub(super) fn filer(&self) -> String {
        format!("127.0.0.1:{}", self.base + 2)
    }

    pub(super) fn store(&self) -> anyhow::Result<ObjectStore> {
        store(self.port())
    }

    /// Removes a bucket with all that is in it.
    pub(super) async fn drop_bucket(&self, name: &str) -> anyhow::Result<()> {
        let url = format!("http://{}/buckets/{name}?recursive=true", self.filer());
        let answer = self.client.delete(url).send().await.context("ask the filer")?;
        ensure!(answer.status().is_success(), "the filer does not remove {name}: {}", answer.status());
        Ok(())
    }
}

/// The store behind a port.
pub(super) fn store(port: u16) -> anyhow::Result<ObjectStore> {
    let endpoint = S3Access::endpoint(&format!("http://127.0.0.1:{port}"))?;
    let (key, secret) = (KEY.0.to_owned(), KEY.1.to_owned());
    Ok(ObjectStore::s3(S3Access { endpoint, region: "us-east-1".to_owned(), by_host: false, ca: None, key, secret })?)
}

/// A store as settings have it, behind a port; its keys are files in a folder.
pub(super) fn settings(place: &str, port: u16, keys: &Path) -> Value {
    let file = |name: &str| json!({ "file": keys.join(name).display().to_string() });
    json!({
        "place": place,
        "endpoint": format!("http://127.0.0.1:{port}"),
        "credentials": { "key": file("s3.key"), "secret": file("s3.secret") },
    })
}

/// Writes the files that settings name.
pub(super) fn write_keys(folder: &Path) -> anyhow::Result<()> {
    for (name, text) in [("s3.key", KEY.0), ("s3.secret", KEY.1)] {
        std::fs::write(folder.join(name), text).with_context(|| format!("write {name}"))?;
    }
    Ok(())
}
