//! The one loop that owns a running app.
//!
//! Something happens ([`event`](crate)), a pure function says what follows, and the actor does it. Faces start a
//! [`Session`], read its [`Report`]s, and tell it to end.

mod actor;
mod api;
mod asking;
mod caller;
mod control;
mod edit;
mod effect;
mod environment;
mod event;
mod follow;
mod front;
mod home;
mod install;
mod journal;
mod judge;
mod load;
mod lock;
mod measurer;
mod options;
mod pushing;
mod queued;
mod rank;
mod recall;
mod recorder;
mod restart;
mod running;
mod session;
mod state;
mod stop;
mod subject;
pub mod telemetry;
mod texts;
mod timeline;
mod tools;
mod verdict;
mod work;

pub use environment::{Shell, Variables, environment, findings};
pub use home::{Home, HomeError, Place};
pub use load::load;
pub use local_cluster::{Entry, FILES_HINT, Lost, On, Receiver, Sender, queue};
pub use lock::{Lock, LockError};
pub use measurer::Measured;
pub use options::{Front, Options, Recording};
pub use queued::Queued;
pub use running::{Running, attach, running};
pub use session::{Session, StartError};
pub use stop::{Ended, StopError, stop};
pub use subject::subject;
pub use timeline::{Edited, Edits, edits};

/// The version of the Docker engine that answers, or why none does.
pub async fn engine() -> Result<String, String> {
    local_cluster::engine_version().await
}
