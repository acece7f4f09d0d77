//! A node's agent, its pure part: no socket, no clock, and random numbers are handed in.
//!
//! A [`ServiceMeter`] makes rates of what hosts count. A [`NodeBook`] holds them beside the reports of neighbours, and makes
//! of both what a strategy sees, what neighbours are told, and what hosts are told. [`AwayWays`] choose a neighbour for each
//! request that did not fit.

mod book;
mod meter;
mod report;
mod token_bucket;
mod ways;

pub use book::{NodeBook, OwnService};
pub use meter::{MeasuredLoad, ServiceMeter};
pub use report::{LoadReport, LoadReportError, ReportedService};
pub use ways::{AwayWays, GuestLimits};
