//! Real builds. Their dependencies are compiled once and shared, so that each test costs what an edit costs.
#![expect(clippy::unwrap_used, reason = "tests")]

mod base;
mod flow;
mod groups;
mod house;
mod libraries;
mod library;
mod names;
mod outside;
mod packages;
mod refusals;
mod returns;
mod shipped;
mod types;
