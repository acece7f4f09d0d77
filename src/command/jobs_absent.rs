//! A build without jobs: a session has no job server beside it.

use session::{AppPlace, Session};

use crate::arguments::Dev;
use crate::fault::Fault;

/// Nothing.
pub(crate) struct JobsBeside;

impl JobsBeside {
    pub(crate) fn start(_session: &Session, _place: &AppPlace, _dev: &Dev) -> Result<Self, Fault> {
        Ok(Self)
    }

    pub(crate) async fn end(self) {}
}
