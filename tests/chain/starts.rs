//! Bad days of a session.

use support::hosts::ours;
use support::session::{Client, Dev};
use support::{app, run};

support::on_both_backends!(code_that_kills_its_process_is_started_again, a_broken_start_leaves_nothing);

fn code_that_kills_its_process_is_started_again(on: &str) {
    let (_folder, file) = app("use dyninka::prelude::*;
#[service] fn fall(how: String) -> u8 {
    match how.as_str() { \"abort\" => std::process::abort(), \"deep\" => dig(1) as u8, _ => 1 }
}
fn dig(depth: u64) -> u64 { let below = std::hint::black_box([depth; 512]); dig(depth + 1) + below[3] }
#[dyninka::main] fn main() { fall(\"no\") }
");
    let mut dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    for how in ["abort", "deep"] {
        // The connection breaks with the process; what a caller sees is his client's word for that.
        drop(reqwest::blocking::Client::new().post(&url).json(&serde_json::json!({ "how": how })).send());
        assert_eq!(dev.wait_for("down")["service"], "fall");
        assert_eq!(dev.wait_for("up")["service"], "fall");
        assert_eq!(client.get(&url).body, "1");
    }
    dev.stop();
}

fn a_broken_start_leaves_nothing(on: &str) {
    let (_folder, file) = app("use dyninka::prelude::*;
#[service] fn a() -> f64 { 1.0 }
#[service] fn b(value: f64) -> u8 { value }
#[dyninka::main] fn main() { a().b() }
");
    let mut dev = Dev::launch(&file, &["--on", on, "--port", "0"]);
    let broken = dev.wait_for("broken");
    let finding = &broken["diagnostics"][0];
    assert_eq!(
        (&finding["message"], &finding["line"], &finding["column"]),
        (&"mismatched types: expected `u8`, found `f64`".into(), &3.into(), &37.into()),
        "{broken}"
    );
    dev.wait_for("stopped");
    let (status, _) = dev.end();
    assert_eq!(status.code(), Some(1));
    assert_eq!(ours(on, &file), [""; 0]);
}

#[test]
fn the_second_session_is_told_who_has_the_app_and_stop_ends_the_first() {
    let (_folder, file) = app(TINY);
    let dev = Dev::start(&file, "process");
    let second = run(&["dev".as_ref(), file.as_os_str(), "--on=process".as_ref(), "--port=0".as_ref()]);
    assert_eq!(second.status.code(), Some(4));
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains(&format!("pid {}", dev.pid())), "{words}");
    let invoked = run(&["invoke".as_ref(), file.as_os_str(), "double".as_ref(), "21".as_ref()]);
    assert_eq!(String::from_utf8_lossy(&invoked.stdout).trim(), "42", "{invoked:?}");
    let stopped = run(&["stop".as_ref(), file.as_os_str()]);
    assert!(stopped.status.success(), "{stopped:?}");
    let (status, _) = dev.end();
    assert!(status.success());
    assert_eq!(ours("process", &file), [""; 0]);
}

#[test]
fn a_taken_port_is_named_with_its_holder() {
    let (_folder, file) = app(TINY);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port();
    let output = run(&["dev".as_ref(), file.as_os_str(), "--on=process".as_ref(), format!("--port={port}").as_ref()]);
    assert_eq!(output.status.code(), Some(3));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.contains(&format!("port {port} is taken by")) && words.contains(&format!("pid {}", std::process::id())),
        "{words}"
    );
}

#[test]
fn ctrl_c_while_it_starts_leaves_nothing() {
    for on in ["process", "docker"] {
        let (_folder, file) = app(TINY);
        let mut dev = Dev::launch(&file, &["--on", on, "--port", "0"]);
        dev.wait_for("building");
        dev.signal("INT");
        dev.wait_for("stopped");
        dev.end();
        assert_eq!(ours(on, &file), [""; 0]);
    }
}

#[test]
fn a_call_waits_for_the_session_that_starts() {
    let (_folder, file) = app(TINY);
    let mut dev = Dev::launch(&file, &["--on=process", "--port=0"]);
    dev.wait_for("building");
    let called = run(&["invoke".as_ref(), file.as_os_str(), "double".as_ref(), "21".as_ref()]);
    assert!(called.status.success(), "{called:?}");
    assert_eq!(String::from_utf8_lossy(&called.stdout).trim(), "42");
    dev.wait_for("ready");
    dev.stop();
}

const TINY: &str = "use dyninka::prelude::*;
#[service] fn one() -> u32 { 1 }
#[service] fn double(value: u32) -> u32 { value * 2 }
#[dyninka::main] fn main() { one().double() }
";
