//! Pushes beside one another, and pushes that are ended in the midst of it.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::app::App;
use crate::cluster::Namespace;
use crate::rolls::{body, comes_to};

/// A pod of `plus` that never is ready holds a push where it is until somebody ends it.
const STUCK: &str = "loop { std::thread::park() }";

fn is_rolling(event: &Value) -> bool {
    event["event"] == "rolling" && event["service"] == "plus"
}

#[test]
fn of_two_pushes_the_second_is_told_who_is_first() {
    let (namespace, app) = (Namespace::new("two"), App::new());
    app.at_start(STUCK);
    let mut first = namespace.start_push(&app.file, &["--deadline", "100"]);
    first.until(is_rolling);
    let second = namespace.push(&app.file, &[]);
    assert_eq!(second.code, Some(4), "{}", second.stderr);
    let who = format!("process {}", first.process());
    assert!(second.stderr.contains(&who) && second.stderr.contains("is pushing it"), "{}", second.stderr);
    assert!(!second.all("waiting").is_empty(), "{:#?}", second.events);
    first.signal(Signal::INT);
    assert_eq!(first.end().code, Some(130));
    // Its lease went with it: nobody waits for it to run out.
    app.edit("-> u64 { 1 }", "-> u64 { 3 }");
    let third = namespace.push(&app.file, &[]).done();
    assert!(third.all("waiting").is_empty(), "{:#?}", third.events);
    assert_eq!(body(&namespace.url("twice")), "26");
}

#[test]
fn a_push_that_is_ended_is_completed_by_the_next() {
    let (namespace, app) = (Namespace::new("ended"), App::new());
    for signal in [Signal::KILL, Signal::INT, Signal::TERM] {
        app.at_start(STUCK);
        let mut push = namespace.start_push(&app.file, &["--deadline", "100"]);
        push.until(is_rolling);
        push.signal(signal);
        let ended = push.end();
        if signal != Signal::KILL {
            assert_eq!(ended.code, Some(130), "{}", ended.stderr);
            assert!(ended.stderr.contains("the next push goes on"), "{}", ended.stderr);
        }
        app.edit("-> u64 { 1 }", "-> u64 { 1 }");
        let next = namespace.push(&app.file, &[]).done();
        assert_eq!(next.all("plan")[0]["unfinished"], true, "{signal:?}");
        comes_to(&namespace.url("twice"), "22");
        assert!(namespace.objects("leases").is_empty());
    }
}

/// A Lease as somebody else's machine left it.
fn lease(time: &str) -> Value {
    let labels = json!({ "app.kubernetes.io/managed-by": "dyninka", "app.kubernetes.io/part-of": "app" });
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "dyninka-app-push", "labels": labels },
        "spec": {
            "holderIdentity": "anna@elsewhere, process 1", "leaseDurationSeconds": 10,
            "acquireTime": time, "renewTime": time,
        },
    })
}

#[test]
fn a_clock_that_is_wrong_neither_holds_a_push_up_nor_takes_a_turn_away() {
    let (namespace, app) = (Namespace::new("clock"), App::new());
    // Somebody whose clock is far ahead was killed: ten seconds of silence by our own clock are enough.
    namespace.have(&lease("2099-01-01T00:00:00.000000Z"));
    let pushed = namespace.push(&app.file, &[]).done();
    assert_eq!(pushed.all("waiting")[0]["holder"], "anna@elsewhere, process 1");
    // Somebody whose clock is far behind is at work: what counts is that they renew.
    let renewed = |second: u32| lease(&format!("1999-01-01T00:00:{second:02}.000000Z"));
    namespace.have(&renewed(0));
    app.edit("-> u64 { 1 }", "-> u64 { 2 }");
    let mut push = namespace.start_push(&app.file, &[]);
    push.until_event("waiting");
    namespace.have(&renewed(3));
    let refused = push.end();
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains("anna@elsewhere"), "{}", refused.stderr);
    assert_eq!(namespace.objects("leases")["dyninka-app-push"]["spec"]["renewTime"], renewed(3)["spec"]["renewTime"]);
    assert_eq!(body(&namespace.url("twice")), "22");
}
