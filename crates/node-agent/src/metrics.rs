//! What a node measures, as Prometheus reads it.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;

use crate::agent::Agent;
use crate::api::{SharedServiceView, view};
use crate::http::{answer as respond, refusal};

type Answer = Response<Full<Bytes>>;

/// `/metrics`, `/healthz` and `/readyz`.
pub(crate) fn measured(agent: &Agent, path: &str) -> Answer {
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    match path {
        "/healthz" | "/readyz" => respond(StatusCode::OK, TEXT, Bytes::from_static(b"ok\n")),
        "/metrics" => respond(StatusCode::OK, TEXT, metrics(agent).into()),
        _ => refusal(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz"),
    }
}

fn metrics(agent: &Agent) -> String {
    let mut text = String::new();
    let counts = &agent.counts;
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let counters = [
        ("frames_sent", "Frames sent over links", read(&counts.frames_out)),
        ("bytes_sent", "Bytes of frames sent over links", read(&counts.bytes_out)),
        ("bytes_received", "Bytes of frames received over links", read(&counts.bytes_in)),
        ("bad_frames", "Frames that were refused", read(&counts.bad_frames)),
        ("refused_connections", "Connections that were refused", read(&counts.refused_connections)),
        ("away_answered", "Requests that other nodes answered", read(&counts.away_answered)),
        ("away_nobody", "Requests that no other node took", read(&counts.away_nobody)),
        ("away_lost", "Requests whose node gave no answer", read(&counts.away_lost)),
        ("guests", "Requests of other nodes that went to a host", read(&counts.guests)),
        ("guests_refused", "Requests of other nodes that were refused", read(&counts.guests_refused)),
        ("decisions", "Decisions", read(&counts.decisions)),
        ("decision_nanoseconds", "Time that decisions took", read(&counts.decision_ns)),
    ];
    for (name, help, count) in counters {
        let name = format!("dyninka_node_{name}_total");
        text += &format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {count}\n");
    }
    let view = view(agent);
    let up = view.nodes.iter().filter(|node| node.state != "down").count();
    text += &gauge("members", "Nodes that are there");
    text += &format!("dyninka_node_members {up}\n");
    text += &gauge("rtt_seconds", "Round trip to a node");
    for node in view.nodes.iter().filter(|node| node.rtt_us.is_some()) {
        let seconds = node.rtt_us.unwrap_or_default() as f64 / 1e6;
        text += &format!("dyninka_node_rtt_seconds{{node=\"{}\"}} {seconds}\n", node.name);
    }
    let rates: [(&str, &str, fn(&SharedServiceView) -> f64); 5] = [
        ("users", "Requests a second of users", |service| service.users),
        ("guests", "Requests a second of other nodes", |service| service.guests),
        ("away", "Requests a second that other nodes served", |service| service.away),
        ("need", "Requests a second that do not fit", |service| service.need),
        ("offered", "Requests a second that a node takes of this one", |service| service.offered),
    ];
    for (name, help, rate) in rates {
        text += &gauge(name, help);
        for (node, service) in view.nodes.iter().flat_map(|node| node.services.iter().map(move |s| (node, s))) {
            let (app, of) = (&service.app, &service.service);
            let labels = format!("node=\"{}\",app=\"{app}\",service=\"{of}\"", node.name);
            text += &format!("dyninka_node_{name}{{{labels}}} {}\n", rate(service));
        }
    }
    text
}

fn gauge(name: &str, help: &str) -> String {
    format!("# HELP dyninka_node_{name} {help}\n# TYPE dyninka_node_{name} gauge\n")
}
