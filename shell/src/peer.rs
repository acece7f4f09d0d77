//! The other end: a session, or what stands for one in a test.

use std::future::Future;

use session_api::{Answer, Client, ClientError, Command, LogLine, Snapshot};

/// What a shell needs of a session.
pub trait ShellPeer: Send + Sync + 'static {
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

impl ShellPeer for Client {
    type Error = ClientError;

    async fn snapshot(&self) -> Result<Snapshot, ClientError> {
        Self::snapshot(self).await
    }

    async fn say(&self, command: &Command) -> Result<Answer, ClientError> {
        Self::say(self, command).await
    }

    async fn logs(&self, service: Option<&str>, last: usize) -> Result<Vec<LogLine>, ClientError> {
        Self::logs(self, service, last).await
    }
}
