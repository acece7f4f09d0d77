//! `dyn nodes`: the fleet, as the node of this machine sees it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use node_agent::{FleetView, NodeClient, NodeView, SharedServiceView};
use serde::Serialize;
use tokio::sync::watch;

use crate::arguments::Nodes;
use crate::fault::Fault;
use crate::speech;
use crate::start::{Signals, runtime};

const AGAIN: Duration = Duration::from_secs(1);
/// How long one question for events waits for the next.
const WAIT: Duration = Duration::from_secs(20);

pub(crate) fn run(options: &Nodes) -> Result<(), Fault> {
    let client = match &options.at {
        Some(socket) => NodeClient::at(socket.clone()),
        None => NodeClient::new(super::node::folder()?),
    };
    runtime()?.block_on(async {
        let mut signals = Signals::new()?;
        if options.events {
            return follow(&client, &mut signals).await;
        }
        loop {
            let view = client.nodes().await?;
            let said = if options.json { line(&view) } else { speech::out(drawn(&view)) };
            // Whoever reads it may have seen enough.
            if !options.watch || said.is_err() {
                return Ok(());
            }
            tokio::select! {
                _ = signals.next() => return Ok(()),
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    })
}

/// Prints what happens at a node, from what it still knows on, until nobody reads it.
async fn follow(client: &NodeClient, signals: &mut Signals) -> Result<(), Fault> {
    let mut after = 0;
    loop {
        let events = tokio::select! {
            _ = signals.next() => return Ok(()),
            events = client.events(after, WAIT) => events?,
        };
        for event in events {
            // An agent numbers its events from one.
            after = event.id.parse().unwrap_or(after);
            if line(&event).is_err() {
                return Ok(());
            }
        }
    }
}

/// Prints a value as a line of JSON.
pub(super) fn line(value: &impl Serialize) -> io::Result<()> {
    match serde_json::to_string(value) {
        Ok(line) => speech::json(line),
        Err(error) => speech::err(format_args!("it cannot be written as JSON: {error}")),
    }
}

/// The fleet for the view: lines, anew each second until nobody looks.
pub(crate) fn watched() -> watch::Receiver<Arc<Vec<String>>> {
    let (shown, lines) = watch::channel(Arc::default());
    tokio::spawn(async move {
        loop {
            let seen = match super::node::folder() {
                Ok(folder) => NodeClient::new(folder).nodes().await.map_err(Fault::from),
                Err(fault) => Err(fault),
            };
            let seen = match seen {
                Ok(view) => drawn(&view).lines().map(str::to_owned).collect(),
                Err(fault) => vec![fault.words()],
            };
            shown.send_replace(Arc::new(seen));
            tokio::select! {
                () = shown.closed() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    });
    lines
}

/// The fleet as lines: a node, and its services below it.
fn drawn(view: &FleetView) -> String {
    let backend = view.backend.iter().map(|backend| format!(", services on {backend}")).collect::<String>();
    let mut lines = vec![format!("fleet {}, seen from {}, strategy {}{backend}", view.fleet, view.here, view.strategy)];
    let name = view.nodes.iter().map(|node| node.name.len()).max().unwrap_or_default();
    for node in &view.nodes {
        lines.push(format!("{:name$}  {}", node.name, state(node)));
        lines.extend(node.services.iter().map(|service| format!("  {}", load(service, node.state == "here"))));
    }
    lines.join("\n")
}

fn state(node: &NodeView) -> String {
    let mut words = vec![node.state.clone(), node.address.clone()];
    words.extend(node.rtt_us.map(|us| format!("{:.1} ms", us as f64 / 1e3)));
    words.extend(node.since_s.map(|seconds| format!("for {seconds} s")));
    words.extend(node.link.as_ref().map(|link| format!("link {link}")));
    words.extend(node.labels.iter().map(|(key, value)| format!("{key}={value}")));
    words.join("  ")
}

fn load(service: &SharedServiceView, is_here: bool) -> String {
    let mut words = vec![format!("{}/{}", service.app, service.service)];
    words.push(service.limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit:.0}/s")));
    words.push(format!("users {:.0}/s  guests {:.0}/s", service.users, service.guests));
    if is_here {
        let to: Vec<String> = service.to.iter().map(|(node, rate)| format!("{rate:.0}/s to {node}")).collect();
        let to = if to.is_empty() { String::new() } else { format!(" ({})", to.join(", ")) };
        words.push(format!("away {:.0}/s{to}  refused {:.0}/s", service.away, service.refused));
    } else {
        words.push(format!("offers {:.0}/s", service.offered));
    }
    if service.need > 0.0 {
        words.push(format!("needs {:.0}/s", service.need));
    }
    words.extend(service.why.as_ref().map(|why| format!("not asked: {why}")));
    words.join("  ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_fleet_is_drawn_with_what_each_node_takes_and_why_one_is_not_asked() {
        let service = SharedServiceView {
            app: "banner".to_owned(),
            service: "banner".to_owned(),
            limit: Some(200.0),
            users: 350.2,
            guests: 0.0,
            away: 150.0,
            to: BTreeMap::from([("edge-2".to_owned(), 50.0), ("fog".to_owned(), 100.0)]),
            refused: 0.0,
            need: 150.2,
            offered: 0.0,
            why: None,
        };
        let node = |name: &str, state: &str, service: SharedServiceView| NodeView {
            name: name.to_owned(),
            id: String::new(),
            address: "10.0.0.1:7940".to_owned(),
            state: state.to_owned(),
            link: (state == "up").then(|| "up".to_owned()),
            rtt_us: (state == "up").then_some(410),
            since_s: Some(7),
            labels: BTreeMap::from([("class".to_owned(), "edge".to_owned())]),
            services: vec![service],
        };
        let other = SharedServiceView {
            limit: None,
            need: 0.0,
            to: BTreeMap::new(),
            offered: 225.0,
            why: Some("has another version of it".to_owned()),
            ..service.clone()
        };
        let view = FleetView {
            fleet: "plant".to_owned(),
            here: "edge-1".to_owned(),
            strategy: "offer".to_owned(),
            backend: Some("docker".to_owned()),
            nodes: vec![node("edge-1", "here", service), node("fog", "up", other)],
        };
        let lines = [
            "fleet plant, seen from edge-1, strategy offer, services on docker",
            "edge-1  here  10.0.0.1:7940  for 7 s  class=edge",
            "  banner/banner  limit 200/s  users 350/s  guests 0/s  away 150/s (50/s to edge-2, 100/s to fog)  refused 0/s  needs 150/s",
            "fog     up  10.0.0.1:7940  0.4 ms  for 7 s  link up  class=edge",
            "  banner/banner  no limit  users 350/s  guests 0/s  offers 225/s  not asked: has another version of it",
        ];
        assert_eq!(drawn(&view), lines.join("\n"));
    }
}
