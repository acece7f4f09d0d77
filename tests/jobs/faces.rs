//! Jobs in the view on a terminal, and in the shell.

use std::io::Write;
use std::process::{Output, Stdio};

use support::screen::{Screen, dev};
use support::{app, dyn_command};

use crate::gate::APP;

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
