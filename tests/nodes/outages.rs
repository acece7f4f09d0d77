//! Days on which a neighbour is gone.

use std::time::Duration;

use crate::fleet::{APP, Fleet, address};
use crate::load::{Caller, Users, counted};

/// Ten times what is promised, a third of a call's deadline: the machine of a test is busy with others.
const NOTICED: Duration = Duration::from_secs(10);

#[test]
fn a_neighbour_that_is_killed_under_load_takes_along_what_it_had_and_nothing_else() {
    let mut fleet = Fleet::with_app(3, APP);
    let callers = 8;
    let users = Users::at(&address(1), 150, callers);
    users.wait(300);
    fleet.kill(2);
    users.wait(600);
    let answers = users.end();
    let counts = counted(&answers);
    let failed: usize = counts.iter().filter(|((status, _), _)| *status != 200).map(|(_, count)| count).sum();
    assert!(failed <= callers as usize, "{failed} failed: {counts:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert!(answer.status == 504 && answer.body.contains("n2"), "{answer:?}");
        assert!(answer.took < NOTICED, "{answer:?}");
    }
    fleet.wait("it is known to be down", |fleet| fleet.state(1, 2) == "down" && fleet.state(3, 2) == "down");
    // It comes back by itself: it remembers whom it knew.
    fleet.up(2);
    fleet.wait("it is back", |fleet| fleet.links_up(1) == 2 && fleet.links_up(2) == 2);
}

#[test]
fn a_neighbour_that_is_cut_off_silently_keeps_nobody_waiting_and_is_back_once_it_is_mended() {
    let fleet = Fleet::with_app(3, APP);
    let callers = 8;
    let users = Users::at(&address(1), 150, callers);
    users.wait(300);
    fleet.network(&["cut", "1", "2"]);
    users.wait(600);
    let answers = users.end();
    let counts = counted(&answers);
    // What was under way, what came until it was noticed, and nothing after that.
    let failed: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(failed.len() <= 3 * callers as usize, "{counts:?}");
    for answer in failed {
        assert!(answer.status == 504 && answer.body.contains("node-lost"), "{answer:?}");
    }
    let slowest = answers.iter().map(|answer| answer.took).max().unwrap();
    assert!(slowest < NOTICED, "{slowest:?}: none waits for its deadline");
    fleet.network(&["mend", "1", "2"]);
    fleet.wait("both know each other", |fleet| fleet.links_up(1) == 2 && fleet.links_up(2) == 2);
    // Lost one way is lost both ways: neither asks the other for help.
    fleet.network(&["oneway", "1", "3"]);
    fleet.wait("neither has a link", |fleet| fleet.links_up(1) == 1 && fleet.links_up(3) == 1);
    fleet.network(&["mend", "1", "3"]);
    fleet.wait("both know each other again", |fleet| fleet.links_up(1) == 2 && fleet.links_up(3) == 2);
}

#[test]
fn an_agent_that_is_stopped_is_left_alone_and_comes_back_without_a_hand() {
    let fleet = Fleet::with_app(2, APP);
    let id = fleet.view(2)["nodes"][0]["id"].clone();
    fleet.signal(2, "STOP");
    fleet.wait("its link is down", |fleet| fleet.links_up(1) == 0);
    // Its services serve on, by themselves.
    let users = Users::at(&address(2), 50, 4);
    users.wait(200);
    let counts = counted(&users.end());
    assert_eq!(counts.keys().cloned().collect::<Vec<_>>(), [(200, String::new())]);
    fleet.signal(2, "CONT");
    fleet.wait("it is back", |fleet| fleet.links_up(1) == 1 && fleet.links_up(2) == 1);
    assert_eq!(fleet.view(2)["nodes"][0]["id"], id);
}

#[test]
#[ignore = "long: crates/host/tests/suite/fleet.rs shows the same in one process"]
fn a_fleet_that_is_overloaded_everywhere_serves_its_limit_and_refuses_the_rest_at_once() {
    let app = APP.replace("rate = 100", "rate = 20");
    let fleet = Fleet::with_app(2, &app);
    let users: Vec<_> = (1..=2).map(|at| Users::at(&address(at), 100, 6)).collect();
    users.iter().for_each(|users| users.wait(300));
    for answers in users.into_iter().map(Users::end) {
        let counts = counted(&answers);
        assert!(counts.keys().all(|(status, _)| matches!(status, 200 | 503)), "{counts:?}");
        let refused = counts.iter().filter(|((status, _), _)| *status == 503).map(|(_, count)| count).sum::<usize>();
        assert!(refused > answers.len() / 3, "{counts:?}");
    }
    // Then it serves all of it again.
    fleet.wait("a quiet fleet serves", |_| {
        let answers: Vec<_> = (1..=2).map(|at| Caller::new(&address(at)).ask("").unwrap().status).collect();
        answers == [200, 200]
    });
}
