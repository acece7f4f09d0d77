//! `dyn ui --cluster`: the page over what runs there, as a plain client sees it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder};
use serde_json::Value;

use crate::app::App;
use crate::cluster::Namespace;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// A page that runs in the foreground.
struct Shown {
    child: Child,
    client: Client,
    /// `http://NAME.localhost:PORT`.
    origin: String,
    cookie: String,
}

impl Shown {
    fn by(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut link = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut link).unwrap();
        let (origin, ticket) = link.trim().split_once("/#enter=").unwrap_or_else(|| panic!("no link: {link}"));
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let mut shown = Self { child, client, origin: origin.to_owned(), cookie: String::new() };
        let body = serde_json::json!({ "ticket": ticket });
        let answer = shown.request("POST", "/enter").json(&body).send().unwrap();
        assert_eq!(answer.status(), 204);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        shown.cookie = cookie.split(';').next().unwrap().to_owned();
        shown
    }

    /// Browsers take names below `localhost` to loopback themselves; this client is told.
    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let host = self.origin.strip_prefix("http://").unwrap();
        let port = host.rsplit(':').next().unwrap();
        let request = self.client.request(method.parse().unwrap(), format!("http://127.0.0.1:{port}{path}"));
        request.header("host", host).header("origin", &self.origin).header("cookie", &self.cookie)
    }

    fn snapshot(&self) -> Value {
        self.request("GET", "/v1/snapshot").send().unwrap().json().unwrap()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn page_over_a_cluster_shows_its_pods_and_figures_and_changes_nothing() {
    let (namespace, app) = (Namespace::new("page"), App::new());
    namespace.push(&app.file, &[]).done();
    let client = Client::builder().no_proxy().build().unwrap();
    for _ in 0..20 {
        assert!(client.get(namespace.url("twice")).send().unwrap().status().is_success());
    }
    let mut command = namespace.command("ui", &app.file);
    command.args(["--cluster", "--print"]);
    let mut shown = Shown::by(command);
    let begun = Instant::now();
    loop {
        let seen = shown.snapshot();
        let services = seen["services"].as_array().unwrap();
        let is_live = services.len() == 3 && services.iter().all(|service| service["state"] == "live");
        let n = seen["hops"]["plus"]["windows"][2]["n"].as_u64().unwrap_or_default();
        if is_live && n >= 20 {
            assert_eq!(seen["flow"], "twice(plus(source))");
            assert!(seen["backend"].as_str().unwrap().contains(&namespace.name), "{}", seen["backend"]);
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{seen:#}");
        std::thread::sleep(LOOK);
    }
    let command = serde_json::json!({ "command": "restart", "service": "plus" });
    assert_eq!(shown.request("POST", "/v1/commands").json(&command).send().unwrap().status(), 403);
    // Ctrl-C ends it.
    let pid = shown.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(shown.child.wait().unwrap().success());
}
