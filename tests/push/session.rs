//! Pushes out of a running session: `:push` in its shell, while edits are taken over all the same.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::app::App;
use crate::cluster::{Namespace, Ran, kubeconfig};
use crate::load::Load;
use crate::rolls::comes_to;
use support::dyn_command;

/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(180);

/// `dyn dev --json`, on processes.
struct Session {
    child: Child,
    events: Receiver<Value>,
}

impl Session {
    fn start(file: &Path) -> Self {
        let mut command = dyn_command();
        command.env("KUBECONFIG", kubeconfig()).arg("dev").arg(file).args(["--json", "--on", "process", "--port", "0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, events }
    }

    fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("the session says what is waited for");
            if wanted(&event) {
                return event;
            }
        }
    }

    fn wait_for_event(&self, event: &str) -> Value {
        self.wait_for(|it| it["event"] == event)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // One that has ended is not signalled any more; that it ends is what other tests are about.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A line in the shell of the session that has the app.
fn shell(file: &Path, line: &str) -> Child {
    let mut command = dyn_command();
    command.arg("shell").arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    child
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn done(file: &Path, line: &str) -> String {
    let output = shell(file, line).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output));
    said(&output)
}

#[test]
fn a_session_pushes_goes_on_with_edits_and_rolls_back() {
    let (namespace, app) = (Namespace::new("session"), App::new());
    let session = Session::start(&app.file);
    let ready = session.wait_for_event("ready");
    let goal = format!("--namespace {}", namespace.name);

    // The plan is looked at, and nothing is written by it; without a yes nothing begins.
    let plan = done(&app.file, &format!(":push {goal} --plan"));
    assert!(plan.contains("plus    new  plus@") && plan.contains("planned, not carried out"), "{plan}");
    let asked = shell(&app.file, &format!(":push {goal}")).wait_with_output().unwrap();
    assert!(asked.status.code() == Some(1) && said(&asked).contains("--yes"), "{}", said(&asked));
    assert_eq!(namespace.writes(), [""; 0]);

    let first = done(&app.file, &format!(":push {goal} --yes"));
    assert!(first.contains("live as push 1"), "{first}");
    let pushed = session.wait_for_event("pushed");
    assert_eq!((&pushed["stage"]["stage"], &pushed["stage"]["number"]), (&json!("live"), &json!(1)));
    let url = namespace.url("twice");
    comes_to(&url, "22");

    // While the second is rolled out, services move here and a save is taken over, and both stay out of it.
    app.edit("-> u64 { 1 }", "-> u64 { 2 }");
    session.wait_for_event("live");
    let (load, here) = (Load::start(&url), Load::start(ready["url"].as_str().unwrap()));
    let second = shell(&app.file, &format!(":push {goal} --yes"));
    session.wait_for(|event| event["event"] == "pushing" && event["state"] == "rolling");
    done(&app.file, ":fuse plus twice");
    app.edit("-> u64 { 1 }", "-> u64 { 3 }");
    let (mut is_live, mut push) = (false, Value::Null);
    while !is_live || push.is_null() {
        let event = session.wait_for(|event| event["event"] == "live" || event["event"] == "pushed");
        match event["event"].as_str() {
            Some("live") => is_live = true,
            _ => push = event,
        }
    }
    assert_eq!(push["stage"]["number"], json!(2), "{push}");
    let changed: Vec<_> = push["services"].as_array().unwrap().iter().filter(|it| it["what"] != "unchanged").collect();
    assert!(changed.len() == 1 && changed[0]["reasons"] == json!(["helper step() changed"]), "{push}");
    let second = second.wait_with_output().unwrap();
    assert!(second.status.success() && said(&second).contains("new ready"), "{}", said(&second));
    comes_to(&url, "24");
    done(&app.file, ":split twice");
    for answers in [load.end(), here.end()] {
        assert_eq!(answers.failures, [""; 0], "of {}", answers.bodies.len());
    }

    // One that cannot be is told with its reason, and the session goes on.
    let nowhere = shell(&app.file, ":push --namespace no-such-place --yes").wait_with_output().unwrap();
    assert!(nowhere.status.code() == Some(1) && said(&nowhere).contains("no-such-place"), "{}", said(&nowhere));
    let failed = session.wait_for_event("pushed");
    assert_eq!(failed["stage"]["stage"], "failed", "{failed}");

    // Another is live than the one that is to be undone: nothing is.
    let other = shell(&app.file, &format!(":rollback --undo 1 {goal} --yes")).wait_with_output().unwrap();
    assert!(said(&other).contains("push 2 of") && !other.status.success(), "{}", said(&other));
    done(&app.file, &format!(":rollback --undo 2 {goal} --yes"));
    comes_to(&url, "22");

    let history = Ran::of(&namespace.command("history", &app.file).arg("--json").output().unwrap()).done();
    let told = |entry: &Value| match entry["act"].as_str() {
        Some(act) => act.to_owned(),
        None => entry["act"].as_object().unwrap().keys().next().unwrap().clone(),
    };
    let acts: Vec<_> = history.events.iter().map(told).collect();
    assert_eq!(acts, ["push", "edit", "push", "edit", "rollback"], "{:#?}", history.events);
}
