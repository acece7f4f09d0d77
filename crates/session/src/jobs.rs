//! The job server beside a session: asked on behalf of front ends, followed for pictures, and asked before an edit whose
//! services read other inputs.

mod ask;
mod follow;
mod gate;
mod unread;

use tokio::sync::watch;

pub(crate) use ask::{JobQuery, NO_JOBS, bills, list, say, show};
pub(crate) use follow::follow;
pub(crate) use gate::{Gate, pass};

/// The choice for an edit whose services do not read the inputs of jobs that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueuedJobs {
    /// The edit is refused.
    #[default]
    Refuse,
    /// The edit waits until they have come to their end.
    Drain,
    /// They end as failed, of the kind `form`.
    Drop,
}

/// Tells a session where its job server is.
#[derive(Clone, Debug)]
pub struct JobServerLink(watch::Sender<Option<JobServerEndpoint>>);

/// Where a job server is asked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct JobServerEndpoint {
    /// Without a path.
    pub(crate) url: String,
    /// The operator's.
    pub(crate) token: String,
}

impl std::fmt::Debug for JobServerEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JobServerEndpoint({})", self.url)
    }
}

impl JobServerLink {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// From now on the session asks the job server at this URL, with the operator's token.
    pub fn open(&self, url: String, token: String) {
        self.0.send_replace(Some(JobServerEndpoint { url, token }));
    }

    pub(crate) fn endpoint(&self) -> Option<JobServerEndpoint> {
        self.0.borrow().clone()
    }

    pub(crate) fn endpoints(&self) -> watch::Receiver<Option<JobServerEndpoint>> {
        self.0.subscribe()
    }
}
