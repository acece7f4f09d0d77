//! rust-analyzer, spoken to as an editor does: the Language Server Protocol over its pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::{Value, json};

use crate::session::PATIENCE;

/// A rust-analyzer that runs for one folder.
pub struct LanguageServer {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    seen: Vec<Value>,
    last: i64,
    _home: tempfile::TempDir,
}

/// What every rust-analyzer of a test is started with: an empty home, and the toolchain and crates of this machine.
fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    let own = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    for (name, folder) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
        command.env(name, std::env::var_os(name).map_or_else(|| own.join(folder), PathBuf::from));
    }
    command.env("HOME", home);
    if let Some(sources) = sources_of_std() {
        command.env("RUST_SRC_PATH", sources);
    }
    // Of the cargo that runs the test.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// Sources of the standard library: of the toolchain, or of Debian's package.
pub fn sources_of_std() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let roots = [sysroot, PathBuf::from("/usr")].into_iter();
    roots.map(|root| root.join("lib/rustlib/src/rust/library")).find(|folder| folder.join("core/src/lib.rs").is_file())
}

/// The first rust-analyzer of PATH that runs: rustup has one for every toolchain, whether that brings it or not.
fn program() -> PathBuf {
    let folders = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let runs =
        |program: &PathBuf| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let found =
        folders.iter().map(|folder| folder.join("rust-analyzer")).filter(|program| program.is_file()).find(runs);
    let program = found.expect(
        "rust-analyzer is missing: rustup component add rust-analyzer rust-src (Debian 12: apt-get install rust-web-analyzer rust-web-src)",
    );
    assert!(
        sources_of_std().is_some(),
        "the sources of the standard library are missing: rustup component add rust-src (Debian 12: apt-get install rust-web-src)"
    );
    program
}

impl LanguageServer {
    /// Starts it for a folder, in an empty home, and waits until it has read all there is.
    pub fn start(folder: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = command(&program(), home.path());
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (sender, messages) = channel();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            while let Some(message) = read(&mut output) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take().unwrap();
        let mut server = Self { child, input, messages, seen: Vec::new(), last: 0, _home: home };
        server.request(
            "initialize",
            &json!({
                "processId": std::process::id(),
                "rootUri": uri(folder),
                "workspaceFolders": [{ "uri": uri(folder), "name": "app" }],
                "capabilities": {
                    "experimental": { "serverStatusNotification": true },
                    "window": { "workDoneProgress": true },
                    "textDocument": {
                        "diagnostic": {},
                        "hover": { "contentFormat": ["markdown"] },
                    },
                },
            }),
        );
        server.notify("initialized", &json!({}));
        server
    }

    /// Opens a file, and waits until everything is read.
    pub fn open(&mut self, file: &Path) {
        let text = std::fs::read_to_string(file).unwrap();
        let document = json!({ "uri": uri(file), "languageId": "rust", "version": 1, "text": text });
        self.notify("textDocument/didOpen", &json!({ "textDocument": document }));
        let status = self.wait("a server that is at rest", |message| {
            message["method"] == "experimental/serverStatus" && message["params"]["quiescent"] == true
        });
        // A warning tells what it goes without, such as crates of the standard library that cannot be fetched.
        assert_eq!(status["params"]["health"], "ok", "{status}");
    }

    /// Changes the text of an open file, as typing does.
    pub fn change(&mut self, file: &Path, version: u32, text: &str) {
        let document = json!({ "uri": uri(file), "version": version });
        let params = json!({ "textDocument": document, "contentChanges": [{ "text": text }] });
        self.notify("textDocument/didChange", &params);
    }

    /// Names of what can stand behind the first `mark` of the file's text, with the LSP's kind of each.
    pub fn completions(&mut self, file: &Path, mark: &str) -> Vec<(String, u64)> {
        let answer = self.request("textDocument/completion", &at(file, mark));
        let items = answer.as_array().or_else(|| answer["items"].as_array()).cloned().unwrap_or_default();
        let one =
            |item: &Value| (item["label"].as_str().unwrap().to_owned(), item["kind"].as_u64().unwrap_or_default());
        items.iter().map(one).collect()
    }

    /// What is shown over the end of the first `mark` of the file's text.
    pub fn hover(&mut self, file: &Path, mark: &str) -> String {
        let mut place = at(file, mark);
        let column = place["position"]["character"].as_u64().unwrap();
        place["position"]["character"] = json!(column - 1);
        let answer = self.request("textDocument/hover", &place);
        answer["contents"]["value"].as_str().unwrap_or_default().to_owned()
    }

    /// What rust-analyzer itself finds wrong.
    pub fn diagnostics(&mut self, file: &Path) -> Vec<String> {
        let answer = self.request("textDocument/diagnostic", &json!({ "textDocument": { "uri": uri(file) } }));
        let items = answer["items"].as_array().unwrap_or_else(|| panic!("{answer}"));
        items.iter().map(|item| format!("{}: {}", item["range"]["start"]["line"], item["message"])).collect()
    }

    /// Waits for the end of a check by cargo, and answers what it found wrong.
    pub fn checked(&mut self, file: &Path) -> Vec<String> {
        let is_end = |message: &Value| {
            let token = message["params"]["token"].as_str().unwrap_or_default();
            message["method"] == "$/progress"
                && token.contains("flycheck")
                && message["params"]["value"]["kind"] == "end"
        };
        if !self.seen.iter().any(is_end) {
            self.wait("the end of cargo's check", is_end);
        }
        let of_file = |message: &&Value| {
            message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri(file)
        };
        let last = self.seen.iter().rev().find(of_file).map(|message| message["params"]["diagnostics"].clone());
        last.iter().flat_map(|list| list.as_array().cloned().unwrap_or_default()).map(|one| one.to_string()).collect()
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        loop {
            self.last += 1;
            let id = self.last;
            self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
            let answer = self.wait(method, |message| message["id"] == id && message.get("method").is_none());
            // What was read changed meanwhile: the protocol has the client ask again.
            let code = answer["error"]["code"].as_i64();
            if code != Some(-32801) && code != Some(-32802) {
                assert!(code.is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    /// The next message that passes. Questions of the server are answered meanwhile.
    fn wait(&mut self, what: &str, passes: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message =
                self.messages.recv_timeout(left).unwrap_or_else(|_| panic!("no {what}; seen {:#?}", self.seen));
            if message.get("method").is_some() && message.get("id").is_some() {
                let items = message["params"]["items"].as_array().map(Vec::len);
                let answer = items.map_or(Value::Null, |count| json!(vec![Value::Null; count]));
                self.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": answer }));
                continue;
            }
            self.seen.push(message.clone());
            if passes(&message) {
                return message;
            }
        }
    }
}

impl Drop for LanguageServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// The place behind the first `mark` of a file.
fn at(file: &Path, mark: &str) -> Value {
    let text = std::fs::read_to_string(file).unwrap();
    let before = text.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {text}")).0;
    let before = format!("{before}{mark}");
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    json!({ "textDocument": { "uri": uri(file) }, "position": { "line": line, "character": column } })
}

/// The next message of a stream: headers, an empty line, JSON.
fn read(stream: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
