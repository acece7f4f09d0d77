//! Who is let in, and who is not.

use crate::fleet::{APP, Fleet, address, copy, stderr};
use crate::load::{Users, counted};

#[test]
fn an_invitation_lets_in_once_and_in_time_and_no_guess_does() {
    let mut fleet = Fleet::bare(3);
    assert!(fleet.run(1, &["node", "init", "--fleet", "plant", "--name", "n1"]).status.success());
    let again = fleet.run(1, &["node", "init"]);
    assert!(stderr(&again).contains("is in the fleet plant already, as n1"), "{}", stderr(&again));
    let early = fleet.run(1, &["node", "invite"]);
    assert!(stderr(&early).contains("does not run") && stderr(&early).contains("dyn node up"), "{}", stderr(&early));
    fleet.up(1);
    let token = fleet.invite(&[]);
    let join = |at: usize, token: &str, name: &str| {
        let output = fleet.run(at, &["node", "join", token, "--name", name]);
        (output.status.success(), stderr(&output))
    };
    let taken = join(2, &token, "n1");
    assert!(!taken.0 && taken.1.contains("there is a node n1 in the fleet"), "{}", taken.1);
    // Nobody came in by it: it is good still.
    assert!(join(2, &token, "n2").0);
    let used = join(3, &token, "n3");
    assert!(!used.0 && used.1.contains("it was used, it has expired, or it was never given"), "{}", used.1);
    let cut = join(3, &token[..token.len() - 3], "n3");
    assert!(!cut.0 && cut.1.contains("is not whole"), "{}", cut.1);
    let late = fleet.invite(&["--for", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let late = join(3, &late, "n3");
    assert!(!late.0 && late.1.contains("it has expired"), "{}", late.1);
    // Another fleet's certificate stands where the invitation leads: nothing is said to it.
    let guessed: nodes::InvitationToken = token.parse().unwrap();
    let other = nodes::InvitationToken { fingerprint: [7; 32], ..guessed.clone() }.to_string();
    let other = join(3, &other, "n3");
    assert!(!other.0 && other.1.contains("certificate"), "{}", other.1);
    let mut refused = 0;
    for at in 0..12_u8 {
        let guess = nodes::InvitationToken { secret: [at; 16], ..guessed.clone() }.to_string();
        let said = join(3, &guess, "n3");
        assert!(!said.0 && (said.1.contains("never given") || said.1.contains("too many tries")), "{}", said.1);
        refused += 1;
    }
    assert_eq!(refused, 12);
    // An operator shares no load.
    let operator = fleet.invite(&["--operator"]);
    // The tries before may have used up this second's.
    fleet.wait("an operator is let in", |_| {
        let (is_in, said) = join(3, &operator, "laptop");
        assert!(is_in || said.contains("too many tries"), "{said}");
        is_in
    });
    let up = fleet.run(3, &["node", "up"]);
    assert!(stderr(&up).contains("no certificate of a node"), "{}", stderr(&up));
}

#[test]
fn an_expelled_node_is_refused_by_all_and_the_others_share_on() {
    let fleet = Fleet::with_app(3, APP);
    let expelled = fleet.run(1, &["node", "expel", "n3"]);
    assert!(expelled.status.success(), "{}", stderr(&expelled));
    fleet.wait("nobody has a link to it", |fleet| {
        let has_link = |at: usize| {
            let view = fleet.view(at);
            view["nodes"].as_array().unwrap().iter().any(|node| node["name"] == "n3" && node["link"] == "up")
        };
        !has_link(1) && !has_link(2)
    });
    fleet.wait("it knows of it", |fleet| fleet.view(3)["nodes"][0]["state"] == "expelled");
    let users = Users::at(&address(1), 150, 6);
    users.wait(450);
    let counts = counted(&users.end());
    assert!(counts.keys().all(|(status, node)| *status == 200 && node != "n3"), "{counts:?}");
    assert!(counts.contains_key(&(200, "n2".to_owned())), "{counts:?}");
    let unknown = fleet.run(1, &["node", "expel", "n9"]);
    assert!(stderr(&unknown).contains("there is no node n9"), "{}", stderr(&unknown));
    let other = fleet.run(2, &["node", "expel", "n1"]);
    assert!(stderr(&other).contains("no key of the fleet"), "{}", stderr(&other));
}

#[test]
fn the_second_of_two_nodes_with_one_key_is_refused() {
    let mut fleet = Fleet::bare(3);
    assert!(fleet.run(1, &["node", "init", "--fleet", "plant", "--name", "n1"]).status.success());
    fleet.up(1);
    let token = fleet.invite(&[]);
    assert!(fleet.run(2, &["node", "join", &token, "--name", "n2"]).status.success());
    fleet.up(2);
    fleet.wait("both are there", |fleet| fleet.links_up(1) == 1 && fleet.links_up(2) == 1);
    copy(&fleet.home(2), &fleet.home(3));
    drop(std::fs::remove_file(fleet.home(3).join("node/node.sock")));
    fleet.up(3);
    fleet.wait("the first node says so", |fleet| fleet.said(1).contains("the key of n2 is used at"));
    assert!(fleet.state(1, 2) == "up" && fleet.links_up(2) == 1, "the one that was there stays");
}
