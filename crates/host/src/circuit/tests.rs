#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;
use std::io::ErrorKind;

use super::*;

struct Way {
    circuits: Circuits,
    tries: Cell<u32>,
    is_up: Cell<bool>,
}

impl Way {
    fn new() -> Self {
        Self { circuits: Circuits::new(Counter::default()), tries: Cell::new(0), is_up: Cell::new(false) }
    }

    async fn ask(&self, address: &str) -> Result<(), Unreached> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let connect = || async {
            self.tries.set(self.tries.get() + 1);
            if self.is_up.get() { Ok(()) } else { Err(ErrorKind::ConnectionRefused.into()) }
        };
        self.circuits.reach("map", address, deadline, connect).await
    }

    fn is_open(&self) -> bool {
        self.circuits.open() == ["map"]
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_away_for_a_moment_is_reached_all_the_same() {
    let way = Way::new();
    let back = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        way.is_up.set(true);
    };
    let (asked, ()) = tokio::join!(way.ask("a"), back);
    asked.unwrap();
    assert_eq!((way.tries.get(), way.circuits.retries()), (3, 2));
    assert!(way.circuits.failing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_circuit_opens_lets_one_try_and_closes() {
    let way = Way::new();
    for failures in 1..=MOST_FAILURES {
        assert!(!way.is_open(), "{failures}");
        assert!(matches!(way.ask("a").await, Err(Unreached::Failed(_))));
    }
    assert!(way.is_open());
    let tries = way.tries.get();
    let refused = way.ask("a").await.unwrap_err();
    assert_eq!(refused.to_string(), "not tried: 5 requests in a row could not connect, the last: connection refused");
    assert_eq!(way.tries.get(), tries, "nobody tries");
    tokio::time::advance(OPEN_FOR).await;
    // Of two at the same time one tries.
    let (one, other) = tokio::join!(way.ask("a"), way.ask("a"));
    assert!(matches!((one, other), (Err(Unreached::Failed(_)), Err(Unreached::Open { .. }))));
    assert!(way.is_open());
    tokio::time::advance(OPEN_FOR).await;
    way.is_up.set(true);
    way.ask("a").await.unwrap();
    assert!(!way.is_open());
}

#[tokio::test(start_paused = true)]
async fn another_address_has_a_circuit_of_its_own() {
    let way = Way::new();
    for _ in 0..MOST_FAILURES {
        way.ask("a").await.unwrap_err();
    }
    assert!(way.is_open());
    assert!(matches!(way.ask("b").await, Err(Unreached::Failed(_))));
    assert!(!way.is_open(), "what is known of the old address is of no use");
}

#[tokio::test(start_paused = true)]
async fn further_attempts_are_budgeted_and_counted() {
    let way = Way::new();
    let mut budget = Budget { left: RETRIES, at: Instant::now() };
    let taken = (0..100).filter(|_| budget.take()).count();
    assert_eq!(taken, 20);
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!((0..100).filter(|_| budget.take()).count(), 10);
    *way.circuits.budget() = budget;
    way.ask("a").await.unwrap_err();
    assert_eq!((way.tries.get(), way.circuits.retries()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_after_the_deadline() {
    let way = Way::new();
    let deadline = Instant::now() + Duration::from_millis(20);
    let asked =
        way.circuits.reach("map", "a", deadline, || async { Err::<(), _>(ErrorKind::ConnectionRefused.into()) });
    assert!(matches!(asked.await, Err(Unreached::Failed(_))));
    assert!(Instant::now() < deadline);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_connections_is_known_by_deadlines_and_not_by_callers_that_go() {
    let way = Way::new();
    let wait = |time| {
        let asked = way.circuits.reach("map", "a", Instant::now() + time, std::future::pending::<io::Result<()>>);
        tokio::time::timeout(time, asked)
    };
    for _ in 0..20 {
        wait(Duration::from_millis(100)).await.unwrap_err();
    }
    assert!(!way.is_open());
    for _ in 0..MOST_FAILURES {
        wait(Duration::from_secs(2)).await.unwrap_err();
    }
    assert!(way.is_open());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_led_to_nobody_is_led_again() {
    let circuits = Circuits::new(Counter::default());
    let tries = Cell::new(0);
    // As many attempts as this are answered by nobody.
    let reach = async |silent: u32| {
        let (begun, deadline) = (Instant::now(), Instant::now() + Duration::from_secs(30));
        tries.set(0);
        let connect = || async {
            tries.set(tries.get() + 1);
            if tries.get() <= silent { std::future::pending().await } else { Ok(()) }
        };
        let reached = tokio::time::timeout_at(deadline, circuits.reach("map", "a", deadline, connect)).await;
        (reached.is_ok(), tries.get(), begun.elapsed().as_millis())
    };
    assert_eq!(reach(0).await, (true, 1, 0));
    assert_eq!(reach(1).await, (true, 2, 1_500));
    assert_eq!(reach(3).await, (true, 4, 10_500));
    assert_eq!(reach(9).await, (false, 4, 30_000), "the last attempt has what is left");
    // Attempts are paid for: without one to spare the first is waited for.
    while circuits.budget().take() {}
    circuits.budget().at += Duration::from_secs(60);
    assert_eq!(reach(1).await, (false, 1, 30_000));
}
