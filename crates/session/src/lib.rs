//! The one loop that owns a running app.
//!
//! Something happens ([`event`](crate)), a pure function says what follows, and the actor does it. Faces start a
//! [`Session`], read its [`session_api::Report`]s, and tell it to end.

mod actor;
mod api;
mod effect;
mod environment;
mod event;
mod jobs;
mod near;
mod options;
mod placement;
mod queued;
mod recording;
mod session;
mod state;
mod store;
pub mod telemetry;

pub use actor::load::load;
pub use environment::{LocalMistakes, LocalValues, ServiceTerms, Shell, environment, findings};
pub use jobs::{JobServerLink, QueuedJobs};
pub use local_cluster::DockerEngine;
pub use local_cluster::{FILES_HINT, Lost, On, QueueEntry, Receiver, Sender, queue};
pub use options::{PublicPort, RecordingOptions, SessionOptions};
pub use placement::{InstanceCount, InstancesError, Together, TogetherError, instance_counts};
pub use queued::Queued;
pub use recording::subject::subject;
pub use session::{Looking, Notices, ServedApp, Session, StartError};
pub use state::outline;
pub use store::clean::{Cleaned, FolderRemoval, HomeFolder, clean, folders};
pub use store::home::{AppPlace, DataServerFiles, Home, HomeError};
pub use store::lock::{Lock, LockError};
pub use store::running::{RunningSession, attach, running};
pub use store::settle::settle;
pub use store::stop::{RemoveDataError, StopError, StopReport, remove_data, stop};
pub use store::timeline::{Edited, Edits, edits};
pub use telemetry::measurer::Measured;

/// The Docker engine that answers, or why none does.
pub async fn engine() -> Result<DockerEngine, String> {
    local_cluster::look_at_engine().await
}
