//! Built services to running services: plain processes, or containers of a Docker engine, behind one [`Backend`].
//!
//! A service runs `dyn host FOLDER`; what is in the folder is the caller's. A backend finds an endpoint for every service
//! first, so that each can be told where the others are before any of them starts, and reports what happens to them.
//!
//! Beside the backend, [`Resources`] are servers that services use, such as a database: processes in either case, or
//! containers of images, where services are containers.

mod backend;
mod carry;
mod choice;
mod context;
mod docker;
mod ending;
mod engine;
mod environment;
mod image;
mod limits;
mod lines;
mod objects;
mod port;
mod process;
mod program;
mod queue;
mod resource;
mod speech;
mod standstill;

pub use backend::{
    Backend, BackendError, BackendEvent, BackendPlan, Begun, Doer, Endpoint, PublicAddress, ServiceLimits, Spec,
    Stream, Work,
};
pub use choice::{ChosenBackend, On, choose, sweep};
pub use engine::{DockerEngine, look_at_engine};
pub use environment::{Environment, LocalUrl};
pub use limits::{FILES_HINT, is_out_of_files};
pub use port::{HeldPort, PortError, free_port, hold_port, port_holder};
pub use program::Program;
pub use queue::{Lost, QueueEntry, Receiver, Sender, queue};
pub use resource::{
    ResourceAccess, ResourceError, ResourceNotices, ResourceProgram, ResourceSpec, Resources, sweep_resources,
};
