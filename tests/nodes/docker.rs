//! Nodes that have their services in containers.

use std::collections::BTreeSet;
use std::process::Command;

use crate::fleet::{APP, COUNTING, Fleet, local, stderr};
use crate::load::{Caller, Users, counted};

/// Nobody else's: an engine is asked by this name.
const NAME: &str = "contained";

/// What the engine has of the app.
fn engine(command: &[&str]) -> BTreeSet<String> {
    let filter = format!("label=dyninka.app={NAME}");
    let output = Command::new("docker").args(command).args(["-q", "--filter", &filter]).output().expect("docker");
    assert!(output.status.success(), "these tests need a Docker engine: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn containers() -> BTreeSet<String> {
    engine(&["ps", "-a"])
}

#[test]
fn nodes_on_docker_share_overload_take_over_in_place_and_leave_no_container() {
    assert_eq!(containers(), BTreeSet::new());
    let mut fleet = Fleet::on_docker(2);
    fleet.gather();
    let mut nowhere = fleet.command(1, &["node", "up", "--on", "docker"]);
    let nowhere = nowhere.env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().unwrap();
    let words = stderr(&nowhere);
    assert!(!nowhere.status.success() && words.contains("cannot reach a Docker engine: unix:///nowhere"), "{words}");
    assert!(words.contains("--on process"), "{words}");

    // Overload: hosts reach their agent from their containers, and guests reach hosts there.
    let push = |fleet: &Fleet, at: usize, app: &str, listen: &str| {
        let pushed = fleet.push_to(&format!("n{at}"), NAME, app, listen);
        (pushed.status.success(), stderr(&pushed))
    };
    let own = |at: usize| format!("{}:8080", local(at));
    for at in 1..=2 {
        let (is_pushed, words) = push(&fleet, at, APP, &own(at));
        assert!(is_pushed && words.contains("started"), "{words}");
    }
    assert_eq!(containers().len(), 2);
    fleet.wait_for_offers();
    // A hundred a second is what one node serves.
    let users = Users::at(&local(1), 150, 8);
    users.wait(450);
    fleet.wait("both measure what the neighbour serves", |fleet| {
        let rate = |at: usize, what: &str| fleet.view(at)["nodes"][0]["services"][0][what].as_f64().unwrap_or_default();
        rate(1, "away") > 0.0 && rate(2, "guests") > 0.0
    });
    let view = fleet.run(1, &["nodes"]);
    let view = String::from_utf8_lossy(&view.stdout).into_owned();
    assert!(view.contains("strategy offer, services on docker\n"), "{view}");
    let answers = users.end();
    let counts = counted(&answers);
    assert!(counts.keys().all(|(status, _)| *status == 200), "{counts:?}");
    let by = |node: &str| counts.get(&(200, node.to_owned())).copied().unwrap_or_default();
    let share = by("n2") as f64 / answers.len() as f64;
    assert!((0.1..0.6).contains(&share) && by("") > 0, "{share} at the neighbour: {counts:?}");

    // A newer version takes over in place, and one that does not live leaves what ran.
    let ask = |host: &str| Caller::new(host).ask("").unwrap().body;
    let (is_pushed, words) = push(&fleet, 1, COUNTING, &own(1));
    assert!(is_pushed && words.contains("taken over"), "{words}");
    assert_eq!([ask(&local(1)), ask(&local(1))], ["\"hi A 1\"", "\"hi A 2\""]);
    let newer = COUNTING.replace(" A ", " B ");
    let (is_pushed, words) = push(&fleet, 1, &newer, &own(1));
    assert!(is_pushed && words.contains("taken over"), "{words}");
    assert_eq!(ask(&local(1)), "\"hi B 3\"", "its state is kept");
    let taken = format!("{}:7940", local(2));
    let (is_pushed, words) = push(&fleet, 1, COUNTING, &taken);
    assert!(!is_pushed && words.contains(&format!("cannot listen on {taken}")), "{words}");
    assert_eq!(ask(&local(1)), "\"hi B 4\"", "it is as it was");
    // Users come in elsewhere from now on.
    let (is_pushed, words) = push(&fleet, 1, &newer, &own(3));
    assert!(is_pushed && words.contains("as it was"), "{words}");
    assert_eq!(ask(&local(3)), "\"hi B 5\"");
    assert!(Caller::new(&local(1)).ask("").is_err(), "nothing listens there any more");

    // What ends is started again.
    for container in containers() {
        assert!(Command::new("docker").args(["kill", &container]).output().unwrap().status.success());
    }
    fleet.wait("it is back", |_| Caller::new(&local(3)).ask("").is_ok_and(|answer| answer.body == "\"hi B 1\""));

    // The containers of an agent that was killed are the next one's to remove.
    let before = containers();
    fleet.kill(1);
    assert_eq!(containers(), before);
    fleet.up_with(1, &["--cpus", "0.0001"]);
    fleet.wait("the app is back", |_| Caller::new(&local(3)).ask("").is_ok_and(|answer| answer.status == 200));
    let after = containers();
    assert!(after.len() == 2 && after.intersection(&before).count() == 1, "{before:?}, then {after:?}");

    // What containers use is measured: nobody serves many requests with a ten-thousandth of a processor.
    fleet.wait("it may use no more", |_| {
        Caller::new(&local(3)).ask("").is_ok_and(|answer| answer.body.contains("overloaded"))
    });

    // Nothing is left: of an agent that ends, and of one that cannot.
    let ended = fleet.run(1, &["node", "down"]);
    assert!(ended.status.success(), "{}", stderr(&ended));
    fleet.ended(1);
    assert_eq!(containers().len(), 1);
    fleet.kill(2);
    let ended = fleet.run(2, &["node", "down"]);
    assert!(ended.status.success() && stderr(&ended).contains("is removed"), "{}", stderr(&ended));
    assert_eq!((containers(), engine(&["network", "ls"])), (BTreeSet::new(), BTreeSet::new()));
    let again = fleet.run(2, &["node", "down"]);
    assert!(!again.status.success() && stderr(&again).contains("does not run"), "{}", stderr(&again));
}
