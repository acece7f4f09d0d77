//! The jail, the pool and the API over them, with processes as they are.

#![expect(clippy::unwrap_used, reason = "tests")]

mod calls;
mod jail;
mod kumori;
mod language;
mod limits;
mod odd;
mod processes;
mod rig;
