//! The rules of replicated buckets, without a clock, a disk or a network.
//!
//! [`settings`] is the file that a user writes, [`catalog`] what follows from it and from what was seen, with its one
//! update. [`placing`] picks stores, [`planning`] shows a change before it is made. [`compare`] says from listings what is to
//! be copied and deleted: events are hints, listings the truth. [`guard`] stops a wiped master from wiping its replicas.
//! [`near`] is what hosts are told of all that.
//! [`door`] says which endpoints may serve a request from outside, and [`rule`] where people want it otherwise.

pub mod amount;
pub mod catalog;
pub mod check;
pub mod compare;
pub mod door;
pub mod fado;
pub mod guard;
pub mod near;
pub mod pattern;
pub mod placing;
pub mod planning;
pub mod route;
pub mod rule;
pub mod settings;
pub mod view;
pub mod watermark;

pub use catalog::{CatalogChange, CatalogEvent, DataCatalog};
pub use check::DataMistake;
pub use planning::ConfigPlan;
pub use settings::DataSettings;
