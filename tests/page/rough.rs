//! Sessions that are killed, and browsers that are slow, bare or odd.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::browser::Browser;
use support::session::Dev;

use crate::{CHAIN, Seen, link};

/// Where a page is.
fn port(browser: &Browser) -> String {
    browser.run("return location.port").as_str().unwrap().to_owned()
}

fn again(file: &Path, port: &str) -> Dev {
    let mut dev = Dev::launch(file, &["--on", "process", "--port", "0", "--page", port]);
    dev.ready = dev.wait_for("ready");
    dev
}

#[test]
fn page_follows_a_session_that_was_killed() {
    let Seen { dev, browser, file, _folder } = Seen::start();
    let port = port(&browser);
    dev.signal("KILL");
    drop(dev);
    browser.shows("The session ended or does not answer");
    let _dev = again(&file, &port);
    browser.until("the new session", "!document.body.innerText.includes('does not answer')");
    browser.shows("3 of 3 live");
}

#[test]
fn slow_browser_shows_what_is_and_holds_up_no_other() {
    let seen = Seen::start();
    seen.browser.tool("Emulation.setCPUThrottlingRate", &json!({ "rate": 20 }));
    let other = Browser::start();
    other.open(&link(&seen.file));
    other.shows("3 of 3 live");
    seen.ask(12);
    for browser in [&seen.browser, &other] {
        browser.run("location.hash = '#/edits'");
    }
    fs::write(&seen.file, CHAIN.replace("* 2.0", "* 3.0")).unwrap();
    other.shows("answers differ");
    seen.browser.shows("answers differ");
    seen.is_quiet();
}

/// Says twenty thousand lines with each call, the last of them in words of its own.
const LOUD: &str = "use dyninka::prelude::*;

#[service]
fn loud(call: u64) -> u64 {
    for line in 1..20_000 { println!(\"{call}: {line} of many\"); }
    println!(\"call {call} has no more to say\");
    call
}

#[dyninka::main]
fn main() { loud(0) }
";

#[test]
fn lines_without_end_leave_a_page_that_is_small_and_of_use() {
    const CALLS: u64 = 30;
    let seen = Seen::of(LOUD, &[], "1 of 1 live");
    let browser = &seen.browser;
    browser.run("location.hash = '#/logs'");
    browser.until("Logs", "document.querySelector('main h1')?.innerText === 'Logs'");
    std::thread::scope(|scope| {
        let url = seen.dev.url_of("loud");
        let calls = scope.spawn(move || {
            let client = support::session::Client::default();
            (1..=CALLS).for_each(|call| {
                assert_eq!(client.post(&url, &json!({ "call": call }).to_string()).body, call.to_string());
            });
        });
        // As long as they come, other pages open, and Logs draws the rows in view alone.
        while !calls.is_finished() {
            browser.run("location.hash = '#/requests'");
            browser.until("Requests", "document.querySelector('main h1')?.innerText === 'Requests'");
            browser.run("location.hash = '#/logs'");
            browser.until("rows", "document.querySelectorAll('.lines .row').length > 0");
            assert!(browser.run("return document.querySelectorAll('.lines .row').length").as_u64().unwrap() < 200);
        }
    });
    browser.shows(&format!("call {CALLS} has no more to say"));
    // The page keeps 20,000 lines, each 20 high.
    let height = browser.run("return document.querySelector('.lines').scrollHeight").as_u64().unwrap();
    assert!(height <= 20_000 * 20, "{height}");
    seen.is_quiet();
}

#[test]
fn odd_browser_has_a_page_and_a_bare_one_words() {
    let seen = Seen::start();
    let browser = &seen.browser;
    // Colours of the system's alone, and everything twice as large.
    browser
        .tool("Emulation.setEmulatedMedia", &json!({ "features": [{ "name": "forced-colors", "value": "active" }] }));
    let metrics = json!({ "width": 720, "height": 450, "deviceScaleFactor": 2, "mobile": false });
    browser.tool("Emulation.setDeviceMetricsOverride", &metrics);
    for (fragment, name) in [("#/flow", "Flow"), ("#/requests", "Requests"), ("#/logs", "Logs")] {
        browser.run(&format!("location.hash = {}", json!(fragment)));
        browser.until(name, &format!("document.querySelector('main h1')?.innerText === {}", json!(name)));
        browser.until("no way sideways", "document.body.scrollWidth <= innerWidth");
    }
    seen.is_quiet();

    let bare = Browser::start();
    bare.tool("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    let address = browser.run("return location.origin").as_str().unwrap().to_owned();
    bare.open(&address);
    bare.tool("Emulation.setScriptExecutionDisabled", &json!({ "value": false }));
    let said = bare
        .run("return document.querySelector('noscript').getBoundingClientRect().height > 0 && document.body.innerText");
    assert!(
        said.as_str().is_some_and(|words| words.contains("needs JavaScript") && words.contains("dyn status")),
        "{said}"
    );

    let forgetful = Browser::without_cookies();
    forgetful.open(&link(&seen.file));
    forgetful.shows("allow cookies for this address");
    assert_eq!(forgetful.run("return document.querySelector('.services')"), Value::Null);
}
