//! The HTTP API against its own OpenAPI document.

use std::fs;
use std::process::Command;

use support::app;

use crate::counter::Counter;
use crate::server::Jobs;

/// Schemathesis calls what the document lists for a minute, with values that fit and values that do not.
#[test]
#[ignore = "long: schemathesis for a minute"]
fn no_request_that_the_document_allows_or_forbids_ends_in_500() {
    support::installed_by("schemathesis", "pip install schemathesis, as tests/run --long does");
    let counter = Counter::start();
    let (folder, file) = app(&counter.app());
    fs::write(file.with_file_name("dyn.toml"), "[jobs]\nfunctions = true\n").expect("settings");
    let jobs = Jobs::start(&file);
    let mut command = Command::new("schemathesis");
    command.args(["run", &format!("{}/openapi.json", jobs.url)]);
    command.args(["--checks", "not_a_server_error", "--max-time", "60", "--workers", "4", "--continue-on-failure"]);
    // Streams of events have no end: none of them is an answer to wait for.
    command.args(["--exclude-path-regex", "/events$", "--request-timeout", "30", "--no-shrink"]);
    command.args(["-H", &format!("Authorization: Bearer {}", jobs.token)]).current_dir(folder.path());
    let output = command.output().expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // What was asked for at random has left a server that serves.
    assert_eq!(jobs.get("summary").status, 200);
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
