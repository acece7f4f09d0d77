//! examples/building.rs: the paper's smart building on 50,000 real readings.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::moves::regroup;
use support::hosts::{kill, ours};
use support::session::{Client, Dev, example};

support::on_both_backends!(
    every_reading_is_averaged_exactly,
    a_caller_composes_another_flow,
    a_killed_service_is_named_and_comes_back,
    nothing_of_ours_is_left,
);

/// Average in degrees Celsius and count of the temperatures among the first readings, straight from the file.
fn expected(readings: usize) -> (f64, u64) {
    let file = include_str!("../../examples/data/readings.csv");
    let fields = file.lines().skip(1).take(readings).map(|line| line.split(',').collect::<Vec<_>>());
    let temperatures = fields.filter(|fields| fields[1] == "Temperature");
    let celsius: Vec<f64> =
        temperatures.map(|fields| (fields[4].parse::<f64>().expect("a value") - 32.0) / 1.8).collect();
    (celsius.iter().sum::<f64>() / celsius.len() as f64, celsius.len() as u64)
}

/// All 50,000 as processes; the first of them in containers, whose hosts are the same.
fn every_reading_is_averaged_exactly(on: &str) {
    let readings = if on == "docker" { 5_000 } else { 50_000 };
    let (_folder, file) = example("building");
    let dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    let (mut values, mut filtered, mut last) = (0_u64, 0_u64, Value::Null);
    for reading in 0..readings {
        let answer = client.get(&url);
        match answer.status {
            200 => {
                values += 1;
                last = answer.json();
            }
            204 => {
                assert_eq!(answer.header("dyninka-filtered"), "filter");
                filtered += 1;
            }
            status => panic!("reading {reading}: {status} {}", answer.body),
        }
    }
    assert!(values > 500, "{values}");
    is_exact(readings, (values, filtered), &last);
    let (status, _) = dev.stop();
    assert!(status.success());
}

/// Whether so many readings came to so many values, and the last of these is their average.
fn is_exact(readings: usize, (values, filtered): (u64, u64), last: &Value) {
    let (average, count) = expected(readings);
    assert_eq!((values, filtered), (count, readings as u64 - count));
    assert_eq!(last["count"], count);
    let told = last["average"].as_f64().expect("an average");
    assert!((told - average).abs() < 1e-9, "{told} is not {average}");
}

/// Fuses all four and splits them again so many times, while eight callers ask for so many readings, some for each move. The
/// position in the readings and the average move along.
fn every_reading_is_averaged_exactly_through_moves(readings: usize, rounds: usize) {
    let (_folder, file) = example("building");
    let mut dev = Dev::launch(&file, &["--on", "process", "--port", "0", "--together", "none"]);
    dev.ready = dev.wait_for("ready");
    let (url, moves) = (dev.url(), rounds * 2);
    let (asked, allowed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ask = || {
        let (client, mut filtered, mut values) = (Client::default(), 0_u64, Vec::new());
        loop {
            let reading = asked.fetch_add(1, Ordering::Relaxed);
            if reading >= readings {
                return (filtered, values);
            }
            let begun = Instant::now();
            while allowed.load(Ordering::Relaxed) <= reading {
                assert!(begun.elapsed() < support::session::PATIENCE, "the moves do not come to reading {reading}");
                std::thread::sleep(Duration::from_millis(1));
            }
            let answer = client.get(&url);
            match answer.status {
                200 => values.push(answer.json()),
                204 => filtered += 1,
                status => panic!("reading {reading}: {status} {}", answer.body),
            }
        }
    };
    let (mut filtered, mut values) = (0, Vec::new());
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        for number in 1..=moves {
            allowed.store(readings * number / moves, Ordering::Relaxed);
            let arguments: &[&str] = match number % 2 {
                1 => &["fuse", "filter", "get", "map", "moving_avg"],
                _ => &["split", "get", "map", "moving_avg"],
            };
            let moved = regroup(&file, arguments).unwrap_or_else(|why| panic!("move {number}: {why}"));
            assert_eq!(moved.matches(" runs in the host ").count(), 3, "{moved}");
        }
        for caller in callers {
            let (passed_over, came) = caller.join().expect("a caller");
            filtered += passed_over;
            values.extend(came);
        }
    });
    let last = values.iter().max_by_key(|value| value["count"].as_u64()).expect("values");
    is_exact(readings, (values.len() as u64, filtered), last);
    let (status, stderr) = dev.stop();
    assert!(status.success(), "{stderr}");
}

#[test]
fn four_thousand_readings_are_averaged_exactly_through_two_moves_each_way() {
    every_reading_is_averaged_exactly_through_moves(4_000, 2);
}

#[test]
#[ignore = "long: 50,000 readings and ten moves each way"]
fn fifty_thousand_readings_are_averaged_exactly_through_ten_moves_each_way() {
    every_reading_is_averaged_exactly_through_moves(50_000, 10);
}

fn a_caller_composes_another_flow(on: &str) {
    let (_folder, file) = example("building");
    let dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    let answer = client.get_with(
        &url,
        &[("dyninka-route", "map(get)"), ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")],
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    let hops: Vec<&str> =
        answer.header("dyninka-version").split(", ").map(|version| version.split('@').next().unwrap_or("")).collect();
    assert_eq!(hops, ["get", "map", "moving_avg"]);
    for hop in ["get;dur=", "get.fn;dur=", "moving_avg;dur="] {
        assert!(answer.header("server-timing").contains(hop), "{}", answer.header("server-timing"));
    }
    let reading = r#"{"reading":{"sensor":"JFK","variable":"Temperature","units":"F","timestamp":"2013-01-01T06:00:00Z","value":50}}"#;
    let answer = client.post(&dev.url_of("map"), reading);
    assert_eq!((answer.status, answer.body.as_str()), (200, "10.0"));
    let answer = client.get_with(
        &dev.url_of("map"),
        &[("dyninka-route", r#"{"sensor":"JFK","variable":"x","units":"F","timestamp":"","value":32}"#)],
    );
    assert_eq!((answer.status, answer.body.as_str()), (200, "0.0"));
    let metrics = client.get(&format!("{}metrics", dev.url_of("map"))).body;
    assert!(metrics.contains(r#"dyninka_requests_total{service="map",outcome="value"} 3"#), "{metrics}");
    assert!(metrics.contains("dyninka_function_seconds_bucket"), "{metrics}");
    dev.stop();
}

fn a_killed_service_is_named_and_comes_back(on: &str) {
    let (_folder, file) = example("building");
    let mut dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    assert!(client.get(&url).status < 300);
    kill(on, &file, "map");
    // Until the service is back, a request is told who does not answer, or waits for it: a lost SYN is sent again.
    let back = loop {
        let answer = client.get_with(&url, &[("dyninka-route", "map(get)")]);
        match answer.status {
            200 if dev.has_told("up") => break answer,
            200 => {}
            502 => {
                let problem = answer.json();
                assert_eq!(problem["service"], "map");
                assert_eq!(problem["path"], serde_json::json!(["moving_avg", "map"]));
            }
            status => panic!("{status}: {}", answer.body),
        }
    };
    assert!(back.header("dyninka-version").contains("map@"));
    for kind in ["down", "up"] {
        assert!(dev.seen().iter().any(|event| event["event"] == kind && event["service"] == "map"), "{kind}");
    }
    dev.stop();
}

fn nothing_of_ours_is_left(on: &str) {
    let (_folder, file) = example("building");
    let dev = Dev::start(&file, on);
    assert!(!ours(on, &file).is_empty());
    dev.stop();
    assert_eq!(ours(on, &file), [""; 0]);
    // A killed session leaves what the next start, or `dyn stop`, removes.
    let dev = Dev::start(&file, on);
    dev.signal("KILL");
    let (status, _) = dev.end();
    assert!(!status.success());
    let stopped = support::run(&["stop".as_ref(), file.as_os_str()]);
    assert!(stopped.status.success(), "{stopped:?}");
    assert_eq!(ours(on, &file), [""; 0]);
}
