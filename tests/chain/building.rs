//! examples/building.rs: the paper's smart building on 50,000 real readings.

use serde_json::Value;

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
    let (average, count) = expected(readings);
    assert!(count > 500, "{count}");
    assert_eq!((values, filtered), (count, readings as u64 - count));
    assert_eq!(last["count"], count);
    let told = last["average"].as_f64().expect("an average");
    assert!((told - average).abs() < 1e-9, "{told} is not {average}");
    let (status, _) = dev.stop();
    assert!(status.success());
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
