//! `dyn client`: generated clients compile and call a chain that runs.
//!
//! The client in Rust is checked in, so that these tests are compiled with it.

#[rustfmt::skip]
#[expect(dead_code, unreachable_pub, reason = "a client of all services, of which a test calls some")]
mod client;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use client::{CallError, CountInputs, EchoInputs, Endpoint, Event, FailInputs, Limit, Loose, NodeInput, NodeOutput};
use support::session::Dev;

use super::{printed, says_yes, shapes, url_of};

#[test]
fn the_client_that_is_checked_in_is_that_of_the_app() {
    let (_folder, file) = shapes();
    let text = printed(&["client", &file.to_string_lossy(), "--lang", "rust"]);
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/clients/client.rs");
    if std::env::var_os("DYN_WRITE_CLIENTS").is_some() {
        fs::write(&place, &text).expect("a client");
    }
    let known = fs::read_to_string(&place).expect("a client");
    assert_eq!(known, text, "write it anew with DYN_WRITE_CLIENTS=1 and look at what changed");
}

#[tokio::test]
async fn a_client_in_rust_calls_a_chain() {
    let (_folder, file) = shapes();
    let dev = Dev::start(&file, "process");
    let at = |service: &str| Endpoint::new(url_of(&dev, service));

    let page = client::count(&at("count"), &CountInputs::default()).await.expect("a value").expect("nobody filters");
    assert_eq!((page.total, page.items.len()), (2, 2));
    let reading = &page.items[0];
    assert_eq!((reading.sensor_name.as_str(), reading.taken, reading.tags.clone()), ("roof", (1, -2, true), None));
    assert_eq!(reading.limits["b"], Limit::Above { value: 1.5 });
    assert_eq!((reading.age.secs, reading.age.nanos), (1, 500_000_000));

    let routed = at("count").with_header("Dyninka-Route", "source, 3");
    let routed = client::count(&routed, &CountInputs::default()).await.expect("a value").expect("a page");
    assert_eq!(routed.total, 3);

    let source = client::source(&at("source")).await.expect("a reading");
    let cold = client::ReadingInput {
        sensor_name: source.sensor_name,
        value: Some(5.0),
        r#type: None,
        taken: source.taken,
        tags: None,
        limits: source.limits,
        from: source.from,
        port: source.port,
        age: client::ReadingInputAge { secs: 1, nanos: 0 },
        anything: source.anything,
    };
    let filtered = client::warm(&at("warm"), &client::WarmInputs { reading: Some(cold) }).await;
    assert_eq!(filtered.expect("an answer"), None);

    let leaf = |id| NodeInput { id, next: None, children: Vec::new() };
    let node = NodeInput { id: 1, next: Some(Box::new(leaf(2))), children: vec![leaf(3)] };
    let inputs = EchoInputs {
        event: Event::Moved(-1, 1),
        loose: Loose::Many(vec![Loose::Flag(true), Loose::Text("x".to_owned())]),
        node,
        id: u64::MAX,
        names: BTreeMap::from([("7".to_owned(), "seven".to_owned())]),
        outcome: client::EchoInputsOutcome::Err("no".to_owned()),
    };
    let (event, loose, node, id, names, outcome) = client::echo(&at("echo"), &inputs).await.expect("an echo");
    assert_eq!((&event, &loose, id, &names), (&inputs.event, &inputs.loose, u64::MAX, &inputs.names));
    let leaf = |id| NodeOutput { id, next: None, children: Vec::new() };
    assert_eq!(node, NodeOutput { id: 1, next: Some(Box::new(leaf(2))), children: vec![leaf(3)] });
    assert_eq!(outcome, client::EchoOutput6::Err("no".to_owned()));

    client::fail(&at("fail"), &FailInputs { r#type: "yes".to_owned() }).await.expect("nothing");
    let failed = client::fail(&at("fail"), &FailInputs { r#type: "no".to_owned() }).await.expect_err("a problem");
    assert!(failed.to_string().contains("it was asked for"), "{failed}");
    let CallError::Problem { status: 500, problem: Some(problem), .. } = failed else { panic!("{failed:?}") };
    assert_eq!(problem.service, "fail");
    dev.stop();
}

#[test]
fn a_client_in_typescript_calls_a_chain() {
    support::installed("tsc", "node-typescript");
    support::installed("node", "nodejs");
    let (folder, file) = shapes();
    let dev = Dev::start(&file, "process");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write("client.ts", &printed(&["client", &file.to_string_lossy(), "--lang", "typescript"]));
    write("calls.ts", include_str!("clients/calls.ts"));
    let compiled = |name: &str| {
        let options = "--strict --exactOptionalPropertyTypes --noUnusedLocals --noUncheckedIndexedAccess --target ES2022 \
                       --lib ES2022,DOM --module commonjs --outDir out";
        says_yes(Command::new("tsc").args(options.split_whitespace()).arg(name).current_dir(folder.path()))
    };
    let (is_right, words) = compiled("calls.ts");
    assert!(is_right, "{words}");
    // The compiler says no where a type is wrong.
    write("wrong.ts", "import { fail } from \"./client\";\nfail(\"http://127.0.0.1/\", { type: 1 });\n");
    let (is_right, words) = compiled("wrong.ts");
    assert!(!is_right && words.contains("wrong.ts(2,"), "{words}");

    let urls = ["count", "warm", "source", "echo", "fail"].map(|service| url_of(&dev, service));
    let (is_done, words) = says_yes(Command::new("node").arg("out/calls.js").args(urls).current_dir(folder.path()));
    assert!(is_done && words.trim() == "called", "{words}");
    dev.stop();
}
