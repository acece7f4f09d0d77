//! The other end: a session, or what stands for one in a test.

use std::future::Future;

use session::{Answer, Command, Snapshot};

/// What a shell needs of a session.
pub trait Peer: Send + Sync + 'static {
    /// Why it cannot be asked.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The session at this moment.
    fn snapshot(&self) -> impl Future<Output = Result<Snapshot, Self::Error>> + Send;

    /// Has something done. Dropped before its end, the call is given up.
    fn say(&self, command: &Command) -> impl Future<Output = Result<Answer, Self::Error>> + Send;

    /// The latest lines of one service or of all, oldest first.
    fn logs(
        &self,
        service: Option<&str>,
        last: usize,
    ) -> impl Future<Output = Result<Vec<LogLine>, Self::Error>> + Send;
}

/// A line a service wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogLine {
    /// Its number.
    pub seq: u64,
    /// When, in milliseconds since the session began.
    pub at_ms: u64,
    /// Rust name.
    pub service: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Without its line end.
    pub line: String,
}
