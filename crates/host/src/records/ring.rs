//! The last records, until they are read or newer ones need the room.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::Cursor;

use super::kept::Kept;

/// Bytes kept, by estimate: hundreds of requests with values of some 10 KiB; a host is small, and there are many.
pub(super) const MOST_BYTES: usize = 32 << 20;
/// Bytes read at once; one record is read however large it is.
const MOST_READ: usize = 2 << 20;

/// What was recorded, oldest first.
pub(super) struct Ring {
    epoch: u64,
    kept: VecDeque<(Arc<Kept>, usize)>,
    bytes: usize,
    /// The number of the oldest kept.
    first: u64,
    /// Records that never came here.
    lost: u64,
}

/// What is read at once.
pub(super) struct Read {
    pub(super) kept: Vec<Arc<Kept>>,
    /// Where the next begins.
    pub(super) cursor: Cursor,
    /// Records since the cursor that was given that nobody will read.
    pub(super) dropped: u64,
}

impl Ring {
    pub(super) fn new(epoch: u64) -> Self {
        Self { epoch, kept: VecDeque::new(), bytes: 0, first: 0, lost: 0 }
    }

    /// Keeps a record, and drops the oldest where they take more than `most` bytes.
    pub(super) fn push(&mut self, kept: Kept, most: usize) {
        let bytes = kept.bytes();
        self.bytes += bytes;
        self.kept.push_back((Arc::new(kept), bytes));
        while self.bytes > most && self.kept.len() > 1 {
            self.drop_oldest();
        }
    }

    /// Counts records that did not come here.
    pub(super) fn lose(&mut self, records: u64) {
        self.lost += records;
    }

    pub(super) fn clear(&mut self) {
        while !self.kept.is_empty() {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, bytes)) = self.kept.pop_front() {
            self.bytes -= bytes;
            self.first += 1;
        }
    }

    /// Whether there is something to read.
    pub(super) fn has_news(&self, after: Option<Cursor>) -> bool {
        let begin = self.begin(after);
        (begin.next, begin.requests) != (self.end(), self.total())
    }

    /// What came after a cursor; without one, or with one of another host, what is kept.
    pub(super) fn read(&self, after: Option<Cursor>) -> Read {
        let begin = self.begin(after);
        let skipped = usize::try_from(begin.next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let mut room = MOST_READ;
        let fits = |(_, bytes): &&(Arc<Kept>, usize)| {
            let fits = room > 0;
            room = room.saturating_sub(*bytes);
            fits
        };
        let kept: Vec<_> = self.kept.iter().skip(skipped).take_while(fits).map(|(kept, _)| kept.clone()).collect();
        let next = self.first + skipped as u64 + kept.len() as u64;
        // What is lost is told with the last part.
        let total = if next == self.end() { self.total() } else { begin.requests + kept.len() as u64 };
        let dropped = total.saturating_sub(begin.requests).saturating_sub(kept.len() as u64);
        Read { kept, cursor: Cursor { next, requests: total, ..begin }, dropped }
    }

    fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// All there ever were.
    fn total(&self) -> u64 {
        self.end() + self.lost
    }

    /// A cursor's `requests` counts records up to it, lost ones too.
    fn begin(&self, after: Option<Cursor>) -> Cursor {
        let known = |cursor: &Cursor| {
            cursor.epoch == self.epoch && cursor.next <= self.end() && cursor.requests <= self.total()
        };
        let all =
            Cursor { epoch: self.epoch, next: self.first, requests: self.total() - self.kept.len() as u64, errors: 0 };
        after.filter(known).unwrap_or(all)
    }
}

#[cfg(test)]
mod tests {
    use protocol::record::StateKeyframe;

    use super::*;

    fn kept(number: u64, bytes: usize) -> Kept {
        let states = vec![("S".repeat(bytes), String::new(), Box::default())];
        Kept::Keyframe(Box::new(StateKeyframe { service: "get".to_owned(), sequence: number, states }))
    }

    fn numbers(read: &Read) -> Vec<u64> {
        let number = |kept: &Arc<Kept>| match &**kept {
            Kept::Keyframe(frame) => frame.sequence,
            Kept::Visit(_) => u64::MAX,
        };
        read.kept.iter().map(number).collect()
    }

    #[test]
    fn each_is_read_once_and_what_was_lost_is_counted_once() {
        let mut ring = Ring::new(9);
        let nothing = ring.read(None);
        assert!(!ring.has_news(None) && nothing.kept.is_empty());
        ring.push(kept(1, 1), MOST_BYTES);
        ring.lose(3);
        ring.push(kept(2, 1), MOST_BYTES);
        let all = ring.read(Some(nothing.cursor));
        assert_eq!((numbers(&all), all.dropped), (vec![1, 2], 3));
        assert!(!ring.has_news(Some(all.cursor)));
        ring.lose(1);
        assert!(ring.has_news(Some(all.cursor)), "a loss is news");
        assert_eq!(ring.read(Some(all.cursor)).dropped, 1);
        for other in [None, Some(Cursor { epoch: 8, ..all.cursor }), Some(Cursor { next: 99, ..all.cursor })] {
            let late = ring.read(other);
            assert_eq!((numbers(&late), late.dropped), (vec![1, 2], 0), "who comes later reads what is kept");
        }
    }

    #[test]
    fn room_is_bounded_and_so_is_what_is_read_at_once() {
        let mut ring = Ring::new(9);
        let before = ring.read(None).cursor;
        for number in 0..40 {
            ring.push(kept(number, 1 << 20), MOST_BYTES);
            assert!(ring.bytes <= MOST_BYTES);
        }
        let (mut cursor, mut seen, mut dropped) = (before, Vec::new(), 0);
        while ring.has_news(Some(cursor)) {
            let read = ring.read(Some(cursor));
            assert!((1..=2).contains(&read.kept.len()));
            seen.extend(numbers(&read));
            (cursor, dropped) = (read.cursor, dropped + read.dropped);
        }
        assert_eq!((seen.last(), seen.len() as u64 + dropped), (Some(&39), 40));
        ring.push(kept(40, 2 * MOST_BYTES), MOST_BYTES);
        assert_eq!(numbers(&ring.read(None)), [40], "one is kept however large");
        ring.clear();
        assert_eq!((ring.bytes, ring.has_news(None)), (0, false));
    }
}
