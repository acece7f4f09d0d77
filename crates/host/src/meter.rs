//! What functions took, by account and version: what bills rest on. Only requests that charge an account are counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::runs::MeterLine;
use tokio::time::Instant;

/// Accounts and versions that are told apart; beyond it what comes new counts for one account of that name.
const MOST: usize = 65_536;

/// The meters of a host.
#[derive(Default)]
pub(crate) struct Meter(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    lines: HashMap<(Arc<str>, Arc<str>), Line>,
    /// Calls under way, by number.
    open: HashMap<u64, Open>,
    next: u64,
}

#[derive(Clone, Copy, Default)]
struct Line {
    nanos: i64,
    calls: i64,
}

/// A call under way.
struct Open {
    account: Arc<str>,
    version: Arc<str>,
    begun: Instant,
    waits: Arc<Waits>,
    /// What the function itself says that it took, once it has ended.
    measured: Option<Duration>,
}

/// A call that is counted until this is dropped.
pub(crate) struct Metered<'a> {
    meter: &'a Meter,
    number: u64,
}

impl Meter {
    /// Begins to count a call.
    pub(crate) fn begin(&self, account: &Arc<str>, version: &Arc<str>, waits: &Arc<Waits>) -> Metered<'_> {
        let mut counted = self.0.lock();
        let number = counted.next;
        counted.next += 1;
        let open = Open {
            account: account.clone(),
            version: version.clone(),
            begun: Instant::now(),
            waits: waits.clone(),
            measured: None,
        };
        counted.open.insert(number, open);
        Metered { meter: self, number }
    }

    /// What was counted since the host began; calls under way up to now.
    pub(crate) fn read(&self) -> Vec<MeterLine> {
        let counted = self.0.lock();
        let mut lines: HashMap<(&Arc<str>, &Arc<str>), Line> =
            counted.lines.iter().map(|((account, version), line)| ((account, version), *line)).collect();
        for open in counted.open.values() {
            lines.entry((&open.account, &open.version)).or_default().nanos += open.took();
        }
        let told = |((account, version), line): ((&Arc<str>, &Arc<str>), Line)| MeterLine {
            account: account.to_string(),
            version: version.to_string(),
            ns: line.nanos,
            calls: line.calls,
        };
        lines.into_iter().map(told).collect()
    }
}

impl Open {
    /// Nanoseconds so far, without waits for other services.
    fn took(&self) -> i64 {
        nanos(self.measured.unwrap_or_else(|| self.begun.elapsed()).saturating_sub(self.waits.total()))
    }
}

impl Metered<'_> {
    /// Notes what the function itself took, in nanoseconds: without the way to the thread that ran it.
    pub(crate) fn took(&self, nanos: u64) {
        if let Some(open) = self.meter.0.lock().open.get_mut(&self.number) {
            open.measured = Some(Duration::from_nanos(nanos));
        }
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        let mut counted = self.meter.0.lock();
        let Some(open) = counted.open.remove(&self.number) else { return };
        let took = open.took();
        let mut key = (open.account, open.version);
        if counted.lines.len() >= MOST && !counted.lines.contains_key(&key) {
            key.0 = "beyond".into();
        }
        let line = counted.lines.entry(key).or_default();
        line.nanos += took;
        line.calls += 1;
    }
}

/// How long a function has waited for services that it called. Waits at the same time count once.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<Waited>);

#[derive(Debug, Default)]
struct Waited {
    open: u32,
    since: Option<Instant>,
    total: Duration,
}

/// A wait, until it is dropped.
pub(crate) struct Wait<'a>(&'a Waits);

impl Waits {
    pub(crate) fn begin(&self) -> Wait<'_> {
        let mut waited = self.0.lock();
        waited.open += 1;
        waited.since.get_or_insert_with(Instant::now);
        Wait(self)
    }

    fn total(&self) -> Duration {
        let waited = self.0.lock();
        waited.total + waited.since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waited = self.0.0.lock();
        waited.open -= 1;
        if waited.open == 0
            && let Some(since) = waited.since.take()
        {
            waited.total += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_are_counted_without_their_waits() {
        let (meter, waits) = (Meter::default(), Arc::new(Waits::default()));
        let read = || {
            let mut lines: Vec<_> = meter.read().into_iter().map(|line| (line.account, line.ns, line.calls)).collect();
            lines.sort();
            lines
        };
        let call = meter.begin(&"alice".into(), &"map@1".into(), &waits);
        tokio::time::advance(Duration::from_millis(10)).await;
        {
            let (_one, _other) = (waits.begin(), waits.begin());
            tokio::time::advance(Duration::from_millis(5)).await;
            assert_eq!(
                read(),
                [("alice".to_owned(), 10_000_000, 0)],
                "one under way counts up to now, without its wait"
            );
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        drop(call);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(read(), [("alice".to_owned(), 11_000_000, 1)]);
        drop(meter.begin(&"bob".into(), &"map@1".into(), &Arc::default()));
        assert_eq!(read(), [("alice".to_owned(), 11_000_000, 1), ("bob".to_owned(), 0, 1)]);
    }
}
