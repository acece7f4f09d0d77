//! The way to services that cannot be connected to: attempts that may be made again, and when they are not worth it.
//!
//! Asked only where a new connection is needed, so a chain that is well never comes by.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

/// Pauses before a request's further attempts. Nothing of it was sent, so it may be tried again; what does not listen
/// after all of them is away for longer than callers should wait to be told.
const PAUSES: [Duration; 3] = [Duration::from_millis(10), Duration::from_millis(40), Duration::from_millis(150)];
/// How long an attempt may take before another is made in its place; the last has what is left. What a Service of
/// Kubernetes leads to is chosen once for a connection: one that was led to a pod that has just gone is answered by nobody.
const PATIENCE: [Duration; 3] = [Duration::from_millis(1_500), Duration::from_secs(3), Duration::from_secs(6)];
/// Further attempts a second, of all requests to all services, and as many at once: a service that is away must not
/// be met by a multiple of its load when it is back.
const RETRIES: f64 = 20.0;
/// Requests in a row that found nobody; then the circuit opens.
const MOST_FAILURES: u32 = 5;
/// How long nobody tries while the circuit is open; then one request does.
const OPEN_FOR: Duration = Duration::from_millis(500);
/// An attempt that its request gave up sooner says nothing of the service: its caller may have gone.
const UNANSWERED: Duration = Duration::from_secs(1);

/// What is known of the ways to other services.
#[derive(Debug)]
pub(crate) struct Circuits {
    /// By Rust name; those that could be connected to last have none.
    failing: Mutex<BTreeMap<String, Circuit>>,
    budget: Mutex<Budget>,
    retries: Counter,
}

#[derive(Debug)]
struct Circuit {
    address: String,
    failures: u32,
    /// Set while it is open. When it has passed, the next request tries.
    next_try: Option<Instant>,
    why: String,
}

/// Attempts that may be made now.
#[derive(Debug)]
struct Budget {
    left: f64,
    at: Instant,
}

/// There is no connection, so nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreached {
    #[error(transparent)]
    Failed(#[from] io::Error),
    /// It failed before, again and again, and was not tried now.
    #[error("not tried: {failures} requests in a row could not connect, the last: {why}")]
    Open {
        /// How many.
        failures: u32,
        /// Why the last did not.
        why: String,
    },
}

impl Circuits {
    /// With a counter of further attempts that somebody shows.
    pub(crate) fn new(retries: Counter) -> Self {
        let budget = Mutex::new(Budget { left: RETRIES, at: Instant::now() });
        Self { failing: Mutex::default(), budget, retries }
    }

    /// Connects to a service, again where that failed, until `deadline` at most.
    pub(crate) async fn reach<T, F: Future<Output = io::Result<T>>>(
        &self,
        service: &str,
        address: &str,
        deadline: Instant,
        connect: impl Fn() -> F,
    ) -> Result<T, Unreached> {
        self.enter(service, address)?;
        let mut attempt = Attempt { circuits: self, service, address, begun: Instant::now(), settled: false };
        let (mut pauses, mut patience) = (PAUSES.into_iter(), PATIENCE.into_iter());
        loop {
            let mut connecting = pin!(connect());
            let connected = match patience.next() {
                Some(longest) => match tokio::time::timeout(longest, connecting.as_mut()).await {
                    Ok(connected) => connected,
                    Err(_) if self.budget().take() => {
                        self.count_retry();
                        continue;
                    }
                    Err(_) => connecting.await,
                },
                None => connecting.await,
            };
            let error = match connected {
                Ok(connection) => {
                    attempt.settled = true;
                    self.failing().remove(service);
                    return Ok(connection);
                }
                Err(error) => error,
            };
            let pause = pauses.next().filter(|pause| Instant::now() + *pause < deadline);
            let Some(pause) = pause.filter(|_| self.budget().take()) else {
                attempt.settled = true;
                self.failed(service, address, error.to_string());
                return Err(error.into());
            };
            self.count_retry();
            tokio::time::sleep(pause).await;
        }
    }

    /// Connects to one of several instances, in one attempt: where that fails, another instance is asked instead.
    pub(crate) async fn reach_once<T, F: Future<Output = io::Result<T>>>(
        &self,
        instance: &str,
        address: &str,
        deadline: Instant,
        connect: impl FnOnce() -> F,
    ) -> Result<T, Unreached> {
        self.enter(instance, address)?;
        let mut attempt = Attempt { circuits: self, service: instance, address, begun: Instant::now(), settled: false };
        let [longest, ..] = PATIENCE;
        let until = deadline.min(Instant::now() + longest);
        let silent = || io::Error::new(io::ErrorKind::TimedOut, "nobody took the connection");
        let connected = tokio::time::timeout_at(until, connect()).await.unwrap_or_else(|_| Err(silent()));
        attempt.settled = true;
        match connected {
            Ok(connection) => {
                self.failing().remove(instance);
                Ok(connection)
            }
            Err(error) => {
                self.failed(instance, address, error.to_string());
                Err(error.into())
            }
        }
    }

    /// Counts a request that was sent again because nothing of it had been sent.
    pub(crate) fn count_retry(&self) {
        self.retries.inc();
    }

    /// Further attempts since the host began.
    pub(crate) fn retries(&self) -> u64 {
        self.retries.get()
    }

    /// The services whose circuit is open, by name.
    pub(crate) fn open(&self) -> Vec<String> {
        let failing = self.failing();
        failing.iter().filter(|(_, circuit)| circuit.next_try.is_some()).map(|(service, _)| service.clone()).collect()
    }

    fn failing(&self) -> MutexGuard<'_, BTreeMap<String, Circuit>> {
        self.failing.lock()
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock()
    }

    fn enter(&self, service: &str, address: &str) -> Result<(), Unreached> {
        let mut failing = self.failing();
        let Some(circuit) = failing.get_mut(service).filter(|circuit| circuit.address == address) else {
            return Ok(());
        };
        match &mut circuit.next_try {
            Some(next) if *next > Instant::now() => {
                Err(Unreached::Open { failures: circuit.failures, why: circuit.why.clone() })
            }
            Some(next) => {
                // This request tries; the others wait for what becomes of it.
                *next = Instant::now() + OPEN_FOR;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn failed(&self, service: &str, address: &str, why: String) {
        let mut failing = self.failing();
        let circuit = failing.entry(service.to_owned()).or_insert_with(|| Circuit::new(address));
        if circuit.address != address {
            *circuit = Circuit::new(address);
        }
        circuit.failures = circuit.failures.saturating_add(1);
        circuit.why = why;
        if circuit.failures >= MOST_FAILURES {
            circuit.next_try = Some(Instant::now() + OPEN_FOR);
        }
    }
}

impl Circuit {
    fn new(address: &str) -> Self {
        Self { address: address.to_owned(), failures: 0, next_try: None, why: String::new() }
    }
}

impl Budget {
    fn take(&mut self) -> bool {
        let now = Instant::now();
        self.left = (self.left + now.duration_since(self.at).as_secs_f64() * RETRIES).min(RETRIES);
        self.at = now;
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

/// A request that tries to connect. Dropped undecided, its deadline came first.
struct Attempt<'a> {
    circuits: &'a Circuits,
    service: &'a str,
    address: &'a str,
    begun: Instant,
    settled: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.settled && self.begun.elapsed() >= UNANSWERED {
            self.circuits.failed(self.service, self.address, "nobody took the connection".to_owned());
        }
    }
}

#[cfg(test)]
#[path = "circuit/tests.rs"]
mod tests;
