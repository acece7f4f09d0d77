//! The one loop that owns a running app.
//!
//! Something happens ([`event`](crate)), a pure function says what follows, and the actor does it. Faces start a
//! [`Session`], read its [`Report`]s, and tell it to end.

mod actor;
mod control;
mod edit;
mod effect;
mod event;
mod home;
mod install;
mod load;
mod lock;
mod options;
mod report;
mod running;
mod session;
mod state;
mod stop;
pub mod telemetry;

pub use home::{Home, HomeError, Place};
pub use load::load;
pub use local_cluster::On;
pub use lock::{Lock, LockError};
pub use options::{Front, Options};
pub use report::{Address, Fate, Report, Taken, Waterfall};
pub use running::{Running, running};
pub use session::{Session, StartError};
pub use stop::{Ended, StopError, stop};

/// The version of the Docker engine that answers, or why none does.
pub async fn engine() -> Result<String, String> {
    local_cluster::engine_version().await
}
