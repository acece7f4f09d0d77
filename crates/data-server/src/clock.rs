//! The time of day, for people who read events and for what is due.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970. It is never compared to tell which version is newer.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
