//! A SeaweedFS of a test's own: real S3 in front, and its filer to look behind it.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use reqwest::blocking::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::server::{Hashes, LOOK, PATIENCE};

/// The key and the secret of all of them.
pub(crate) const KEY: (&str, &str) = ("dyn-key", "dyn-secret");

/// A SeaweedFS that runs, in a folder of its own.
pub(crate) struct Weed {
    folder: TempDir,
    base: u16,
    process: Option<Child>,
    client: Client,
}

fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).expect("a home");
    let program = cache.join("dyn-testbed/stores/weed-4.48");
    assert!(program.exists(), "these tests need SeaweedFS: tests/testbed/stores fetch");
    program
}

/// Seven ports in a row that are free, and those that are 10,000 above.
fn ports() -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let seed = u64::from(std::process::id()).wrapping_mul(7_919) + Instant::now().elapsed().as_nanos() as u64;
    let mut place = 20_000 + (seed % 9_000) as u16;
    loop {
        let thread = blake3::hash(format!("{place} {:?}", std::thread::current().id()).as_bytes());
        place = 20_000 + u16::from_le_bytes([thread.as_bytes()[0], thread.as_bytes()[1]]) % 9_000;
        if (place..place + 7).all(|port| is_free(port) && is_free(port + 10_000)) {
            return place;
        }
    }
}

impl Weed {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let identity = serde_json::json!({ "identities": [
            { "name": "dyn", "credentials": [{ "accessKey": KEY.0, "secretKey": KEY.1 }], "actions": ["Admin", "Read", "List", "Tagging", "Write"] },
        ] });
        fs::write(folder.path().join("s3.json"), identity.to_string()).expect("written");
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client");
        let mut weed = Self { folder, base: ports(), process: None, client };
        weed.run();
        weed
    }

    pub(crate) fn run(&mut self) {
        let data = self.folder.path().join("data");
        fs::create_dir_all(&data).expect("a folder");
        let log = fs::File::create(self.folder.path().join("log")).expect("a log");
        let port = |number: u16| (self.base + number).to_string();
        let mut command = Command::new(program());
        command.current_dir(self.folder.path()).arg("mini");
        command.args([format!("-dir={}", data.display()), "-master.telemetry=false".to_owned()]);
        command.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.config=s3.json", "-admin.ui=false", "-webdav=false"]);
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        for (name, number) in [
            ("master.port", 0),
            ("volume.port", 1),
            ("filer.port", 2),
            ("s3.port", 3),
            ("webdav.port", 4),
            ("admin.port", 5),
            ("metricsPort", 6),
        ] {
            command.arg(format!("-{name}={}", port(number)));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        self.process = Some(command.spawn().expect("SeaweedFS"));
        let begun = Instant::now();
        let health = format!("http://127.0.0.1:{}/healthz", port(3));
        while !self.client.get(&health).send().is_ok_and(|answer| answer.status().is_success()) {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "SeaweedFS does not come up: {}", log());
            std::thread::sleep(LOOK);
        }
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("one that runs");
        process.kill().expect("killed");
        process.wait().expect("ended");
    }

    pub(crate) fn port(&self) -> u16 {
        self.base + 3
    }

    /// Its place, store and keys, as settings; reached at a port.
    pub(crate) fn settings(name: &str, port: u16) -> String {
        format!(
            "[places.{name}]\nzones = [\"germany\"]\n[stores.{name}]\nplace = \"{name}\"\nendpoint = \"http://127.0.0.1:{port}\"\n\
             credentials = {{ key = {{ file = \"FOLDER/{name}.key\" }}, secret = {{ file = \"FOLDER/{name}.secret\" }} }}\n"
        )
    }

    fn filer(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/buckets/{path}", self.base + 2)
    }

    /// The bytes of an object, by the filer, one after the other.
    pub(crate) fn reader(&self, bucket: &str, key: &str) -> reqwest::blocking::Response {
        let request = self.client.get(self.filer(&format!("{bucket}/{}", escaped(key))));
        // Of a large one all bytes together may take longer than an answer.
        request.timeout(PATIENCE * 60).send().expect("bytes")
    }

    /// Has its own shell do something, such as `s3.bucket.versioning -name images -enable`.
    pub(crate) fn shell(&self, line: &str) -> String {
        let mut shell = Command::new(program());
        let [master, filer] = [0, 2].map(|number| format!("127.0.0.1:{}", self.base + number));
        shell.current_dir(self.folder.path()).args(["shell", &format!("-master={master}"), &format!("-filer={filer}")]);
        let mut shell =
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a shell");
        writeln!(shell.stdin.take().expect("its input"), "{line}").expect("a line");
        let output = shell.wait_with_output().expect("an end");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !said.contains("error:"), "{line}: {said}");
        said
    }

    /// Uploads under way in a bucket.
    pub(crate) fn uploads(&self, bucket: &str) -> Vec<String> {
        let request = self.client.get(self.filer(&format!("{bucket}/.uploads/"))).header("accept", "application/json");
        let text = request.send().expect("the filer answers").text().expect("a body");
        let page: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let entries = page["Entries"].as_array().into_iter().flatten();
        entries.filter_map(|entry| Some(entry["FullPath"].as_str()?.to_owned())).collect()
    }

    /// Every object of the bucket, by the filer, with the hash of its bytes.
    pub(crate) fn hashes(&self, bucket: &str) -> Hashes {
        let mut found = Hashes::new();
        self.walk(bucket, "", &mut found);
        found
    }

    fn walk(&self, bucket: &str, prefix: &str, into: &mut Hashes) {
        let mut last = String::new();
        loop {
            let url = self.filer(&format!("{bucket}/{}", escaped(prefix)));
            let request = self
                .client
                .get(url)
                .query(&[("limit", "1000"), ("lastFileName", &last)])
                .header("accept", "application/json");
            let text = request.send().expect("the filer answers").text().expect("a body");
            let page: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            let entries = page["Entries"].as_array().cloned().unwrap_or_default();
            for entry in &entries {
                let path = entry["FullPath"].as_str().expect("a path");
                let key = path.strip_prefix(&format!("/buckets/{bucket}/")).expect("in the bucket").to_owned();
                last = key.rsplit('/').next().expect("a name").to_owned();
                // What it keeps of uploads under way.
                if key.starts_with(".uploads") {
                    continue;
                }
                // The highest bits of a mode say that it is a folder (Go's).
                if entry["Mode"].as_u64().is_some_and(|mode| mode & (1 << 31) != 0) {
                    self.walk(bucket, &format!("{key}/"), into);
                } else {
                    let bytes = self
                        .client
                        .get(self.filer(&format!("{bucket}/{}", escaped(&key))))
                        .send()
                        .expect("bytes")
                        .bytes()
                        .expect("bytes");
                    into.insert(key, blake3::hash(&bytes).to_string());
                }
            }
            if entries.len() < 1_000 {
                return;
            }
        }
    }
}

/// A path for a URL.
fn escaped(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl Drop for Weed {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}
