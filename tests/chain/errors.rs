//! Every way a request can end badly, as its caller sees it.

use serde_json::{Value, json};

use support::app;
use support::session::{Answer, Client, Dev};

support::on_both_backends!(wrong_requests_and_wrong_functions_are_told_apart);

const APP: &str = r#"use dyninka::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sample { value: f64, unit: Option<String> }

#[service]
fn source() -> Sample { Sample { value: 1.5, unit: None } }

#[service]
fn check(sample: Sample) -> Result<Sample> {
    if sample.value < 0.0 {
        return Err(Error::new("below zero"));
    }
    Ok(sample)
}

#[service]
fn divide(sample: Sample, by: u32) -> Option<u32> {
    (by != 7).then(|| 100 / by + sample.value as u32)
}

#[service]
async fn ask(value: u32) -> Result<u32> {
    let sample = check(Sample { value: f64::from(value) - 5.0, unit: None }).await?;
    Ok(sample.value as u32)
}

#[service]
fn spin(value: u32) -> u32 {
    let mut value = value;
    loop { value = std::hint::black_box(value.wrapping_add(1)); }
}

#[dyninka::main]
fn main() { source().check().divide(4).ask() }
"#;

/// Status, kind and service of a problem.
fn told(answer: &Answer) -> (u16, String, String) {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{} {}", answer.status, answer.body);
    let problem = answer.json();
    let word = |name: &str| problem[name].as_str().unwrap_or("").to_owned();
    assert_eq!(problem["status"], answer.status);
    (answer.status, word("type").trim_start_matches("urn:dyninka:problem:").to_owned(), word("service"))
}

fn expect(answer: Answer, status: u16, kind: &str, service: &str) -> Value {
    assert_eq!(told(&answer), (status, kind.to_owned(), service.to_owned()), "{}", answer.body);
    answer.json()
}

fn wrong_requests_and_wrong_functions_are_told_apart(on: &str) {
    let (_folder, file) = app(APP);
    let dev = Dev::start(&file, on);
    let client = Client::default();
    let (ask, divide, check, spin) = (dev.url_of("ask"), dev.url_of("divide"), dev.url_of("check"), dev.url_of("spin"));
    assert_eq!(client.get(&dev.url()).body, "21");

    // The function's own error, passed on by every service on the way with the path it took.
    let problem = expect(
        client.get_with(&ask, &[("dyninka-route", r#"divide(check({"value":-1}), 4)"#)]),
        500,
        "failed",
        "check",
    );
    assert_eq!((&problem["detail"], &problem["path"]), (&json!("below zero"), &json!(["ask", "divide", "check"])));
    // The error of a service called in a body, passed on by the function with `?`.
    let problem = expect(client.post(&ask, r#"{"value":2}"#), 500, "failed", "check");
    assert_eq!(problem["path"], json!(["ask", "check"]));

    // A panic names its place in the user's file, and the next request is fine.
    let problem = expect(client.get_with(&divide, &[("dyninka-route", "source, 0")]), 500, "panicked", "divide");
    let line = APP.lines().position(|line| line.contains("100 / by")).expect("the line") + 1;
    assert_eq!(problem["line"], line);
    assert!(problem["file"].as_str().is_some_and(|file| file.ends_with("app.rs")), "{problem}");
    assert_eq!(client.get_with(&divide, &[("dyninka-route", "source, 50")]).body, "3");
    assert!(client.get(&format!("{divide}metrics")).body.contains(r#"dyninka_panics_total{service="divide"} 1"#));

    // Filtered: no later function runs.
    let answer = client.get_with(&ask, &[("dyninka-route", "divide(source, 7)")]);
    assert_eq!((answer.status, answer.header("dyninka-filtered")), (204, "divide"));
    assert!(!answer.header("dyninka-version").contains("ask@"));

    // Inputs that do not read, or are not there.
    let problem = expect(client.post(&check, r#"{"sample":{"value":1,"unit":[]}}"#), 422, "rejected", "check");
    assert_eq!(problem["at"], "sample.unit");
    expect(client.post(&check, r#"{"smaple":{"value":1}}"#), 422, "rejected", "check");
    expect(client.get(&spin), 422, "rejected", "spin");
    expect(client.post(&check, "[1"), 400, "request", "check");
    let deep = format!(r#"{{"sample":{}}}"#, "[".repeat(100_000) + &"]".repeat(100_000));
    expect(client.post(&check, &deep), 422, "rejected", "check");
    expect(
        client.post(&check, &format!(r#"{{"sample":{{"value":1,"unit":"{}"}}}}"#, "x".repeat(9 << 20))),
        413,
        "too-large",
        "check",
    );

    // Routes.
    for (route, words) in [
        ("nobody", "nobody is no service"),
        ("check(source", "closing bracket"),
        ("check", "check takes 1 inputs"),
        ("ask(divide(source, 1))", "ask feeds itself"),
        ("http://127.0.0.1/", "at character"),
        ("source, source", "takes 1 inputs"),
    ] {
        let problem = expect(client.get_with(&ask, &[("dyninka-route", route)]), 400, "route", "ask");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{route}: {problem}");
    }
    expect(client.get_with(&ask, &[("dyninka-path", "else where")]), 400, "request", "ask");
    expect(client.get_with(&ask, &[("dyninka-path", &["check"; 70].join(","))]), 508, "loop", "ask");

    expect(client.get_with(&ask, &[("dyninka-route", "source"), ("dyninka-route", "source")]), 400, "request", "ask");
    expect(client.get_with(&ask, &[("dyninka-deadline", "soon")]), 400, "request", "ask");

    // An endless loop ends at the deadline, and other calls go on; the hop is named by who waits for it.
    let spinning = std::thread::spawn({
        let spin = spin.clone();
        move || Client::default().get_with(&spin, &[("dyninka-deadline", "400"), ("dyninka-route", "1")])
    });
    assert_eq!(client.get(&format!("{spin}healthz")).status, 200);
    expect(spinning.join().expect("an answer"), 504, "deadline", "spin");
    let problem = expect(
        client.get_with(&ask, &[("dyninka-deadline", "400"), ("dyninka-route", "spin(1)")]),
        504,
        "deadline",
        "spin",
    );
    assert_eq!(problem["path"], json!(["ask", "spin"]));

    // The admin API.
    assert_eq!(client.get(&format!("{ask}nowhere")).status, 404);
    assert_eq!(client.get(&format!("{ask}readyz")).status, 200);
    assert_eq!(client.get(&format!("{ask}_dyninka/state/X")).status, 401);
    dev.stop();
}
