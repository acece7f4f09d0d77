//! What travels between hosts, and between the session and a host: the route, the headers, a host's configuration, and
//! what was measured. What was measured is folded here into figures.
//!
//! Pure: plain data and its wire form.

pub mod asks;
mod batch;
pub mod body;
mod buckets;
mod config;
mod data_need;
mod error_chain;
pub mod exact;
pub mod fold;
mod handover;
pub mod header;
mod moved;
pub mod near;
pub mod otlp;
pub mod proxy;
pub mod ranks;
pub mod record;
pub mod replay;
mod route;
pub mod runs;
mod sharing;
mod span;
pub mod voice;

pub use batch::{Batch, Cursor, CursorError};
pub use buckets::{BUCKETS_VARIABLE, BucketCopy, BucketHome, BucketStores, STORES_VARIABLE, StoreAccess, StoreSecret};
pub use config::{
    CONFIG_VARIABLE, Config, HostConfigs, Limits, OpenService, Outside, Peer, ServiceLoad, Swap, TOKEN_VARIABLE,
    Transfer, instance_name, instance_of,
};
pub use data_need::{DataHeaderError, DataNeed, DataVersions, NeededVersion, RequestData, read_data};
pub use error_chain::error_chain;
pub use handover::{HANDOVER, SOCKETS, socket_name};
pub use moved::{Moved, Shift};
pub use route::{Expression, Literal, Route, RouteError};
pub use sharing::{AdmissionMode, HostLoad, HostSharing, OverLimit, SharingError};
pub use span::{Method, Parts, Span, SpanId, Status, TraceId, UpstreamCall};

/// Exit code of a host whose address is taken: the errno of EADDRINUSE on Linux.
pub const ADDRESS_IN_USE: u8 = 98;
