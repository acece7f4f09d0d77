//! A server in a process of its own, and what it is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Reached only by a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// The variable that makes this program a server: the folder of its catalog.
const SERVER: &str = "DYN_TEST_DATA_SERVER";

/// Objects of a store: key to the hash of its bytes.
pub(crate) type Hashes = BTreeMap<String, String>;

/// A server, its catalog, and folders for stores.
pub(crate) struct Server {
    pub(crate) folder: TempDir,
    process: Option<Child>,
    url: String,
    token: String,
    client: Client,
}

/// Not a test: what the tests start as a server.
#[test]
#[ignore = "run by the tests of this file: the server that they start"]
fn a_server() {
    let folder = PathBuf::from(std::env::var_os(SERVER).expect("a folder for the catalog"));
    let text = std::fs::read_to_string(folder.join("data.toml")).expect("settings");
    let settings = data::DataSettings::read(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let options = data_server::DataServerOptions {
        listen: "127.0.0.1:0".parse().expect("an address"),
        door: (!settings.endpoints.is_empty()).then(|| "127.0.0.1:0".parse().expect("an address")),
        catalog: folder.join("catalog.db"),
        token: folder.join("token"),
        settings: Some(settings),
        takes: false,
    };
    let ready = |data_server::DataServerStart { address, door, .. }| {
        if let Some(door) = door {
            std::fs::write(folder.join("door"), format!("{door}")).expect("written");
        }
        let aside = folder.join("address.aside");
        std::fs::write(&aside, format!("{address}")).expect("written");
        std::fs::rename(aside, folder.join("address")).expect("renamed");
    };
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    // It ends with the test, which holds the other end of its input.
    let end = async {
        let read = tokio::task::spawn_blocking(|| std::io::Read::read(&mut std::io::stdin(), &mut [0]));
        drop(read.await);
    };
    runtime.block_on(data_server::run(options, ready, end)).unwrap_or_else(|error| panic!("{error}"));
    // The thread that reads would be waited for.
    std::process::exit(0);
}

impl Server {
    /// Starts a server of these settings, in which `FOLDER` is a folder for stores.
    pub(crate) fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = settings.replace("FOLDER", &folder.path().display().to_string());
        for line in text.lines().filter_map(|line| line.strip_prefix("folder = \"")) {
            std::fs::create_dir_all(line.trim_end_matches('"')).expect("a store");
        }
        std::fs::write(folder.path().join("data.toml"), text).expect("settings");
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client");
        let mut server = Self { folder, process: None, url: String::new(), token: String::new(), client };
        server.run();
        server
    }

    /// Three folders as stores in three places, and a bucket with two copies.
    pub(crate) fn of_folders(bucket: &str) -> Self {
        let mut text = String::new();
        for (name, zones) in [("hpc", r#""germany", "fast""#), ("cc1", r#""germany", "fast""#), ("cc2", r#""germany""#)]
        {
            let _written = write!(
                text,
                "[places.{name}]\nzones = [{zones}]\n[stores.{name}]\nplace = \"{name}\"\nfolder = \"FOLDER/{name}\"\n"
            );
        }
        Self::start(&format!("{text}[server]\nplace = \"cc1\"\n[buckets.images]\nmaster = \"hpc\"\n{bucket}"))
    }

    /// Starts it, or starts it again.
    pub(crate) fn run(&mut self) {
        let address = self.path("address");
        drop(std::fs::remove_file(&address));
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "server::a_server", "--ignored", "--nocapture"]).env(SERVER, self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        self.process = Some(command.spawn().expect("a server"));
        let begun = Instant::now();
        let address = loop {
            match std::fs::read_to_string(&address) {
                Ok(address) => break address,
                Err(_) => {
                    let ended = self.process.as_mut().and_then(|process| process.try_wait().expect("a process"));
                    assert!(ended.is_none() && begun.elapsed() < PATIENCE, "no server: {ended:?}");
                    std::thread::sleep(LOOK);
                }
            }
        };
        self.url = format!("http://{address}");
        self.token = std::fs::read_to_string(self.path("token")).expect("a token").trim().to_owned();
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("a server that runs");
        process.kill().expect("killed");
        process.wait().expect("ended");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder in a store's.
    pub(crate) fn objects(&self, store: &str) -> PathBuf {
        self.path(store).join("images")
    }

    /// The status and the body of an answer.
    pub(crate) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}/v1/{path}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().expect("the server answers");
        let status = answer.status().as_u16();
        let text = answer.text().expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, None);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(Method::POST, path, Some(body));
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// The bucket, as the server sees it.
    pub(crate) fn bucket(&self) -> Value {
        self.get("catalog")["buckets"]["images"].clone()
    }

    /// Waits until every copy is whole.
    pub(crate) fn whole(&self) {
        let begun = Instant::now();
        loop {
            let bucket = self.get("buckets/images/wait?within=60");
            let replicas = bucket["replicas"].as_object().expect("copies");
            if !replicas.is_empty() && replicas.values().all(|replica| replica["state"] == "whole") {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "copies are not whole: {bucket:#}");
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until something is so of the bucket.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.until_of("images", what, is_so)
    }

    /// The same of another bucket.
    pub(crate) fn until_of(&self, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let bucket = self.get("catalog")["buckets"][name].clone();
            if is_so(&bucket) {
                return bucket;
            }
            assert!(begun.elapsed() < PATIENCE, "{name} never {what}: {bucket:#}");
            std::thread::sleep(LOOK);
        }
    }

    /// Puts an object through the server; the number of the change.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) -> u64 {
        let answer = self.try_put(key, bytes);
        let status = answer.status().as_u16();
        let body: Value = answer.json().expect("JSON");
        assert_eq!(status, 200, "{body}");
        body["version"].as_u64().expect("a number")
    }

    pub(crate) fn try_put(&self, key: &str, bytes: &[u8]) -> Response {
        let request = self.client.put(format!("{}/v1/objects/images/{key}", self.url)).bearer_auth(&self.token);
        request.body(bytes.to_vec()).send().expect("the server answers")
    }

    /// Puts objects through the server from another thread, as long as it is there.
    pub(crate) fn putter(&self) -> impl Fn(&str, Vec<u8>) -> reqwest::Result<Response> + Send + use<> {
        let (client, url, token) = (self.client.clone(), self.url.clone(), self.token.clone());
        move |key, bytes| client.put(format!("{url}/v1/objects/images/{key}")).bearer_auth(&token).body(bytes).send()
    }

    /// Sends a text as JSON, by another token where one is given. 0: it was cut off amid the text.
    pub(crate) fn post_text(&self, path: &str, text: &str, token: Option<&str>) -> (u16, String) {
        let request = self.client.post(format!("{}/v1/{path}", self.url)).bearer_auth(token.unwrap_or(&self.token));
        // A server that does not read a body to its end closes the way: the next request takes another.
        let request = request.header("connection", "close");
        let request = request.header("content-type", "application/json").body(text.to_owned());
        match request.send() {
            Ok(answer) => (answer.status().as_u16(), answer.text().unwrap_or_default()),
            Err(error) => (0, error.to_string()),
        }
    }

    /// Sends a signal to the server's process.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.process.as_ref().expect("a server that runs").id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(sent.success(), "{signal}");
    }

    /// The bytes of an object, read through the server.
    pub(crate) fn read(&self, path: &str) -> (u16, Vec<u8>) {
        let request = self.client.get(format!("{}/v1/objects/images/{path}", self.url)).bearer_auth(&self.token);
        let answer = request.send().expect("the server answers");
        (answer.status().as_u16(), answer.bytes().expect("bytes").to_vec())
    }

    /// Sends an event of a store as the store would.
    pub(crate) fn event(&self, store: &str, key: &str, token: &str) -> u16 {
        let event = json!({ "Records": [{ "s3": { "bucket": { "name": "images" }, "object": { "key": key } } }] });
        let request = self.client.post(format!("{}/v1/notify/{store}", self.url)).bearer_auth(token).json(&event);
        request.send().expect("the server answers").status().as_u16()
    }

    pub(crate) fn hook(&self, store: &str) -> String {
        self.get(&format!("stores/{store}/hook"))["token"].as_str().expect("a token").to_owned()
    }

    /// Settings, changed by hand and applied.
    pub(crate) fn apply(&self, change: impl FnOnce(&mut Value), move_master: bool) -> (u16, Value) {
        let mut settings = self.get("settings");
        let revision = settings["revision"].clone();
        let mut wanted = settings["settings"].take();
        change(&mut wanted);
        let body = json!({ "settings": wanted, "revision": revision, "move_master": move_master });
        self.ask(Method::POST, "apply", Some(&body))
    }

    /// Events of a kind, so far.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let events = self.get("events");
        let events = events.as_array().expect("events").iter().map(|event| event["event"].clone());
        events.filter(|event| event["kind"] == kind).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// Every object of a bucket that is a folder, with the hash of its bytes.
pub(crate) fn hashes(folder: &Path) -> Hashes {
    fn walk(folder: &Path, prefix: &str, into: &mut Hashes) {
        for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let entry = entry.expect("an entry");
            let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().expect("a type").is_dir() {
                walk(&entry.path(), &format!("{key}/"), into);
            } else {
                let bytes = std::fs::read(entry.path()).expect("bytes");
                into.insert(key, blake3::hash(&bytes).to_string());
            }
        }
    }
    let mut found = Hashes::new();
    walk(folder, "", &mut found);
    found
}

/// Writes an object by hand, whole.
pub(crate) fn write(folder: &Path, key: &str, bytes: &[u8]) {
    let path = folder.join(key);
    let parent = path.parent().expect("a folder");
    std::fs::create_dir_all(parent).expect("a folder");
    let aside = tempfile::NamedTempFile::new_in(folder.parent().expect("a store")).expect("a file");
    std::fs::write(aside.path(), bytes).expect("written");
    aside.persist(path).expect("in place");
}

/// Bytes that look like nothing, and are the same each time.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
