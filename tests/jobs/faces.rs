//! Jobs in the view on a terminal, in the shell, and as the session's API tells them.

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use support::screen::{Screen, dev};
use support::{app, dyn_command};

use crate::gate::APP;
use crate::server::Jobs;

fn says(arguments: &[&str], lines: &str) -> Output {
    let mut command = dyn_command();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("dyn runs");
    child.stdin.take().expect("its input").write_all(lines.as_bytes()).expect("lines");
    child.wait_with_output().expect("it ends")
}

#[test]
fn jobs_are_seen_in_their_pane_with_their_hops_and_asked_for_in_the_shell() {
    let (_folder, file) = app(APP);
    let path = file.to_str().expect("a path");
    let mut command = dev(&file);
    command.arg("--jobs=0");
    let mut screen = Screen::open(command, 45, 170);
    screen.wait_for("the pane of jobs", |text| text.contains("5 Jobs") && text.contains("0 of 32 workers busy"));
    let asked = says(&["jobs", "run", path, "work", "id=21"], "");
    let id = String::from_utf8(asked.stdout).expect("text").trim().to_owned();
    assert!(asked.status.success() && id.len() == 36, "{}", String::from_utf8_lossy(&asked.stderr));
    let end = id.rsplit('-').next().expect("an end").to_owned();
    screen.wait_for("the job", |text| text.lines().any(|line| line.contains(&end) && line.contains("done")));
    // Its attempts, and its hops as those of any request.
    screen.keys("5\r");
    screen.wait_for("its attempt", |text| text.contains("attempt 1: value") && text.contains("result 42"));
    screen.keys("\x1b");
    screen.wait_for("the view", |text| text.contains("5 Jobs"));
    let trace = id.replace('-', "");
    screen.wait_for("its request", |text| text.contains("request"));
    screen.keys("t");
    screen.wait_for("its hops", |text| text.contains(&trace));
    // The shell asks for jobs, too.
    let said = says(&["shell", path], ":run work 4\n:jobs\n");
    let text = String::from_utf8(said.stdout).expect("text");
    assert!(said.status.success(), "{text}{}", String::from_utf8_lossy(&said.stderr));
    assert!(text.contains(" default work queued 0/5") && text.contains("workers busy"), "{text}");
    let said = says(&["shell", path], &format!(":job {id}\n:cancel {id}\n"));
    let text = String::from_utf8(said.stdout).expect("text");
    assert!(text.contains("result 42") && text.contains(&trace), "{text}");
    // One that has ended is not cancelled, and the shell says so.
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("done already"));
    screen.keys("q");
    let (status, after) = screen.end();
    assert!(status.success() && after.contains("stopped"), "{after}");
}

#[test]
fn jobs_and_bills_are_asked_of_the_session_itself() {
    let (_folder, file) = app(APP);
    let jobs = Jobs::start(&file);
    let done = jobs.ask(&json!({ "inputs": { "id": 4 } }));
    jobs.end_of(&done);
    let waiting = jobs.ask(&json!({ "inputs": { "id": 5 }, "delay": "1h" }));
    let session = fs::read(jobs.dev.socket_folder(&file).join("session.json")).expect("a session");
    let session: Value = serde_json::from_slice(&session).expect("JSON");
    let socket = session["socket"].as_str().expect("its socket");
    let client = reqwest::blocking::Client::builder().unix_socket(socket).no_proxy().build().expect("a client");
    let text = |path: &str| {
        let answer = client.get(format!("http://session/v1/{path}")).send().expect("an answer");
        (answer.status().as_u16(), answer.text().expect("its body"))
    };
    let get = |path: &str| -> Value {
        let (status, text) = text(path);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    };
    let queued = get("jobs?state=queued&tenant=default&service=work");
    assert_eq!((&queued["jobs"][0]["id"], queued["jobs"].as_array().map(Vec::len)), (&json!(waiting), Some(1)));
    // Page by page, the oldest first.
    let first = get("jobs?limit=1");
    assert_eq!((&first["jobs"][0]["id"], &first["next"]), (&json!(done), &json!(done)));
    assert_eq!(get(&format!("jobs?limit=1&after={done}"))["jobs"][0]["id"], json!(waiting));
    let one = get(&format!("jobs/{done}"));
    assert_eq!((&one["result"], &one["history"][0]["outcome"]), (&json!(8), &json!("value")), "{one}");
    let bills = get("bills");
    let row = bills.as_array().expect("rows").iter().find(|row| row["service"] == "work").expect("its row");
    assert_eq!((&row["tenant"], &row["calls"]), (&json!("default"), &json!(1)), "{bills}");
    let (status, words) = text("jobs?tenant=nobody");
    assert!(status == 502 && words.contains("there is no tenant nobody"), "{status} {words}");
}
