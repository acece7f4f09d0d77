//! A constant load of numbered requests, and what became of each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::session::PATIENCE;

/// Callers at a time.
const CALLERS: usize = 4;
/// Each caller pauses this long between requests: the load is constant, whether answers are quick or slow.
const PACE: Duration = Duration::from_millis(4);
/// So many right answers in a row mean that the chain has recovered: every caller had some.
const STEADY: u64 = 100;

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// The value that belongs to its number.
    Right,
    /// Another value.
    Wrong(String),
    /// A problem document.
    Problem {
        /// HTTP status.
        status: u16,
        /// The last part of its type.
        kind: String,
        /// The service it names.
        service: String,
        /// In words.
        detail: String,
    },
    /// No whole answer: the public listener broke.
    Broken(String),
}

#[derive(Default)]
struct Ledger {
    fates: Mutex<(BTreeMap<u64, Fate>, u64)>,
    told: Condvar,
}

/// A load that goes on until it is ended.
pub(crate) struct Load {
    ledger: Arc<Ledger>,
    ending: Arc<AtomicBool>,
    callers: Vec<JoinHandle<u64>>,
}

impl Load {
    /// Calls the chain at `url`, giving each request `deadline`.
    pub(crate) fn start(url: &str, deadline: Duration) -> Self {
        let (ledger, ending) = (Arc::new(Ledger::default()), Arc::new(AtomicBool::new(false)));
        let next = Arc::new(AtomicU64::new(1));
        let callers = (0..CALLERS).map(|_| {
            let (ledger, ending, next, url) = (ledger.clone(), ending.clone(), next.clone(), url.to_owned());
            std::thread::spawn(move || {
                let client = reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build();
                let client = client.expect("a client");
                let mut sent = 0;
                while !ending.load(Ordering::Acquire) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    sent += 1;
                    ledger.enter(number, call(&client, &url, number, deadline));
                    std::thread::sleep(PACE);
                }
                sent
            })
        });
        let callers = callers.collect();
        let load = Self { ledger, ending, callers };
        load.until_steady();
        load
    }

    /// Waits until the chain answers right again, and answers how long that took.
    pub(crate) fn until_steady(&self) -> Duration {
        let begun = Instant::now();
        let mut fates = self.ledger.fates.lock().unwrap_or_else(PoisonError::into_inner);
        // Requests from before this moment prove nothing.
        fates.1 = 0;
        while fates.1 < STEADY {
            let left = PATIENCE.checked_sub(begun.elapsed());
            let left = left.unwrap_or_else(|| panic!("no recovery; the last fates: {:#?}", last(&fates.0)));
            fates = self.ledger.told.wait_timeout(fates, left).expect("no caller panicked").0;
        }
        begun.elapsed()
    }

    /// Waits until a request that passes has been answered.
    pub(crate) fn until_told(&self, what: &str, passes: impl Fn(&Fate) -> bool) {
        let begun = Instant::now();
        let mut fates = self.ledger.fates.lock().unwrap_or_else(PoisonError::into_inner);
        while !fates.0.values().any(&passes) {
            let left = PATIENCE.checked_sub(begun.elapsed());
            let left = left.unwrap_or_else(|| panic!("no {what}; the last fates: {:#?}", last(&fates.0)));
            fates = self.ledger.told.wait_timeout(fates, left).expect("no caller panicked").0;
        }
    }

    /// Ends the load; every request's fate by its number. None is missing: each that was sent has one.
    pub(crate) fn end(self) -> BTreeMap<u64, Fate> {
        self.ending.store(true, Ordering::Release);
        let sent: u64 = self.callers.into_iter().map(|caller| caller.join().expect("a caller panicked")).sum();
        let fates = std::mem::take(&mut self.ledger.fates.lock().unwrap_or_else(PoisonError::into_inner).0);
        assert_eq!(fates.len() as u64, sent, "requests without a fate");
        fates
    }
}

impl Ledger {
    fn enter(&self, number: u64, fate: Fate) {
        let mut fates = self.fates.lock().unwrap_or_else(PoisonError::into_inner);
        fates.1 = if fate == Fate::Right { fates.1 + 1 } else { 0 };
        assert_eq!(fates.0.insert(number, fate), None, "request {number} was answered twice");
        self.told.notify_all();
    }
}

fn last(fates: &BTreeMap<u64, Fate>) -> Vec<(&u64, &Fate)> {
    fates.iter().rev().take(8).collect()
}

/// The value that a number comes to in the chain.
pub(crate) fn expected(number: u64) -> u64 {
    number * 2 + 1
}

fn call(client: &reqwest::blocking::Client, url: &str, number: u64, deadline: Duration) -> Fate {
    let request = client.get(url).header("dyninka-route", format!("middle(enter({number}))"));
    let answer = request.header("dyninka-deadline", deadline.as_millis().to_string()).send();
    let answer = answer.and_then(|answer| Ok((answer.status().as_u16(), answer.text()?)));
    let (status, body) = match answer {
        Ok(answer) => answer,
        Err(error) => return Fate::Broken(format!("{error:?}")),
    };
    if status == 200 {
        let is_right = body == expected(number).to_string();
        return if is_right { Fate::Right } else { Fate::Wrong(body) };
    }
    let Ok(problem) = serde_json::from_str::<Value>(&body) else { return Fate::Wrong(format!("{status} {body}")) };
    let word = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    let kind = word("type").trim_start_matches("urn:dyninka:problem:").to_owned();
    Fate::Problem { status, kind, service: word("service"), detail: word("detail") }
}
