//! What programs have of an app: OpenAPI documents, typed clients, and the server of the Model Context Protocol.

#[cfg(feature = "mcp")]
mod agents;
mod clients;
mod documents;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::session::Dev;

/// The app whose types are every form.
fn shapes() -> (tempfile::TempDir, PathBuf) {
    support::app(include_str!("shapes.rs"))
}

/// Where a session serves a service.
fn url_of(dev: &Dev, service: &str) -> String {
    let services = dev.ready["services"].as_array().expect("services");
    let known = services.iter().find(|known| known["name"] == service).expect("a service of the app");
    known["url"].as_str().expect("a URL").to_owned()
}

/// What `dyn` prints, where it says yes.
fn printed(arguments: &[&str]) -> String {
    let output = support::run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Whether a program that checks something says yes, and its words.
fn says_yes(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let words = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    (output.status.success(), words)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
