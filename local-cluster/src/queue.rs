//! A queue between services and whoever shows what they write. Lines take bounded room in it, and what finds none is
//! counted; everything else always finds room.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// Room for the lines of all services that have some in the queue, in bytes; each has an equal share of it.
const ROOM: usize = 4 << 20;
/// The least share of a service, however many there are.
const LEAST: usize = 64 << 10;
/// What a line takes beside its text.
const OVERHEAD: usize = 128;
/// The last lines before room is found again are kept: where a service ended, they say why.
const TAIL: usize = 5;
/// Entries that are no lines. Nothing but a reader that stands still for days leaves so many.
const MOST_OTHERS: usize = 10_000;

/// Something on its way through a queue.
pub trait QueueEntry: Sized {
    /// The service that wrote a line and the line's bytes; none where it is no line.
    fn line(&self) -> Option<(&str, usize)>;

    /// An entry that tells, in the place of what was dropped, what it was. Without a service it was no line.
    fn dropped(service: Option<&str>, lost: Lost) -> Self;
}

/// What was dropped for want of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// How many lines.
    pub lines: u64,
    pub bytes: u64,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let are = if self.lines == 1 { "line" } else { "lines" };
        let were = if self.lines == 1 { "was" } else { "were" };
        write!(f, "{} {are} ({}) {were} dropped: ", thousands(self.lines), size(self.bytes))?;
        f.write_str("they came faster than they could be shown")
    }
}

/// A number with its thousands set off.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest unit of which there is one.
fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    format!("{:.1} {name}", bytes as f64 / unit)
}

/// A queue's two ends. It is closed once every sender is gone.
#[must_use]
pub fn queue<T: QueueEntry>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared { kept: Mutex::new(Kept::default()), news: Notify::new() });
    (Sender(Arc::new(Gate(shared.clone()))), Receiver(shared))
}

/// Puts entries into a queue. It never waits.
pub struct Sender<T: QueueEntry>(Arc<Gate<T>>);

/// Takes entries out of a queue.
pub struct Receiver<T: QueueEntry>(Arc<Shared<T>>);

struct Gate<T: QueueEntry>(Arc<Shared<T>>);

struct Shared<T> {
    kept: Mutex<Kept<T>>,
    news: Notify,
}

struct Kept<T> {
    entries: VecDeque<T>,
    /// The lines of services that have some here, or lost some that were not told of yet.
    shares: BTreeMap<String, Share<T>>,
    others: usize,
    lost_others: u64,
    closed: bool,
    gone: bool,
}

struct Share<T> {
    bytes: usize,
    /// No line is taken in until half of the share is free, so that what is dropped is told of now and then only.
    is_full: bool,
    lost: Lost,
    tail: VecDeque<T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        let (entries, shares) = (VecDeque::new(), BTreeMap::new());
        Self { entries, shares, others: 0, lost_others: 0, closed: false, gone: false }
    }
}

impl<T> Default for Share<T> {
    fn default() -> Self {
        Self { bytes: 0, is_full: false, lost: Lost::default(), tail: VecDeque::new() }
    }
}

impl<T: QueueEntry> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: QueueEntry> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T: QueueEntry> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<T: QueueEntry> Drop for Gate<T> {
    fn drop(&mut self) {
        self.0.kept().closed = true;
        self.0.news.notify_one();
    }
}

impl<T: QueueEntry> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut kept = self.0.kept();
        *kept = Kept { gone: true, ..Kept::default() };
    }
}

impl<T: QueueEntry> Sender<T> {
    /// Puts an entry in, or counts it where it is a line that finds no room. Nothing is kept that nobody will take.
    pub fn send(&self, entry: T) {
        let shared = &self.0.0;
        {
            let mut kept = shared.kept();
            if kept.gone {
                return;
            }
            kept.put(entry);
        }
        shared.news.notify_one();
    }
}

impl<T: QueueEntry> Receiver<T> {
    /// The next entry; none once every sender is gone and everything is taken. Nothing is lost where this is given up.
    pub async fn recv(&mut self) -> Option<T> {
        loop {
            {
                let mut kept = self.0.kept();
                if let Some(entry) = kept.take() {
                    return Some(entry);
                }
                if kept.closed {
                    return None;
                }
            }
            self.0.news.notified().await;
        }
    }
}

impl<T> Shared<T> {
    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock()
    }
}

impl<T: QueueEntry> Kept<T> {
    fn put(&mut self, entry: T) {
        let Some((service, bytes)) = entry.line() else { return self.put_other(entry) };
        let (service, weight) = (service.to_owned(), bytes + OVERHEAD);
        self.shares.entry(service.clone()).or_default();
        let room = (ROOM / self.shares.len()).max(LEAST);
        let Some(share) = self.shares.get_mut(&service) else { return };
        share.is_full = share.bytes + weight > room || (share.is_full && share.bytes > room / 2);
        if !share.is_full {
            self.tell_lost(&service);
            self.push_line(&service, weight, entry);
            return;
        }
        share.tail.push_back(entry);
        if share.tail.len() > TAIL
            && let Some(dropped) = share.tail.pop_front()
        {
            share.lost.lines += 1;
            share.lost.bytes += dropped.line().map_or(0, |(_, bytes)| bytes as u64);
        }
    }

    /// What was dropped before it is told before it.
    fn put_other(&mut self, entry: T) {
        if self.others >= MOST_OTHERS {
            self.lost_others += 1;
            return;
        }
        for service in self.losers() {
            self.tell_lost(&service);
        }
        self.others += 1;
        self.entries.push_back(entry);
    }

    fn take(&mut self) -> Option<T> {
        if self.entries.is_empty() {
            for service in self.losers() {
                self.tell_lost(&service);
            }
            let lost = std::mem::take(&mut self.lost_others);
            if lost > 0 {
                self.others += 1;
                self.entries.push_back(T::dropped(None, Lost { lines: lost, bytes: 0 }));
            }
        }
        let entry = self.entries.pop_front()?;
        match entry.line() {
            None => self.others = self.others.saturating_sub(1),
            Some((service, bytes)) => {
                let mut is_over = false;
                if let Some(share) = self.shares.get_mut(service) {
                    share.bytes = share.bytes.saturating_sub(bytes + OVERHEAD);
                    is_over = share.bytes == 0 && share.tail.is_empty();
                }
                if is_over {
                    self.shares.remove(service);
                }
            }
        }
        Some(entry)
    }

    /// Services that have lines which are in no place of the queue yet.
    fn losers(&self) -> Vec<String> {
        let losers = self.shares.iter().filter(|(_, share)| !share.tail.is_empty());
        losers.map(|(service, _)| service.clone()).collect()
    }

    /// Tells what was dropped of a service, and its last lines after that.
    fn tell_lost(&mut self, service: &str) {
        let Some(share) = self.shares.get_mut(service) else { return };
        let (lost, tail) = (std::mem::take(&mut share.lost), std::mem::take(&mut share.tail));
        if lost.lines > 0 {
            let told = T::dropped(Some(service), lost);
            let weight = told.line().map_or(0, |(_, bytes)| bytes + OVERHEAD);
            self.push_line(service, weight, told);
        }
        for entry in tail {
            let weight = entry.line().map_or(0, |(_, bytes)| bytes + OVERHEAD);
            self.push_line(service, weight, entry);
        }
    }

    fn push_line(&mut self, service: &str, weight: usize, entry: T) {
        if let Some(share) = self.shares.get_mut(service) {
            share.bytes += weight;
        }
        self.entries.push_back(entry);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Told {
        Line(String, String),
        Dropped(String, Lost),
        Other(u64),
    }

    impl QueueEntry for Told {
        fn line(&self) -> Option<(&str, usize)> {
            match self {
                Self::Line(service, line) => Some((service, line.len())),
                Self::Dropped(service, _) => Some((service, 0)),
                Self::Other(_) => None,
            }
        }

        fn dropped(service: Option<&str>, lost: Lost) -> Self {
            service.map_or(Self::Other(lost.lines), |service| Self::Dropped(service.to_owned(), lost))
        }
    }

    fn line(service: &str, text: impl Into<String>) -> Told {
        Told::Line(service.to_owned(), text.into())
    }

    fn room(sender: &Sender<Told>) -> usize {
        let kept = sender.0.0.kept();
        let weight = |entry: &Told| entry.line().map_or(0, |(_, bytes)| bytes + OVERHEAD);
        let tails = kept.shares.values().flat_map(|share| &share.tail);
        kept.entries.iter().chain(tails).map(weight).sum()
    }

    fn drain(receiver: &mut Receiver<Told>) -> Vec<Told> {
        std::iter::from_fn(|| receiver.recv().now_or_never().flatten()).collect()
    }

    #[test]
    fn what_finds_room_comes_in_order_and_nothing_is_said() {
        let (sender, mut receiver) = queue();
        let sent: Vec<Told> =
            (0..1000).map(|n| if n % 10 == 0 { Told::Other(n) } else { line("map", n.to_string()) }).collect();
        sent.iter().cloned().for_each(|told| sender.send(told));
        assert_eq!(drain(&mut receiver), sent);
        assert!(sender.0.0.kept().shares.is_empty());
        drop(sender);
        assert_eq!(receiver.recv().now_or_never(), Some(None));
    }

    #[test]
    fn a_flood_takes_bounded_room_and_every_line_of_it_is_told_or_counted() {
        let (sender, mut receiver) = queue();
        let text = "x".repeat(1000);
        let (mut told, mut lost) = (0, Lost::default());
        for round in 0..5 {
            (0..20_000).for_each(|_| sender.send(line("map", text.clone())));
            sender.send(line("get", "a word"));
            assert!(room(&sender) <= 2 * ROOM, "{} in round {round}", room(&sender));
            for entry in drain(&mut receiver) {
                match entry {
                    Told::Line(service, _) => told += u64::from(service == "map"),
                    Told::Dropped(service, dropped) => {
                        assert_eq!(service, "map", "who does not flood loses nothing");
                        lost.lines += dropped.lines;
                        lost.bytes += dropped.bytes;
                    }
                    Told::Other(_) => panic!("no other was sent"),
                }
            }
        }
        assert_eq!((told + lost.lines, lost.bytes), (100_000, lost.lines * 1000));
        assert!(lost.lines > 50_000, "{lost:?}");
    }

    #[test]
    fn empty_lines_take_room_as_well() {
        let (sender, _receiver) = queue();
        (0..1_000_000).for_each(|_| sender.send(line("map", "")));
        assert!(sender.0.0.kept().entries.len() <= ROOM / OVERHEAD + TAIL + 1);
    }

    #[test]
    fn what_is_no_line_waits_for_no_room_and_the_last_lines_come_before_it() {
        let (sender, mut receiver) = queue();
        (0..100_000).for_each(|n| sender.send(line("map", format!("{n} {}", "x".repeat(100)))));
        sender.send(line("map", "its last word"));
        sender.send(Told::Other(1));
        let told = drain(&mut receiver);
        let [.., Told::Dropped(service, _), _, _, _, _, last, Told::Other(1)] = &told[..] else {
            panic!("{:?}", &told[told.len() - 8..])
        };
        assert_eq!((service.as_str(), last), ("map", &line("map", "its last word")));
    }

    #[test]
    fn many_services_share_the_room() {
        let (sender, mut receiver) = queue();
        let text = "x".repeat(1000);
        for _ in 0..1_000 {
            (0..200).for_each(|service| sender.send(line(&format!("s{service}"), text.clone())));
        }
        assert!(room(&sender) <= 4 * ROOM, "{}", room(&sender));
        let told = drain(&mut receiver);
        for service in 0..200 {
            let name = format!("s{service}");
            let some = told.iter().any(|told| matches!(told, Told::Line(of, _) if *of == name));
            assert!(some, "{name} is heard, too");
        }
    }

    #[test]
    fn a_reader_that_stands_still_leaves_bounded_room_to_events_too() {
        let (sender, mut receiver) = queue();
        (0..MOST_OTHERS as u64 + 7).for_each(|n| sender.send(Told::Other(n)));
        let told = drain(&mut receiver);
        assert_eq!((told.len(), told.last()), (MOST_OTHERS + 1, Some(&Told::Other(7))));
    }

    #[test]
    fn a_reader_that_is_gone_is_kept_nothing_for() {
        let (sender, receiver) = queue();
        sender.send(line("map", "one"));
        drop(receiver);
        sender.send(line("map", "two"));
        assert_eq!(room(&sender), 0);
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_a_line_and_by_the_end() {
        let (sender, mut receiver) = queue();
        let waiting = tokio::spawn(async move { (receiver.recv().await, receiver.recv().await) });
        tokio::task::yield_now().await;
        sender.send(line("map", "one"));
        tokio::task::yield_now().await;
        drop(sender.clone());
        drop(sender);
        assert_eq!(waiting.await.unwrap(), (Some(line("map", "one")), None));
    }

    #[test]
    fn what_was_dropped_is_said_in_words() {
        let said = |lines, bytes| Lost { lines, bytes }.to_string();
        assert_eq!(
            said(12_345, 1_234_567),
            "12,345 lines (1.2 MB) were dropped: they came faster than they could be shown"
        );
        assert!(said(1, 12).starts_with("1 line (12 B) was dropped: "));
        assert!(said(1_000_000, 5_900_000_000).starts_with("1,000,000 lines (5.9 GB) "));
        assert!(said(999, 1_500).starts_with("999 lines (1.5 kB) "));
    }
}
