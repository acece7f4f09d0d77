//! A build without jobs: a session has no job server beside it.

use session::{AppPlace, Session};

use crate::arguments::Dev;
use crate::fault::Fault;

/// Nothing.
pub(crate) struct JobsPlan;

/// Nothing.
pub(crate) struct JobsBeside;

impl JobsPlan {
    pub(crate) fn new(_place: &AppPlace, _dev: &Dev) -> Result<Self, Fault> {
        Ok(Self)
    }

    pub(crate) fn start(self, _session: &Session) -> JobsBeside {
        JobsBeside
    }
}

impl JobsBeside {
    pub(crate) async fn end(self) {}
}
