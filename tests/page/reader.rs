//! A reader's link, in a browser of its own beside the owner's.

use crate::{Seen, printed};
use support::browser::Browser;

#[test]
fn reader_sees_every_page_and_finds_nothing_to_act_with() {
    let seen = Seen::start();
    seen.ask(3);
    let reader = Browser::start();
    reader.open(&printed(&seen.file, "--reader"));
    reader.shows("3 of 3 live");
    reader.shows("may look only");
    let acts = "['Send again', 'Compare with now', 'Restart', 'Undo', 'Replay', 'Prepare a push', 'Prepare a rollback', 'Read', 'Set…', 'Queue again', 'Push to']";
    for (fragment, title) in [
        ("#/flow/mean", "Flow"),
        ("#/requests", "Requests"),
        ("#/call/scale", "Call"),
        ("#/logs", "Logs"),
        ("#/edits", "Edits"),
        ("#/cluster", "Cluster"),
        ("#/jobs", "Jobs"),
    ] {
        reader.run(&format!("location.hash = {fragment:?}"));
        reader.until(title, &format!("document.querySelector('main h1')?.innerText === {title:?}"));
        if title == "Requests" {
            reader.until("requests", "document.querySelectorAll('.list tbody tr').length >= 3");
            reader.press("j");
            reader.shows("received");
        }
        let found = reader.run(&format!(
            "return [...document.querySelectorAll('main button')].filter((one) => !one.disabled && {acts}.some((word) => one.innerText.startsWith(word))).map((one) => one.innerText)"
        ));
        assert_eq!(found, serde_json::json!([]), "{title}");
    }
    reader.run("location.hash = '#/call/scale'");
    reader.until("the button", "document.querySelector('main form button.main')?.disabled");
    assert_eq!(reader.complaints(), Vec::<String>::new());
    // By hand it is refused, too; and the owner's browser acts as before.
    let refused = reader.wait_for(
        "const done = arguments[arguments.length - 1]; fetch('/v1/commands', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ command: 'set', service: 'mean', state: 'COUNT', value: 99 }) }).then((answer) => done(answer.status))",
    );
    assert_eq!(refused, 403);
    let none = reader.wait_for(
        "const done = arguments[arguments.length - 1]; fetch('/v1/bills').then((answer) => answer.text()).then(done)",
    );
    assert!(none.as_str().unwrap().contains("accepts no jobs"), "{none}");
    let browser = &seen.browser;
    browser.run("location.hash = '#/flow/mean'");
    browser.click("aside button", "Read");
    browser.until("the value as it was", "document.querySelector('.placed .value')?.innerText === '3'");
    seen.is_quiet();
}
