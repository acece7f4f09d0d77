//! Pushes and rollbacks in a build without the feature `cluster`: each is refused, with the way out.

use session_api::command::{Answer, Command};
use tokio::sync::oneshot;

use super::Actor;
use crate::actor::tools::Tools;
use crate::api::caller;

/// A push that goes on: there is none.
pub(super) enum Handle {}

impl Actor {
    #[expect(clippy::unused_self, reason = "as in a build that pushes")]
    pub(super) fn push(&mut self, _command: Command, reply: oneshot::Sender<Result<u64, Answer>>) {
        // Whoever asked may be gone.
        drop(reply.send(Err(refused())));
    }

    #[expect(clippy::unused_self, reason = "as in a build that pushes")]
    pub(super) fn decide(&mut self, _number: u64, _yes: bool) -> Answer {
        refused()
    }

    pub(super) fn stop_push(&mut self) -> bool {
        self.pushing.is_some()
    }
}

impl Tools {
    /// Where a push goes unless it is told otherwise: nowhere.
    #[expect(clippy::unused_self, reason = "as in a build that pushes")]
    pub(crate) fn context(&self) -> Option<String> {
        None
    }
}

fn refused() -> Answer {
    caller::refused(
        "this dyn was built without the feature `cluster`, which pushes: `cargo install --path .` has it".to_owned(),
    )
}
