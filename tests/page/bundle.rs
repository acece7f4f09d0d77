//! `dyn bundle`: a session in one file, opened in a browser that has never seen the session.

use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;

use crate::Seen;
use support::browser::Browser;

/// Writes the file, and answers with it and what was said of it.
fn bundle(seen: &Seen, name: &str, further: &[&str]) -> (PathBuf, String) {
    let file = seen.file.with_file_name(name);
    let mut command = support::dyn_command();
    command.arg("bundle").arg(&seen.file).arg("--output").arg(&file).args(further);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    (file, said)
}

/// All text of a file: as it stands there, and the session's data, which are packed.
fn all_text(file: &Path) -> String {
    let html = std::fs::read_to_string(file).unwrap();
    let packed = html.split("id=\"kept\">").nth(1).unwrap().split('<').next().unwrap();
    let mut text = html.clone();
    GzDecoder::new(&BASE64_STANDARD.decode(packed).unwrap()[..]).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn session_in_a_file_opens_without_it_and_holds_nothing_that_was_redacted() {
    let app = crate::CHAIN.replace("value: 2.5", "value: 2.71828");
    let seen = Seen::of(&app, &["--redact", "room"], "3 of 3 live");
    seen.ask(8);
    let figures = "/[0-9.]+ (µs|ms)/.test(document.querySelector('main table tbody')?.innerText ?? '')";
    seen.browser.until("figures", figures);
    seen.browser.run("location.hash = '#/requests'");
    seen.browser.until("requests", "document.querySelectorAll('.list tbody tr').length >= 8");
    std::fs::write(&seen.file, app.replace("* 2.0", "* 3.0")).unwrap();
    seen.browser.shows("edit 1 live after");

    // The page says what is in a file before it is saved, and its link holds the file.
    seen.browser.click("header button", "Save…");
    seen.browser.shows("8 requests, log lines, and 1 edit");
    let link = "document.querySelector('dialog a.main').href";
    let held = seen.browser.wait_for(&format!(
        "const done = arguments[arguments.length - 1]; fetch({link}).then((answer) => answer.text()).then(async (text) => {{
           const packed = Uint8Array.from(atob(text.match(/id=\"kept\">([^<]*)</)[1]), (one) => one.charCodeAt(0));
           const data = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
           done([text.includes('importmap'), data.includes('2.71828'), (text + data).includes('onerror')]);
         }})"
    ));
    assert_eq!(held, serde_json::json!([true, true, false]));
    seen.browser.press("\u{e00c}");

    let (file, said) = bundle(&seen, "all.html", &["--last", "5"]);
    assert!(said.contains("5 requests with values") && said.contains("1 edit"), "{said}");
    let text = all_text(&file);
    assert!(!text.contains("onerror"), "what --redact names is in the file");
    assert!(text.contains("2.71828") && text.contains("\"asked\""), "values and lines are in the file");
    let (bare, said) = bundle(&seen, "bare.html", &["--no-values"]);
    assert!(said.contains("8 requests without values, no lines"), "{said}");
    let text = all_text(&bare);
    assert!(!text.contains("2.71828") && !text.contains("5.43656"), "values are in the file");
    assert!(!text.contains("\"asked\""), "lines are in the file");

    // In another browser, with the session gone.
    let Seen { dev, browser, _folder, .. } = seen;
    drop((browser, dev));
    let other = Browser::start();
    other.open(&format!("file://{}", file.display()));
    other.shows("3 of 3 live");
    other.shows("kept ");
    other.until("figures", figures);
    other.run("location.hash = '#/flow/scale'");
    other.until("a plot", "document.querySelector('.plot canvas')");
    other.run("location.hash = '#/requests?q=service:mean'");
    other.until("requests", "document.querySelectorAll('.list tbody tr').length === 5");
    other.press("j");
    other.shows("received");
    assert!(!other.text().contains("Send again"));
    other.run("location.hash = '#/requests?q=nothing-has-this'");
    other.shows("None of 5 requests in memory matches");
    other.run("location.hash = '#/logs?q=asked'");
    other.until("lines", "document.querySelectorAll('.lines .row').length >= 8");
    other.run("location.hash = '#/edits'");
    other.shows("edit 1");
    other.shows("scale: ");
    assert_eq!(other.complaints(), Vec::<String>::new());
    let elsewhere = other.run(
        "return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => !name.startsWith('data:') && !name.startsWith('file:'))",
    );
    assert_eq!(elsewhere, serde_json::json!([]), "nothing is asked for elsewhere");
    let fetched = other.wait_for(
        "const done = arguments[arguments.length - 1]; fetch('http://127.0.0.1:1/').then(() => done('asked'), () => done('refused'))",
    );
    assert_eq!(fetched, "refused");
}
