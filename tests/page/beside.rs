//! Nodes and data on the page: what the servers of this machine tell, the plan of a change, and deeds to a bucket.

#![cfg(all(feature = "nodes", feature = "data"))]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Seen;

const APP: &str = "use dyninka::prelude::*;

#[service]
fn seed() -> u64 { 7 }

#[service]
fn twice(n: u64) -> u64 { n * 2 }

#[dyninka::main]
fn main() { twice(seed()) }
";

/// A server of the machine; killed when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// `dyn` of a machine of this test's own: libraries are built once for all tests, as those of other tests are.
fn dyn_at(home: &Path) -> Command {
    let build = support::home().join("build");
    fs::create_dir_all(&build).unwrap();
    if !home.join("build").exists() {
        std::os::unix::fs::symlink(&build, home.join("build")).unwrap();
    }
    let mut command = support::dyn_command();
    command.env("DYNINKA_HOME", home).current_dir(home);
    command
}

fn run(home: &Path, arguments: &[&str]) -> String {
    let output = dyn_at(home).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Until a command succeeds.
fn until(home: &Path, arguments: &[&str]) {
    let begun = Instant::now();
    while !dyn_at(home).args(arguments).output().unwrap().status.success() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{arguments:?} does not succeed");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn nodes_are_seen_and_a_machine_without_a_fleet_says_how_to_begin_one() {
    let machine = tempfile::tempdir().unwrap();
    let home = machine.path();
    let seen = Seen::at(Some(&|| dyn_at(home)), APP, &[], "2 of 2 live");
    let browser = &seen.browser;
    browser.press("8");
    browser.shows("dyn node init");

    run(home, &["node", "init", "--fleet", "plant", "--name", "n1", "--label", "class=edge"]);
    let mut agent = dyn_at(home);
    agent.args(["node", "up", "--listen", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::null());
    let _agent = Server(agent.spawn().unwrap());
    until(home, &["nodes"]);
    browser.shows("fleet plant, seen from n1");
    browser.until(
        "its row",
        "[...document.querySelectorAll('[aria-label=Nodes] tbody tr')].some((row) => row.innerText.includes('n1') && row.innerText.includes('here') && row.innerText.includes('class=edge'))",
    );
    assert_eq!(
        browser.run("return document.querySelector('[aria-label=Overflow] svg').getAttribute('aria-label')"),
        "no overflow"
    );
    // Arcs are sums over services, and none of nothing.
    let arcs = browser.wait_for(
        "const done = arguments[arguments.length - 1]; import('/nodes.js').then(({ arcs }) => done(arcs([{ name: 'a', services: [{ to: { b: 2, c: 0 } }, { to: { b: 3 } }] }, { name: 'b', services: [{}] }])))",
    );
    assert_eq!(arcs, serde_json::json!([{ "from": "a", "to": "b", "served": 5 }]));
    seen.look("#/nodes", "Nodes");
}

#[test]
fn a_bucket_is_added_by_a_plan_watched_promoted_and_forgotten() {
    let machine = tempfile::tempdir().unwrap();
    let home = machine.path();
    let seen = Seen::at(Some(&|| dyn_at(home)), APP, &[], "2 of 2 live");
    let browser = &seen.browser;
    browser.press("9");
    browser.shows("dyn data serve");

    let mut settings =
        String::from("places = { here = { zones = [\"germany\"] }, there = { labels = [\"gpu\"] } }\n[stores]\n");
    for (store, place) in [("a", "here"), ("b", "there")] {
        let folder = home.join(store);
        fs::create_dir_all(&folder).unwrap();
        settings += &format!("{store} = {{ place = \"{place}\", folder = {:?} }}\n", folder.display().to_string());
    }
    settings += "[endpoints]\nnear = { url = \"http://127.0.0.1:1\", place = \"here\" }\n\
                 far = { url = \"http://127.0.0.1:2\", place = \"there\" }\n\
                 [[routes]]\nmatch = { method = \"PUT\" }\nendpoints = [\"far\"]\npolicy = \"first\"\n";
    fs::write(home.join("data.toml"), settings).unwrap();
    let mut server = dyn_at(home);
    server.args(["data", "serve", "--config", "data.toml", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    let server = Server(server);
    browser.shows("2 stores · 0 buckets");

    // Nothing is changed before its plan was seen; a name that no bucket may have is refused with its place.
    browser.click("button", "Add a bucket");
    let named = |name: &str| {
        browser.until("the form", "document.querySelector('[aria-label=Change] form')");
        browser.run(&format!(
            "const input = document.querySelector('[aria-label=Change] input'); input.value = {}; input.dispatchEvent(new Event('input', {{ bubbles: true }}))",
            serde_json::json!(name)
        ));
        browser.click("[aria-label=Change] button", "Show the plan");
    };
    named("Not A Bucket");
    browser.until("why not", "document.querySelector('[aria-label=Change] p.bad')?.innerText.includes('Not A Bucket')");
    named("images");
    browser.shows("add the bucket images with its master at a");
    browser.shows("2 stores · 0 buckets");
    browser.click("[aria-label=Change] button", "Apply");
    browser.shows("2 stores · 1 bucket");

    // What is written comes to the copy, and its keys are found.
    fs::write(home.join("cat.jpg"), "a cat").unwrap();
    run(home, &["data", "put", "images/cats/1 <b>.jpg", "cat.jpg"]);
    run(home, &["data", "put", "images/dogs/1.jpg", "cat.jpg"]);
    run(home, &["data", "wait", "images"]);
    browser.until(
        "a whole copy",
        "document.querySelector('[aria-label=\"Buckets by places\"] tbody tr')?.innerText.includes('whole')",
    );
    // Each place says what it is, and which endpoint of the door serves which buckets.
    for (place, words) in
        [("here", "germany"), ("here", "near for images"), ("there", "gpu"), ("there", "far for images")]
    {
        let said = format!(
            "[...document.querySelectorAll('[aria-label=Places] tbody tr')].some((row) => row.innerText.startsWith('{place}') && row.innerText.includes('{words}'))"
        );
        browser.until(words, &said);
    }
    browser.until("the rule", "document.querySelector('[aria-label=Places] ol').innerText.includes('→ far by first')");
    browser.press("j");
    browser.until("its objects", "document.querySelectorAll('.objects tbody tr').length === 2");
    browser.run("const input = document.querySelector('[aria-label=Objects] input'); input.value = 'cats/'; input.dispatchEvent(new Event('input', { bubbles: true }))");
    browser.until("one of them", "document.querySelector('.objects tbody').innerText.includes('cats/1 <b>.jpg') && document.querySelectorAll('.objects tbody tr').length === 1");
    browser.click("[aria-label='One bucket'] button", "Compare all bytes");
    browser.shows("all as at the master");
    browser.click("[aria-label='One bucket'] button", "Pause");
    browser.click("[aria-label='One bucket'] button", "Resume");
    seen.look("#/data/images", "Data");

    // The copy becomes the master only after a question, whose focus is on the way out.
    browser.click("[aria-label='One bucket'] button", "Make it the master…");
    browser.until("the question", "document.querySelector('dialog[open]')");
    assert_eq!(browser.run("return document.activeElement.innerText"), "Cancel");
    browser.click("dialog button", "Make it the master");
    browser.until(
        "b as the master",
        "document.querySelector('[aria-label=\"One bucket\"] tbody tr')?.innerText.startsWith('b')",
    );
    browser.click("[aria-label='One bucket'] button", "Forget…");
    browser.shows("forget the bucket images; its objects stay at every store");
    browser.click("[aria-label=Change] button", "Apply");
    browser.shows("2 stores · 0 buckets");
    assert_eq!(fs::read(home.join("a/images/dogs/1.jpg")).unwrap(), b"a cat");
    browser.until(
        "what happened",
        "document.querySelector('[aria-label=Events]')?.innerText.includes('bucket forgotten')",
    );
    seen.is_quiet();

    // A server that goes away is said, and its last picture stays.
    drop(server);
    browser.shows("The data server does not answer");
    browser.shows("2 stores · 0 buckets");
}
