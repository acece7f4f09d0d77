//! A store that pods reach: SeaweedFS on the machine of the testbed.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cluster::unique;

/// The machine, as nodes and pods reach it.
const MACHINE: &str = "10.44.0.1";
/// The key and the secret of all of them.
pub(crate) const KEY: (&str, &str) = ("dyn-key", "dyn-secret");
/// The longest wait for one to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store that runs, in a folder of its own.
pub(crate) struct PodStore {
    folder: TempDir,
    port: u16,
    process: Child,
}

fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).unwrap();
    let program = cache.join("dyn-testbed/stores/weed-4.48");
    assert!(program.exists(), "this test needs SeaweedFS: tests/testbed/stores fetch");
    program
}

/// Seven ports in a row that are free, and those that are 10,000 above.
fn ports() -> u16 {
    let is_free = |port: u16| TcpListener::bind((MACHINE, port)).is_ok();
    loop {
        let first = 12_000 + (unique() % 9_000) as u16;
        if (first..first + 7).all(|port| is_free(port) && is_free(port + 10_000)) {
            return first;
        }
    }
}

impl PodStore {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let actions = ["Admin", "Read", "List", "Tagging", "Write"];
        let identity = serde_json::json!({ "identities": [
            { "name": "dyn", "credentials": [{ "accessKey": KEY.0, "secretKey": KEY.1 }], "actions": actions },
        ] });
        fs::write(folder.path().join("s3.json"), identity.to_string()).unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let (first, log) = (ports(), File::create(folder.path().join("log")).unwrap());
        let mut command = Command::new(program());
        command.current_dir(folder.path()).args(["mini", "-dir=data", "-master.telemetry=false", "-s3.config=s3.json"]);
        command.args([format!("-ip={MACHINE}"), format!("-ip.bind={MACHINE}")]);
        command.args(["-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        let ports = ["master.port", "volume.port", "filer.port", "s3.port", "webdav.port", "admin.port", "metricsPort"];
        command.args(ports.iter().zip(first..).map(|(name, port)| format!("-{name}={port}")));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let store = Self { folder, port: first + 3, process: command.spawn().unwrap() };
        let client = reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let (begun, health) = (Instant::now(), format!("{}/healthz", store.endpoint()));
        while !client.get(&health).send().is_ok_and(|answer| answer.status().is_success()) {
            let log = || fs::read_to_string(store.folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "SeaweedFS does not come up: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        store
    }

    /// What it keeps of an object, by its filer; none where it has none.
    pub(crate) fn object(&self, path: &str) -> Option<String> {
        let url = format!("http://{MACHINE}:{}/buckets/{path}", self.port - 1);
        let answer = reqwest::blocking::Client::builder().no_proxy().build().unwrap().get(url).send().unwrap();
        answer.status().is_success().then(|| answer.text().unwrap())
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{MACHINE}:{}", self.port)
    }
}

impl Drop for PodStore {
    fn drop(&mut self) {
        // It is gone in either case.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
