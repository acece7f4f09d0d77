//! Services that share a host: what is the same as apart, and what they share.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};

use support::app;
use support::session::{Client, Dev};

support::on_both_backends!(
    services_of_one_host_are_edited_and_keep_state_as_apart,
    what_ends_one_ends_all_of_its_host_and_all_come_back,
    what_one_does_that_ends_nobody_is_felt_by_no_other,
);

const APP: &str = "use dyninka::prelude::*;

#[placed(count)]
static COUNT: Placed<u64> = Placed::new(|| 0);

#[service]
fn get() -> String {
    println!(\"get begins\");
    \"go on\".to_owned()
}

#[service]
fn count(what: String) -> u64 {
    match what.as_str() {
        \"abort\" => std::thread::spawn(|| std::process::abort()).join().expect(\"an end\"),
        \"exit\" => std::process::exit(3),
        \"panic\" => panic!(\"count has enough\"),
        \"deep\" => deep(1),
        _ => {}
    }
    // What a thread of its own says is the service's.
    let says = move || { eprint!(\"count \"); eprintln!(\"says {what}\") };
    std::thread::spawn(says).join().expect(\"words\");
    COUNT.update(|count| { *count += 1; *count })
}

fn deep(n: u64) -> ! {
    let here = [n; 512];
    std::hint::black_box(&here);
    deep(std::hint::black_box(n.wrapping_add(here[7])))
}

#[service]
async fn last(n: u64) -> u64 {
    // From here on it runs on a thread of Tokio's.
    tokio::task::yield_now().await;
    println!(\"last is asked\");
    if n == 13 { std::process::abort() }
    n * 10
}

#[dyninka::main]
fn main() { get().count().last() }
";

fn start(file: &std::path::Path, on: &str, together: &str) -> Dev {
    let mut dev = Dev::launch(file, &["--on", on, "--port", "0", "--together", together]);
    dev.ready = dev.wait_for("ready");
    dev
}

fn status(file: &std::path::Path) -> Value {
    let output = support::run(&["status".as_ref(), file.as_os_str(), "--json".as_ref()]);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The processes of the services, as far as they are told.
fn processes(file: &std::path::Path) -> Vec<Value> {
    let status = status(file);
    status["services"].as_array().expect("services").iter().map(|service| service["pid"].clone()).collect()
}

fn services_of_one_host_are_edited_and_keep_state_as_apart(on: &str) {
    let (_folder, file) = app(APP);
    let mut dev = start(&file, on, "all");
    let (client, url) = (Client::default(), dev.url());
    let answer = client.get(&url);
    assert_eq!((answer.status, answer.body.as_str()), (200, "10"), "{}", answer.body);
    let timing = answer.header("server-timing");
    assert!(["get;dur=", "count;dur=", "last;dur="].iter().all(|own| timing.contains(own)), "{timing}");
    // Two streams: any may come first.
    let lines = [("get", "get begins"), ("count", "count says go on"), ("last", "last is asked")];
    let is = |event: &Value, (service, line): (&str, &str)| event["service"] == service && event["line"] == line;
    while !lines.iter().all(|line| dev.seen().iter().any(|event| is(event, *line))) {
        dev.wait_for("log");
    }
    let pids = processes(&file);
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    assert_eq!(status(&file)["services"][1]["together"], json!(["get", "count", "last"]));
    // A body, a service more, and one less: edits as ever.
    fs::write(&file, APP.replace("n * 10", "n * 100")).expect("a save");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "200");
    let more = APP.replace("#[dyninka::main]", "#[service]\nfn more(n: u64) -> u64 { n + 1 }\n\n#[dyninka::main]");
    fs::write(&file, more.replace("count().last()", "count().more().last()")).expect("a save");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "40");
    fs::write(&file, APP).expect("a save");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "40");
    // A panic is one request's.
    let panicked = client.post(&dev.url_of("count"), "{\"what\": \"panic\"}");
    assert_eq!(panicked.status, 500, "{}", panicked.body);
    assert_eq!(client.get(&url).body, "50");
    assert!(!dev.has_told("down"), "{:?}", dev.seen());
    let (ended, stderr) = dev.stop();
    assert!(ended.success(), "{stderr}");
}

fn what_ends_one_ends_all_of_its_host_and_all_come_back(on: &str) {
    let (_folder, file) = app(APP);
    let mut dev = start(&file, on, "all");
    let (client, url) = (Client::default(), dev.url());
    let bad = dev.url_of("count");
    for what in ["exit", "deep", "abort"] {
        assert_eq!(client.get(&url).status, 200);
        drop(client.try_post(&bad, &format!("{{\"what\": \"{what}\"}}")));
        for _ in 0..3 {
            let down = dev.wait_for("down");
            let why = down["why"].as_str().expect("why");
            let named = if down["service"] == "count" { ", and with it " } else { ", in count, which runs" };
            assert!(why.contains(named), "{what}: {down}");
        }
        for _ in 0..3 {
            dev.wait_for("up");
        }
    }
    // The third time it is the others that are to be left in peace.
    let is_told =
        |event: &Value| event["message"].as_str().is_some_and(|said| said.starts_with("count gets a host of its own"));
    assert!(dev.seen().iter().any(is_told), "{:?}", dev.seen());
    assert_eq!(client.get(&url).body, "10");
    let together = status(&file);
    assert_eq!(together["services"][0]["together"], json!(["get", "last"]), "{together}");
    assert_eq!(together["services"][1]["together"], Value::Null, "{together}");
    drop(client.try_post(&bad, "{\"what\": \"abort\"}"));
    assert_eq!(dev.wait_for("down")["service"], "count");
    assert_eq!(dev.wait_for("up")["service"], "count");
    // A thread of Tokio's is its service's.
    drop(client.try_post(&dev.url_of("last"), "{\"n\": 13}"));
    for _ in 0..2 {
        let down = dev.wait_for("down");
        let why = down["why"].as_str().expect("why");
        let named = if down["service"] == "last" { ", and with it get" } else { ", in last, which runs" };
        assert!(why.contains(named), "{down}");
    }
    (0..2).for_each(|_| drop(dev.wait_for("up")));
    assert_eq!(client.get(&url).status, 200);
    let (ended, stderr) = dev.stop();
    assert!(ended.success(), "{stderr}");
}

const ODD: &str = "use dyninka::prelude::*;

#[placed(odd)]
static COUNT: Placed<u64> = Placed::new(|| 0);

#[service]
fn get() -> String { \"go on\".to_owned() }

unsafe extern \"C\" { fn signal(number: i32, deed: usize) -> usize; }

extern \"C\" fn nothing(_: i32) {}

#[service]
fn odd(what: String) -> u64 {
    match what.as_str() {
        \"hold\" => COUNT.update(|_| panic!(\"it holds the count\")),
        \"print\" => (0..100_000).for_each(|line| println!(\"line {line}\")),
        \"hook\" => std::panic::set_hook(Box::new(|_| {})),
        // SIGTERM, ignored.
        \"signal\" => drop(unsafe { signal(15, 1) }),
        \"handler\" => {
            unsafe { signal(6, nothing as *const () as usize) };
            std::process::abort()
        }
        \"loop\" => loop { std::hint::spin_loop() },
        \"block\" => std::thread::sleep(std::time::Duration::from_secs(600)),
        \"eat\" => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop { eaten.push(std::hint::black_box(vec![1; 1 << 20])); }
        }
        _ => {}
    }
    COUNT.update(|count| { *count += 1; *count })
}

#[service]
fn last(n: u64) -> u64 {
    assert!(n > 0, \"nothing comes of nothing\");
    n * 10
}

#[dyninka::main]
fn main() { get().odd().last() }
";

fn what_one_does_that_ends_nobody_is_felt_by_no_other(on: &str) {
    let (_folder, file) = app(ODD);
    let mut dev = Dev::launch(&file, &["--on", on, "--port", "0", "--together", "all", "--memory", "256M"]);
    dev.ready = dev.wait_for("ready");
    let (client, url, last, bad) = (Client::default(), dev.url(), dev.url_of("last"), dev.url_of("odd"));
    let odd = |what: &str, within: &str| {
        let body = json!({ "what": what }).to_string();
        client.post_with(&bad, &body, &[("dyninka-deadline", within)])
    };
    assert_eq!(client.get(&url).body, "10");
    let held = odd("hold", "20000");
    assert!(held.status == 500 && held.body.contains("it holds the count"), "{}", held.body);
    assert_eq!(client.get(&url).body, "20", "the count is as it was, and of use");
    for what in ["print", "hook", "signal"] {
        assert_eq!(odd(what, "20000").status, 200, "{what}");
    }
    let panicked = client.post(&last, "{\"n\": 0}");
    assert!(panicked.status == 500 && panicked.body.contains("nothing comes of nothing"), "{}", panicked.body);
    let endless = odd("loop", "500");
    assert_eq!(endless.status, 504, "{}", endless.body);
    assert_eq!(client.post(&last, "{\"n\": 7}").body, "70");
    assert_eq!(client.get(&url).body, "60", "the endless call has a thread, and the service others");
    assert!(!dev.has_told("down"), "{:?}", dev.seen());
    // The memory is the host's, and so is its end. A process is refused more, and it is known in which function; what the
    // kernel ends tells nobody.
    drop(client.try_post(&bad, "{\"what\": \"eat\"}"));
    for down in all_end(&mut dev) {
        let why = down["why"].as_str().expect("why");
        let named = if down["service"] == "odd" { ", and with it " } else { ", in odd, which runs" };
        assert!(why.contains(if on == "docker" { "want of memory" } else { named }), "{down}");
    }
    assert_eq!(client.get(&url).body, "10");
    // One that hears of its own abort keeps the host from saying whose it was, and not from coming back.
    drop(client.try_post(&bad, "{\"what\": \"handler\"}"));
    all_end(&mut dev);
    assert_eq!(client.get(&url).body, "10");
    // One that hears no SIGTERM is ended all the same.
    assert_eq!(odd("signal", "20000").status, 200);
    let (ended, stderr) = dev.stop();
    assert!(ended.success(), "{stderr}");
    assert_eq!(support::hosts::ours(on, &file), [""; 0]);
}

/// The ends of all three services of a host, which are all up again.
fn all_end(dev: &mut Dev) -> Vec<Value> {
    let ended: Vec<Value> = (0..3).map(|_| dev.wait_for("down")).collect();
    let services: BTreeSet<&str> = ended.iter().filter_map(|down| down["service"].as_str()).collect();
    assert_eq!(services, BTreeSet::from(["get", "last", "odd"]));
    (0..3).for_each(|_| drop(dev.wait_for("up")));
    ended
}

/// A call that nobody reads the answer of.
fn call(url: &str, body: &str) -> TcpStream {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = "content-type: application/json\r\ndyninka-deadline: 120000\r\n";
    let length = body.len();
    write!(stream, "POST / HTTP/1.1\r\nhost: {address}\r\n{head}content-length: {length}\r\n\r\n{body}")
        .expect("a call");
    stream
}

#[test]
fn six_hundred_calls_that_block_in_one_keep_the_others_from_nothing() {
    let (_folder, file) = app(ODD);
    let mut dev = start(&file, "process", "all");
    let (client, odd, last) = (Client::default(), dev.url_of("odd"), dev.url_of("last"));
    let mut blocked: Vec<TcpStream> = (0..600).map(|_| call(&odd, "{\"what\": \"block\"}")).collect();
    // It has as many threads as it may, and refuses more.
    let refused = loop {
        let answer = client.post_with(&odd, "{\"what\": \"block\"}", &[("dyninka-deadline", "100")]);
        if answer.status != 504 {
            break answer;
        }
        // It was let in before the last of them, which was refused: another takes its place.
        blocked.push(call(&odd, "{\"what\": \"block\"}"));
    };
    assert_eq!(refused.status, 503, "{}", refused.body);
    for n in 1..=100 {
        assert_eq!(client.post(&last, &json!({ "n": n }).to_string()).body, (n * 10).to_string());
    }
    assert!(!dev.has_told("down"), "{:?}", dev.seen());
    drop(blocked);
    let (ended, stderr) = dev.stop();
    assert!(ended.success(), "{stderr}");
}

#[test]
fn dyn_toml_says_who_lives_together_and_the_command_line_goes_before_it() {
    let (folder, file) = app(APP);
    fs::write(folder.path().join("dyn.toml"), "[together]\npair = [\"get\", \"last\"]\n").expect("a file");
    let dev = Dev::start(&file, "process");
    let pids = processes(&file);
    assert!(pids[0] == pids[2] && pids[0] != pids[1], "{pids:?}");
    assert_eq!(Client::default().get(&dev.url()).body, "10");
    dev.stop();
    let dev = start(&file, "process", "none");
    let pids = processes(&file);
    assert!(pids[0] != pids[2], "{pids:?}");
    dev.stop();
    for (said, words) in [("get+nobody", "no service is called nobody"), ("get", "two services at least")] {
        let arguments = ["--on=process", "--port=0", "--together", said].map(std::ffi::OsStr::new);
        let output = support::run(&[&["dev".as_ref(), file.as_os_str()], &arguments[..]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(words), "{stderr}");
    }
}
