//! What `dyn doctor` says of the fleet that this machine is in: clock, certificate, port.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use node_agent::{FleetView, NodeCheck, NodeClient, NodeError};
use nodes::FleetRole;

use super::doctor::{Finding, good, lack};

/// Where agents listen when nobody says.
const PORT: u16 = 7940;
/// A node is there, or not, within this.
const PATIENCE: Duration = Duration::from_secs(2);
/// Agents renew a certificate before so much of its time is left.
const SOON: u64 = 30 * 86_400;

/// What of the way to this node was seen.
#[derive(Debug)]
enum PortSeen {
    Answers { address: String },
    Silent { address: String, why: String },
    Free,
    Taken { why: String },
}

/// Looks at the fleet; nothing is said of a machine that is in none.
pub(crate) async fn look() -> Vec<Finding> {
    let Ok(folder) = super::node::folder() else { return Vec::new() };
    let check = match node_agent::check(&folder) {
        Ok(check) => check,
        Err(NodeError::NoFleet) => return Vec::new(),
        Err(error) => return vec![lack("certificate", error.to_string(), error.hint())],
    };
    let (mut seen, mut backend) = (None, None);
    if check.role == FleetRole::Node {
        let view = NodeClient::new(folder).nodes().await.ok();
        backend = view.as_ref().and_then(|view| view.backend.clone());
        seen = Some(port(view).await);
    }
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let mut findings = judged(&check, now, seen);
    if backend.as_deref() == Some("docker") {
        findings.push(containers(session::engine().await.err()));
    }
    findings
}

/// A node whose services are containers, and why its engine does not answer.
fn containers(silent: Option<String>) -> Finding {
    let found = "this node runs services on docker";
    match silent {
        None => good("services", found.to_owned()),
        Some(why) => {
            let advice = "start the engine: the agent starts them again then".to_owned();
            lack("services", format!("{found}, and no engine answers: {why}"), Some(advice))
        }
    }
}

async fn port(view: Option<FleetView>) -> PortSeen {
    let Some(here) = view.and_then(|view| view.nodes.into_iter().find(|node| node.name == view.here)) else {
        return match TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)) {
            Ok(_) => PortSeen::Free,
            Err(error) => PortSeen::Taken { why: error.to_string() },
        };
    };
    let address = here.address;
    match tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(&address)).await {
        Ok(Ok(_)) => PortSeen::Answers { address },
        Ok(Err(error)) => PortSeen::Silent { address, why: error.to_string() },
        Err(_) => PortSeen::Silent { address, why: format!("no connection within {} s", PATIENCE.as_secs()) },
    }
}

fn judged(check: &NodeCheck, now: u64, port: Option<PortSeen>) -> Vec<Finding> {
    let NodeCheck { fleet, name, begins, ends, .. } = check;
    let time = |seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
    };
    let clock = if now < *begins {
        let found = format!("it is {} here, before the node's certificate begins at {}", time(now), time(*begins));
        lack("clock", found, Some("set this machine's clock: timedatectl set-ntp true".to_owned()))
    } else {
        good("clock", format!("it is {} here, after the begin of the node's certificate", time(now)))
    };
    let anew = || Some("`dyn node forget --yes`, then join by another invitation".to_owned());
    let certificate = if check.is_void {
        lack("certificate", format!("{name} was expelled from the fleet {fleet}"), anew())
    } else if now >= *ends {
        lack("certificate", format!("of {name} in the fleet {fleet} ended at {}", time(*ends)), anew())
    } else if ends - now < SOON {
        let advice = "the agent renews it as soon as it reaches the node that has the fleet's key".to_owned();
        lack("certificate", format!("of {name} in the fleet {fleet} ends at {}", time(*ends)), Some(advice))
    } else {
        good("certificate", format!("of {name} in the fleet {fleet}, good until {}", time(*ends)))
    };
    let port = port.map(|port| match port {
        PortSeen::Answers { address } => good("port", format!("the agent answers at {address}, which others are told")),
        PortSeen::Silent { address, why } => {
            let advice = "pass an address that others can reach: dyn node up --advertise HOST:PORT".to_owned();
            lack("port", format!("nothing answers at {address}, which others are told: {why}"), Some(advice))
        }
        PortSeen::Free => good("port", format!("{PORT} is free; the agent does not run (`dyn node up` starts it)")),
        PortSeen::Taken { why } => {
            let advice = format!("dyn node up --listen 0.0.0.0:{}", PORT + 1);
            lack("port", format!("an agent cannot listen on {PORT}: {why}"), Some(advice))
        }
    });
    [clock, certificate].into_iter().chain(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn check() -> NodeCheck {
        let (fleet, name) = ("plant".to_owned(), "n1".to_owned());
        NodeCheck { fleet, name, role: FleetRole::Node, begins: 100 * DAY, ends: 190 * DAY, is_void: false }
    }

    /// Which are good, and what is said of the certificate.
    fn said(check: &NodeCheck, day: u64) -> (Vec<bool>, String) {
        let found = judged(check, day * DAY, Some(PortSeen::Free));
        assert_eq!(found.iter().map(|finding| finding.name).collect::<Vec<_>>(), ["clock", "certificate", "port"]);
        (found.iter().map(|finding| finding.good).collect(), found[1].found.clone())
    }

    #[test]
    fn a_certificate_is_judged_by_the_clock() {
        assert_eq!(said(&check(), 101).0, [true; 3]);
        assert_eq!(said(&check(), 99).0, [false, true, true], "the clock is behind");
        let soon = said(&check(), 161);
        assert!(soon.0 == [true, false, true] && soon.1.contains("ends at 1970-07-10T00:00:00Z"), "{soon:?}");
        assert!(said(&check(), 190).1.contains("ended at"));
        let void = said(&NodeCheck { is_void: true, ..check() }, 101);
        assert!(!void.0[1] && void.1 == "n1 was expelled from the fleet plant", "{void:?}");
    }

    #[test]
    fn a_port_is_judged_by_whether_others_come_in() {
        let good = |port| judged(&check(), 101 * DAY, Some(port)).pop().map(|finding| (finding.good, finding.advice));
        let silent = PortSeen::Silent { address: "10.0.0.1:7940".to_owned(), why: "refused".to_owned() };
        assert!(
            good(silent).is_some_and(|(good, advice)| !good && advice.is_some_and(|it| it.contains("--advertise")))
        );
        let taken = PortSeen::Taken { why: "in use".to_owned() };
        assert!(good(taken).is_some_and(|(good, advice)| !good && advice.is_some_and(|it| it.contains("7941"))));
        assert_eq!(good(PortSeen::Answers { address: String::new() }), Some((true, None)));
        assert_eq!(judged(&check(), 101 * DAY, None).len(), 2, "an operator has no port");
    }

    #[test]
    fn a_node_on_docker_lacks_an_engine_that_does_not_answer() {
        let finding = containers(None);
        assert!(finding.good && finding.found == "this node runs services on docker", "{finding:?}");
        let finding = containers(Some("connection refused".to_owned()));
        assert!(!finding.good && finding.found.ends_with("no engine answers: connection refused"), "{finding:?}");
    }
}
