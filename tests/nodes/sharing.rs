//! Overload on one node, served by its neighbours.

use crate::fleet::{APP, COUNTING, Fleet, address, stderr};
use crate::load::{Caller, Users, counted};

#[test]
fn overload_on_one_of_three_nodes_is_served_by_its_neighbours_and_no_request_fails() {
    let fleet = Fleet::with_app(3, APP);
    // A hundred a second is what one node serves.
    let users = Users::at(&address(1), 220, 8);
    users.wait(1000);
    fleet.wait("it is told where overflow goes, and how much", |fleet| {
        let to = fleet.view(1)["nodes"][0]["services"][0]["to"].clone();
        ["n2", "n3"].iter().all(|node| to[node].as_f64().is_some_and(|rate| rate > 0.0))
    });
    let answers = users.end();
    let counts = counted(&answers);
    assert!(counts.keys().all(|(status, _)| *status == 200), "{counts:?}");
    assert!(answers.iter().all(|answer| answer.body == "\"*hi*\""), "{:?}", answers[0]);
    let by = |node: &str| counts.get(&(200, node.to_owned())).copied().unwrap_or_default();
    assert!(by("n2") > 0 && by("n3") > 0 && by("") > 0, "{counts:?}");
    // The node serves its own limit, and not all of it; both others help.
    let share = by("") as f64 / answers.len() as f64;
    assert!((0.3..0.85).contains(&share), "{share} of {} here: {counts:?}", answers.len());
    // Who serves what is told.
    let view = fleet.run(1, &["nodes"]);
    let text = String::from_utf8_lossy(&view.stdout).into_owned();
    assert!(text.contains("fleet plant, seen from n1, strategy offer") && text.contains("banner/banner"), "{text}");
    assert!(fleet.said(1).contains("dev.dyninka.service.shared"), "{}", fleet.said(1));
    // Another machine's agent by its socket, and what happens there as it happens.
    let socket = fleet.home(1).join("node/node.sock");
    let seen = fleet.run(2, &["nodes", "--json", "--at", socket.to_str().unwrap()]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&seen.stdout).unwrap()["here"], "n1");
    let nobody = fleet.run(2, &["nodes", "--at", "/nowhere/node.sock"]);
    assert!(!nobody.status.success() && stderr(&nobody).contains("/nowhere/node.sock"), "{}", stderr(&nobody));
    let told = fleet.first_line(1, &["nodes", "--events"], "dev.dyninka.service.shared");
    assert_eq!(told["subject"], "banner/banner");
}

#[test]
fn the_first_request_that_does_not_fit_is_served_by_a_neighbour_and_a_forged_header_has_none_sent_on() {
    // One request in a hundred seconds: the second one does not fit.
    let app = APP.replace("rate = 100", "rate = 1");
    let fleet = Fleet::with_app(3, &app);
    let mut caller = Caller::new(&address(2));
    let first: Vec<_> = (0..2).map(|_| caller.ask("").unwrap()).collect();
    assert!(first.iter().all(|answer| answer.status == 200), "{first:?}");
    assert!(first[1].node == "n1" || first[1].node == "n3", "{first:?}");
    // Whoever says that they are a node are served here or refused, and never sent on.
    let forged: Vec<_> = (0..200).map(|_| caller.ask("dyninka-node: n1\r\n").unwrap()).collect();
    let counts = counted(&forged);
    assert!(counts.keys().all(|(status, node)| matches!(status, 200 | 429) && node.is_empty()), "{counts:?}");
    assert!(counts.contains_key(&(429, String::new())), "{counts:?}");
    drop(fleet);
}

#[test]
fn a_push_takes_over_in_place_and_one_that_fails_leaves_what_ran() {
    let mut fleet = Fleet::bare(1);
    fleet.gather();
    let pushed = fleet.push(COUNTING);
    assert!(pushed.status.success() && stderr(&pushed).contains("started"), "{}", stderr(&pushed));
    // A host closes a connection that is idle for long: each has its own.
    let ask = || Caller::new(&address(1)).ask("").unwrap().body;
    let said: Vec<_> = (0..2).map(|_| ask()).collect();
    assert_eq!(said, ["\"hi A 1\"", "\"hi A 2\""]);
    let pushed = fleet.push(&COUNTING.replace(" A ", " B "));
    assert!(pushed.status.success() && stderr(&pushed).contains("taken over"), "{}", stderr(&pushed));
    assert_eq!(ask(), "\"hi B 3\"", "its state is kept");
    // Nothing new: nothing is sent.
    let pushed = fleet.push(&COUNTING.replace(" A ", " B "));
    assert!(stderr(&pushed).contains("as it was") && stderr(&pushed).contains("0 B sent"), "{}", stderr(&pushed));
    let broken = fleet.push(&COUNTING.replace("format!(\"{text} A {n}\")", "panic"));
    assert!(!broken.status.success());
    assert_eq!(ask(), "\"hi B 4\"");
    let unknown = fleet.run(1, &["push", "app/banner.rs", "--to", "n9", "--yes"]);
    assert!(stderr(&unknown).contains("there is no node n9") && stderr(&unknown).contains("nodes: n1"));
    // The agent is killed: its services come back with it.
    fleet.kill(1);
    fleet.up(1);
    fleet.wait("the app is back", |_| Caller::new(&address(1)).ask("").is_ok_and(|answer| answer.status == 200));
    assert!(fleet.run(1, &["node", "remove", "banner"]).status.success());
    assert!(Caller::new(&address(1)).ask("").is_err(), "nothing listens any more");
    assert!(fleet.run(1, &["node", "down"]).status.success());
    fleet.ended(1);
}
