//! What a host hands over at once, and where the next begins.

use std::fmt::{self, Display};
use std::str::FromStr;

use crate::span::Span;

/// What a host measured since the batch before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The host's clock when it answered, in nanoseconds since 1970.
    pub now: u64,
    /// Requests being answered.
    pub in_flight: u64,
    /// Requests that ended, those without a span too.
    pub requests: u64,
    /// Those of them that ended in a problem.
    pub errors: u64,
    /// Requests to other services that were tried again because nothing of them had been sent, since the host began.
    pub retries: u64,
    /// The services it does not try to connect to for now, by Rust name: their circuits are open.
    pub open: Vec<String>,
    /// Requests in detail, in the order they ended.
    pub spans: Vec<Span>,
}

impl Batch {
    /// Requests that no span tells of.
    pub fn dropped(&self) -> u64 {
        self.requests.saturating_sub(self.spans.len() as u64)
    }
}

/// A place in what a host has recorded. Whoever reads keeps it; the host keeps nothing of its readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Drawn by a host at its start: the place means nothing to another.
    pub epoch: u64,
    /// The span that comes next.
    pub next: u64,
    /// Requests up to here.
    pub requests: u64,
    /// Requests up to here that ended in a problem.
    pub errors: u64,
}

/// A text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is what a batch before said in its header {}", crate::header::CURSOR)]
pub struct CursorError;

impl Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}.{}.{}", self.epoch, self.next, self.requests, self.errors)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(CursorError);
        let epoch = u64::from_str_radix(part()?, 16).map_err(|_| CursorError)?;
        let mut number = || part()?.parse().map_err(|_| CursorError);
        let cursor = Self { epoch, next: number()?, requests: number()?, errors: number()? };
        if parts.next().is_some() { Err(CursorError) } else { Ok(cursor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_is_written() {
        let cursor = Cursor { epoch: u64::MAX, next: 3, requests: 5, errors: 1 };
        assert_eq!(cursor.to_string(), "ffffffffffffffff.3.5.1");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in ["", "x.1.1.1", "1.1.1", "1.1.1.1.1", "1.-1.1.1", "1.1.1.99999999999999999999"] {
            assert_eq!(wrong.parse::<Cursor>(), Err(CursorError), "{wrong}");
        }
    }
}
