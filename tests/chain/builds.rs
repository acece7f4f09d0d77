//! Builds that are cut short, cannot begin, or find another machine than before.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::saves::numbered;
use crate::session::{Client, Dev};
use crate::support::app;
use crate::toolchain::Toolchain;

/// rustc making the library of a service.
const LIBRARY: &str = "*/library.so*";

fn start(toolchain: &Toolchain, file: &Path) -> Dev {
    let mut dev = Dev::spawn(toolchain.dyn_command(), file, &["--on", "process", "--port", "0"]);
    dev.ready = dev.wait_for("ready");
    dev
}

fn says(event: &Value, words: &str) -> bool {
    let findings = event["diagnostics"].as_array().map(Vec::as_slice).unwrap_or_default();
    findings.iter().any(|finding| finding["message"].as_str().is_some_and(|message| message.contains(words)))
}

/// A number that no earlier run of this test has left a library of.
fn fresh() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time after 1970");
    u64::try_from(now.as_nanos()).expect("a time before 2554")
}

fn is_gone(pid: &str) -> bool {
    !Path::new("/proc").join(pid).exists()
}

#[test]
fn a_build_ends_with_the_file_the_next_save_or_a_kill_and_the_old_serves() {
    let toolchain = Toolchain::new();
    let (_folder, file) = app(&numbered(1));
    let mut dev = start(&toolchain, &file);
    let (client, url) = (Client::new(), dev.url());
    let save = || {
        let number = fresh();
        fs::write(&file, numbered(number)).expect("a save");
        number.to_string()
    };
    let again = |number: &str| fs::write(&file, numbered(number.parse().expect("a number"))).expect("a save");

    // The file goes away while it is built, and comes back as another.
    toolchain.hold(LIBRARY);
    save();
    let held = toolchain.held();
    fs::remove_file(&file).expect("a removal");
    assert!(says(&dev.wait_for("broken"), "no such file"));
    assert_eq!(client.get(&url).body, "1");
    let before = save();
    dev.wait_until("the latest", |event| event["event"] == "live" && client.get(&url).body == before);
    assert!(is_gone(&held.pid), "the rustc of a file that is no more");
    drop(held);

    // A build that never ends is ended by the next save, which says so.
    toolchain.hold(LIBRARY);
    save();
    let held = toolchain.held();
    assert_eq!(client.get(&url).body, before);
    let before = save();
    dev.wait_for("superseded");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, before);
    assert!(is_gone(&held.pid), "the rustc of an edit that is overtaken");
    drop(held);

    // Killed, as by a machine out of memory: told so, and the same save once more is tried once more.
    toolchain.hold(LIBRARY);
    let after = save();
    let held = toolchain.held();
    assert!(Command::new("kill").args(["-KILL", &held.pid]).status().expect("kill").success());
    let broken = dev.wait_for("broken");
    assert!(says(&broken, "signal 9") && says(&broken, "out of memory"), "{broken}");
    assert_eq!(client.get(&url).body, before);
    drop(held);
    again(&after);
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, after);

    // No rustc any more.
    toolchain.remove();
    let (before, after) = (after, save());
    let broken = dev.wait_for("broken");
    assert!(says(&broken, "rustc"), "{broken}");
    assert!(broken["diagnostics"][0]["help"].as_str().is_some_and(|help| help.contains("rustup.rs")), "{broken}");
    assert_eq!(client.get(&url).body, before);
    toolchain.restore();
    again(&after);
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, after);
    dev.stop();
    assert_eq!(toolchain.running(), [""; 0]);
}

#[test]
fn a_start_without_rustc_says_what_to_install() {
    let toolchain = Toolchain::new();
    toolchain.remove();
    let (_folder, file) = app(&numbered(1));
    let mut dev = Dev::spawn(toolchain.dyn_command(), &file, &["--on", "process", "--port", "0"]);
    let broken = dev.wait_for("broken");
    assert!(says(&broken, "rustc"), "{broken}");
    assert!(broken["diagnostics"][0]["help"].as_str().is_some_and(|help| help.contains("rustup.rs")), "{broken}");
    dev.wait_for("stopped");
    let (status, _) = dev.end();
    assert_eq!(status.code(), Some(1));
}
