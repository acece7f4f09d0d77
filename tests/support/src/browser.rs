//! Debian's Chromium, driven by its chromedriver: the few commands of WebDriver (<https://www.w3.org/TR/webdriver2/>) that
//! the tests need, over plain HTTP.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::{Value, json};

/// Long enough for a busy machine; reached only where something hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Whether there is a driver on this machine.
pub fn is_there() -> bool {
    Command::new("chromedriver")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A browser with one window and a profile of its own. Dropped, it ends.
pub struct Browser {
    driver: Child,
    client: Client,
    /// Of the driver's session.
    url: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one.
    ///
    /// # Panics
    /// There is no chromedriver.
    pub fn start() -> Self {
        Self::with(&json!({}))
    }

    /// Starts one that keeps no cookie of anybody.
    pub fn without_cookies() -> Self {
        Self::with(&json!({ "profile.default_content_setting_values.cookies": 2 }))
    }

    fn with(preferences: &Value) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().expect("chromedriver: tests/run installs chromium and chromium-driver");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.ok()?;
            // The first line says what was asked for.
            line.split("on port ").nth(1)?.trim_end_matches('.').parse::<u16>().ok().filter(|port| *port != 0)
        });
        let port = port.expect("chromedriver says its port");
        // What it writes later is for nobody, and must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--window-size=1440,900",
            // Nothing but the page is reached, whatever the browser would like to ask for.
            "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments, "prefs": preferences },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let client = Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        let base = format!("http://127.0.0.1:{port}/session");
        let said: Value = client.post(&base).json(&wanted).send().unwrap().json().unwrap();
        let id = said["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{said:#}"));
        Self { driver, client, url: format!("{base}/{id}"), _profile: profile }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer: Value = self.client.post(format!("{}{path}", self.url)).json(body).send().unwrap().json().unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {:#}", answer["value"]);
        answer["value"].clone()
    }

    fn get(&self, path: &str) -> Value {
        let answer: Value = self.client.get(format!("{}{path}", self.url)).send().unwrap().json().unwrap();
        answer["value"].clone()
    }

    pub fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    pub fn address(&self) -> String {
        self.get("/url").as_str().unwrap().to_owned()
    }

    /// What a script returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a script calls its last argument with.
    pub fn wait_for(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// The visible text of the page.
    pub fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a script returns something true.
    pub fn until(&self, what: &str, script: &str) -> Value {
        let begun = Instant::now();
        loop {
            let found = self.run(&format!("return {script}"));
            if !matches!(found, Value::Null | Value::Bool(false)) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{what} does not come: {script}\n{}", self.text());
            std::thread::sleep(LOOK);
        }
    }

    /// Has the browser do what its developers' tools can, and returns the answer:
    /// <https://chromedevtools.github.io/devtools-protocol/>.
    pub fn tool(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Waits until the page shows a text.
    pub fn shows(&self, text: &str) {
        self.until(text, &format!("document.body.innerText.includes({})", json!(text)));
    }

    /// Keys that a person presses, as they come: `\u{e007}` is enter, `\u{e004}` tab, `\u{e00c}` escape.
    pub fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })])
            .collect();
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Clicks the first element with this text that a selector finds.
    pub fn click(&self, selector: &str, text: &str) {
        let find = format!(
            "[...document.querySelectorAll({})].find((one) => one.innerText.trim().startsWith({}) && !one.disabled)",
            json!(selector),
            json!(text)
        );
        self.until(&format!("{selector} {text}"), &format!("Boolean({find})"));
        self.run(&format!("{find}.click()"));
    }

    /// Writes a picture of the window.
    pub fn picture(&self, file: &Path) {
        use base64::Engine;
        let text = self.get("/screenshot").as_str().unwrap().to_owned();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, base64::prelude::BASE64_STANDARD.decode(text).unwrap()).unwrap();
    }

    pub fn resize(&self, width: u32, height: u32) {
        self.post("/window/rect", &json!({ "width": width, "height": height }));
    }

    /// Hides the window, so that nobody sees its page, or shows it again.
    pub fn hide(&self, hidden: bool) {
        self.post(if hidden { "/window/minimize" } else { "/window/maximize" }, &json!({}));
        let state = if hidden { "hidden" } else { "visible" };
        self.until(state, &format!("document.visibilityState === '{state}'"));
    }

    /// Light or dark, as the user's system would say.
    pub fn theme(&self, theme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.tool("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Lets nothing of these addresses through any more.
    pub fn block(&self, addresses: &[&str]) {
        self.tool("Network.enable", &json!({}));
        self.tool("Network.setBlockedURLs", &json!({ "urls": addresses }));
    }

    /// What the browser complained of since the last question.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        let severe = entries.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser with the session.
        drop(self.client.delete(&self.url).send());
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
