//! Tokens of jobs and the session's secret are told to nobody.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};
use support::hosts::ours;
use support::{app, dyn_command, run};

use crate::counter::Counter;
use crate::server::{Jobs, told};

/// What a file holds, as far as it is text.
fn text_of(path: impl AsRef<std::path::Path>) -> String {
    String::from_utf8_lossy(&fs::read(path).expect("a file")).into_owned()
}

/// D16: no token and no secret is in an event, a log, a recording, a status, an answer, the store, or what every program of this
/// machine sees of a process.
#[test]
fn tokens_and_the_secret_are_told_to_nobody() {
    let counter = Counter::start();
    let (folder, file) = app(&counter.app());
    fs::write(file.with_file_name("dyn.toml"), "[jobs]\nstore = \"jobs.db\"\nfunctions = true\n").expect("settings");
    let jobs = Jobs::start_with(&file, &["--record", "one"]);
    let config: Value = serde_json::from_str(&text_of(jobs.dev.socket_folder(&file).join("job-server/config.json")))
        .expect("a configuration");
    let secret = config["token"].as_str().expect("a secret").to_owned();
    assert_eq!(jobs.post("tenants", &json!({ "name": "alice" })).status, 201);
    let made = jobs.post("tenants/alice/tokens", &json!({}));
    let token = made.body["token"].as_str().expect("a token").to_owned();
    // Used, rightly and wrongly: for a job that runs, one that fails, one that is refused, a function, and nothing at all.
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let by = |method: Method, path: &str, body: &Value| {
        let request = client.request(method, format!("{}/{path}", jobs.url)).bearer_auth(&token);
        told(request.json(body)).expect("an answer")
    };
    let mut answers = Vec::new();
    let asked = by(Method::POST, "jobs", &json!({ "inputs": { "id": 1, "ms": 0 } }));
    let id = asked.body["id"].as_str().expect("an id").to_owned();
    answers.push(asked);
    let put = jobs.request(Method::PUT, "functions/says").header("content-type", "text/javascript");
    answers.push(told(put.body("() => { console.log(Object.keys(globalThis)); }")).expect("an answer"));
    let fails = jobs.ask(&json!({ "service": "fails", "inputs": { "id": 2 }, "attempts": 1 }));
    let says = jobs.ask(&json!({ "function": "says" }));
    let ends = [&id, &fails, &says].map(|id| jobs.end_of(id));
    assert_eq!(ends.each_ref().map(|job| job["state"].as_str()), [Some("done"), Some("failed"), Some("done")]);
    for (method, path, body) in [
        (Method::POST, "jobs", json!({ "inputs": { "id": "x" } })),
        (Method::GET, "tenants", json!(null)),
        (Method::GET, "jobs", json!(null)),
        (Method::GET, "nothing", json!(null)),
        (Method::POST, "jobs/batch", json!([1])),
    ] {
        answers.push(by(method, path, &body));
    }
    for path in ["jobs", "summary", "tenants", "usage", "dead", "functions", "openapi.json", "deliveries"] {
        answers.push(jobs.get(path));
    }
    let wrong = client.get(format!("{}/jobs", jobs.url)).bearer_auth(format!("{token}x"));
    answers.push(told(wrong).expect("an answer"));
    let events = jobs.request(Method::GET, &format!("jobs/{id}/events")).send().expect("events");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(events));
    let events: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| !line.contains("done")).collect();
    let metrics = jobs.request(Method::GET, "../metrics").send().and_then(reqwest::blocking::Response::text);
    let metrics = metrics.expect("text");
    assert!(metrics.contains("dyninka_job_attempts_total"), "{metrics}");
    let mut all = vec![
        ("answers".to_owned(), format!("{answers:?}")),
        ("ends".to_owned(), json!(ends).to_string()),
        ("events of a job".to_owned(), events.join("\n")),
        ("metrics".to_owned(), metrics),
        ("events".to_owned(), json!(jobs.dev.seen()).to_string()),
        ("ready".to_owned(), jobs.dev.ready.to_string()),
    ];
    for words in [["status", "--json"].as_slice(), &["status"], &["logs"]] {
        let arguments = [words[0], file.to_str().expect("a path")];
        all.push((words.join(" "), format!("{:?}", run(&[&arguments[..], &words[1..]].concat()))));
    }
    for words in [["list"].as_slice(), &["status"], &["usage"], &["dead"], &["show", &id], &["function", "list"]] {
        let mut command = dyn_command();
        command.arg("jobs");
        // The file stands behind the command's words, before the id.
        let (words, id) = if words[0] == "show" { (&words[..1], &words[1..]) } else { (words, &[][..]) };
        let output = command.args(words).arg(&file).args(id).output().expect("dyn runs");
        assert!(output.status.success(), "{output:?}");
        all.push((words.join(" "), format!("{output:?}")));
    }
    let recording = folder.path().join("recordings/one/recording.jsonl");
    let recorded = || {
        let told = run(&["status".as_ref(), file.as_os_str(), "--json".as_ref()]);
        let snapshot: Value = serde_json::from_slice(&told.stdout).expect("a snapshot");
        snapshot["recording"]["requests"].as_u64().expect("a count")
    };
    while recorded() < 2 {
        std::thread::sleep(crate::server::LOOK);
    }
    for process in ours("process", &file).into_iter().chain(jobs.pid().map(|pid| pid.to_string())) {
        for name in ["cmdline", "environ"] {
            all.push((format!("{name} of {process}"), format!("/{}", text_of(format!("/proc/{process}/{name}")))));
        }
    }
    let operator = jobs.token.clone();
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
    all.push(("stderr".to_owned(), format!("/{stderr}")));
    let kept = text_of(&recording);
    assert!(kept.contains("work") && kept.contains("\"fails\""), "the requests of jobs are recorded: {kept}");
    all.push(("recording".to_owned(), kept));
    let beside = fs::read_dir(folder.path()).expect("a folder").flatten();
    let of_store = beside.filter(|entry| entry.file_name().to_string_lossy().starts_with("jobs.db"));
    let store: String = of_store.map(|entry| text_of(entry.path())).collect();
    assert!(store.contains("alice"));
    all.push(("store".to_owned(), store));
    // The last part of a token is a check of the one before: the part between is what nobody may know.
    let parts = [&operator, &token].map(|token| token.rsplit('_').next().expect("a secret part")[..43].to_owned());
    for (about, text) in all {
        assert!(!text.is_empty(), "{about}");
        for part in parts.iter().chain([&secret]) {
            // Where it was made, and only there, it is shown.
            assert!(!text.contains(part.as_str()), "{about}");
        }
    }
}
