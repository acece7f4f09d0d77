//! A JuiceFS of a test's own: its gateway is MinIO's S3, and WebDAV looks behind it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use reqwest::blocking::Client;

use crate::server::{Hashes, LOOK, PATIENCE};
use crate::weed::KEY;

/// A JuiceFS that runs, in a folder of its own.
pub(crate) struct Juice {
    _folder: tempfile::TempDir,
    gateway: (u16, Child),
    webdav: (u16, Child),
}

fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).expect("a home");
    let program = cache.join("dyn-testbed/stores/juicefs-1.4.2");
    assert!(program.exists(), "this test needs JuiceFS: tests/testbed/stores fetch");
    program
}

/// A server of JuiceFS at a port of its own.
fn serve(folder: &Path, what: &str, options: &[&str]) -> (u16, Child) {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let log = fs::File::create(folder.join(format!("{what}.log"))).expect("a log");
    let mut command = Command::new(program());
    command
        .args([what, "--no-usage-report", "--cache-dir", "cache"])
        .args(options)
        .arg(database(folder))
        .arg(format!("127.0.0.1:{port}"));
    command.env("MINIO_ROOT_USER", KEY.0).env("MINIO_ROOT_PASSWORD", KEY.1).current_dir(folder);
    let process =
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log).spawn().expect("JuiceFS");
    let (client, begun) = (Client::builder().no_proxy().build().expect("a client"), Instant::now());
    while client.get(format!("http://127.0.0.1:{port}/minio/health/live")).send().is_err() {
        let log = || fs::read_to_string(folder.join(format!("{what}.log"))).unwrap_or_default();
        assert!(begun.elapsed() < PATIENCE, "JuiceFS does not come up: {}", log());
        std::thread::sleep(LOOK);
    }
    (port, process)
}

fn database(folder: &Path) -> String {
    format!("sqlite3://{}", folder.join("meta.db").display())
}

impl Juice {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = format!("{}/", folder.path().join("data").display());
        let mut format = Command::new(program());
        format.args([
            "format",
            "--no-update",
            &database(folder.path()),
            "--storage",
            "file",
            "--bucket",
            &data,
            "places",
        ]);
        let made = format.output().expect("JuiceFS");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let of_s3 = ["--no-banner", "--multi-buckets", "--keep-etag", "--object-tag", "--object-meta"];
        let gateway = serve(folder.path(), "gateway", &of_s3);
        // It looks each time: another process writes.
        let fresh = ["--attr-cache", "0", "--entry-cache", "0", "--dir-entry-cache", "0"];
        let webdav = serve(folder.path(), "webdav", &fresh);
        Self { _folder: folder, gateway, webdav }
    }

    pub(crate) fn port(&self) -> u16 {
        self.gateway.0
    }

    /// Objects of the bucket among these keys, by WebDAV, with the hash of their bytes.
    pub(crate) fn hashes(&self, bucket: &str, keys: &[&str]) -> Hashes {
        let client = Client::builder().no_proxy().build().expect("a client");
        let read = |key: &&str| {
            let url = format!("http://127.0.0.1:{}/{bucket}/{key}", self.webdav.0);
            let answer = client.get(url).send().expect("WebDAV answers");
            let status = answer.status().as_u16();
            assert!([200, 404].contains(&status), "{key}: {status}");
            let bytes = answer.bytes().expect("bytes");
            (status == 200).then(|| ((*key).to_owned(), blake3::hash(&bytes).to_string()))
        };
        keys.iter().filter_map(read).collect()
    }
}

impl Drop for Juice {
    fn drop(&mut self) {
        for (_, process) in [&mut self.gateway, &mut self.webdav] {
            drop(process.kill());
            drop(process.wait());
        }
    }
}
