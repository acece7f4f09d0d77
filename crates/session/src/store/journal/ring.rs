//! The last of many, bounded in number and in bytes.

use std::collections::VecDeque;

/// What an item takes beside its text.
const OVERHEAD: usize = 128;

/// The last of many.
#[derive(Debug)]
pub(super) struct Ring<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

impl<T> Ring<T> {
    pub(super) fn new((most, most_bytes): (usize, usize)) -> Self {
        Self { items: VecDeque::new(), bytes: 0, most, most_bytes }
    }

    /// Adds an item whose text has so many bytes; the oldest go where there is no room. The newest is always kept.
    pub(super) fn push(&mut self, item: T, bytes: usize) {
        let weight = bytes + OVERHEAD;
        while !self.items.is_empty() && (self.items.len() >= self.most || self.bytes + weight > self.most_bytes) {
            self.bytes -= self.items.pop_front().map_or(0, |(weight, _)| weight);
        }
        self.bytes += weight;
        self.items.push_back((weight, item));
    }

    /// The oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.iter().map(|(_, item)| item)
    }

    /// Those after the ones that are `read`, which come first.
    pub(super) fn after(&self, mut read: impl FnMut(&T) -> bool) -> impl Iterator<Item = &T> {
        let first = self.items.partition_point(|(_, item)| read(item));
        self.items.range(first..).map(|(_, item)| item)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
