//! What functions took, by account and version: what bills rest on. Only requests that charge an account are counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::runs::MeterLine;
use tokio::time::Instant;

/// Accounts and versions that are told apart and not stored yet; beyond it what comes new counts for one account of that name.
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
    /// Readings so far.
    readings: u64,
}

#[derive(Clone, Copy, Default)]
struct Line {
    /// A line that was let go and came again is another one, and counts from nothing.
    number: u64,
    nanos: i64,
    calls: i64,
    /// Calls under way.
    open: u32,
    /// The reading that first tells of its last change.
    told_by: u64,
}

/// A call under way.
struct Open {
    /// Account and version.
    key: (Arc<str>, Arc<str>),
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
        let mut key = (account.clone(), version.clone());
        if counted.lines.len() >= MOST && !counted.lines.contains_key(&key) {
            key.0 = "beyond".into();
        }
        let line = counted.lines.entry(key.clone()).or_insert(Line { number, ..Line::default() });
        line.open += 1;
        let open = Open { key, begun: Instant::now(), waits: waits.clone(), measured: None };
        counted.open.insert(number, open);
        Metered { meter: self, number }
    }

    /// The number of this reading, and what was counted; calls under way up to now. `stored`: the reading that is added to
    /// bills. Lines that have not changed since are let go.
    pub(crate) fn read(&self, stored: Option<u64>) -> (u64, Vec<MeterLine>) {
        let mut counted = self.0.lock();
        if let Some(stored) = stored {
            counted.lines.retain(|_, line| line.open > 0 || line.told_by > stored);
        }
        counted.readings += 1;
        let mut running: HashMap<&(Arc<str>, Arc<str>), i64> = HashMap::new();
        for open in counted.open.values() {
            *running.entry(&open.key).or_default() += open.took();
        }
        let told = |(key, line): (&(Arc<str>, Arc<str>), &Line)| MeterLine {
            account: key.0.to_string(),
            version: key.1.to_string(),
            line: line.number,
            ns: line.nanos + running.get(key).copied().unwrap_or(0),
            calls: line.calls,
        };
        (counted.readings, counted.lines.iter().map(told).collect())
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
        let (took, told_by) = (open.took(), counted.readings + 1);
        // It is there as long as a call of it is under way.
        let line = counted.lines.entry(open.key).or_default();
        line.nanos += took;
        line.calls += 1;
        line.open = line.open.saturating_sub(1);
        line.told_by = told_by;
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

    /// All of it so far.
    pub(crate) fn total(&self) -> Duration {
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
            let (_, lines) = meter.read(None);
            let mut lines: Vec<_> = lines.into_iter().map(|line| (line.account, line.ns, line.calls)).collect();
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

    #[tokio::test(start_paused = true)]
    async fn a_line_is_let_go_once_it_is_stored_and_comes_again_as_another() {
        let meter = Meter::default();
        let begin = |version: &str| meter.begin(&"alice".into(), &version.into(), &Arc::default());
        let call = async |version: &str| {
            let call = begin(version);
            tokio::time::advance(Duration::from_millis(1)).await;
            drop(call);
        };
        call("map@1").await;
        let (first, lines) = meter.read(None);
        assert_eq!(lines.len(), 1);
        let number = lines[0].line;
        // Nobody has stored it: it stays, whatever is read.
        assert_eq!(meter.read(None).1, lines);
        // It changed after the reading that is stored.
        call("map@1").await;
        let (second, lines) = meter.read(Some(first));
        assert_eq!((lines[0].line, lines[0].ns, lines[0].calls), (number, 2_000_000, 2));
        // One under way stays, others of versions before go.
        let open = begin("map@2");
        let (third, lines) = meter.read(Some(second));
        assert_eq!(lines.iter().map(|line| line.version.as_str()).collect::<Vec<_>>(), ["map@2"]);
        drop(open);
        assert_eq!(meter.read(Some(third)).1.len(), 1, "its end was told by no reading yet");
        call("map@1").await;
        let (_, lines) = meter.read(None);
        let again =
            lines.iter().find(|line| line.version == "map@1").map(|line| (line.line != number, line.ns, line.calls));
        assert_eq!(again, Some((true, 1_000_000, 1)));
    }
}
