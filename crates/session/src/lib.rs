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
pub use home::{AppPlace, Home, HomeError};
pub use load::load;
pub use local_cluster::{FILES_HINT, Lost, On, QueueEntry, Receiver, Sender, queue};
pub use lock::{Lock, LockError};
pub use measurer::Measured;
pub use options::{Front, RecordingOptions, SessionOptions};
pub use pushing::{SettingsError, push_options, settings};
pub use queued::Queued;
pub use running::{RunningSession, attach, running};
pub use session::{Session, StartError};
pub use stop::{StopError, StopReport, stop};
pub use subject::subject;
pub use timeline::{Edited, Edits, edits};

/// The version of the Docker engine that answers, or why none does.
pub async fn engine() -> Result<String, String> {
    local_cluster::engine_version().await
}
