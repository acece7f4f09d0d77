//! What travels between hosts, and between the session and a host: the route, the headers, a host's configuration.
//!
//! Pure: plain data and its wire form.

mod config;
pub mod header;
mod route;

pub use config::{Config, Limits, Peer, Swap};
pub use route::{Expression, Route, RouteError};

/// Exit code of a host whose address is taken: the errno of EADDRINUSE on Linux.
pub const ADDRESS_IN_USE: u8 = 98;
