//! A database in one file.
//!
//! One thread owns the connection that writes. It takes what has come together, runs each change by itself, and commits
//! all of them with one sync of the disk; only then is anybody told. Readers have connections of their own and wait for
//! nobody. Users of this crate write SQL in one module each, so that a second database can stand behind that module.

mod database;
mod error;
mod reserve;
mod writer;

pub use database::Database;
pub use error::DatabaseError;
/// SQLite, for the statements of users.
pub use rusqlite;
