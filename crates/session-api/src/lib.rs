//! Everything that a front end or a program knows of a session, the one loop behind `dyn dev`.
//!
//! A session is seen as a [`Snapshot`], asked with a [`Command`] and answers with an [`Answer`]. It tells what happens as
//! [`Report`]s and what services write as [`LogLine`]s. All of these are plain data with a JSON form, which
//! `schema/v1.json` beside this crate describes and [`schema()`] generates. A [`Client`] talks to a running session over its
//! unix socket; [`grammar`] reads the lines that a person types.
//!
//! The rest helps to show all of that: [`printable()`] removes what would steer a terminal, [`units`] writes figures.
//!
//! Names of services are Rust names, and versions read `service@hash`. A field's name or comment says its unit; moments
//! are milliseconds since the session began, on a clock that never jumps.

#![warn(missing_docs)]

mod client;
pub mod command;
pub mod data;
pub mod frame;
pub mod grammar;
pub mod jobs;
mod log_line;
pub mod measured;
pub mod places;
mod printable;
pub mod push;
mod report;
pub mod requests;
mod schema;
pub mod snapshot;
pub mod units;
pub mod verdict;

/// The version of the session's API: the first part of its paths.
pub const API_VERSION: u32 = 1;

pub use app::{Diagnostic, Severity, SourcePlace};
pub use client::{Client, ClientError, FrameLines, Lines, RelayedAnswer};
pub use command::{Answer, Command};
pub use log_line::LogLine;
pub use printable::{escaped, plain, printable};
pub use report::{EditTimes, Fate, MoveTimes, Report, ServiceAddress, Taken};
pub use schema::schema;
pub use snapshot::Snapshot;
