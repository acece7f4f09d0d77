//! What travels between hosts, and between the session and a host: the route, the headers, a host's configuration.
//!
//! Pure: plain data and its wire form.

mod config;
pub mod header;

pub use config::{Config, Limits, Peer, Swap};
