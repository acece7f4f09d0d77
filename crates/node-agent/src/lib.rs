//! The agent of a node: it finds other nodes, says what it can take, and has others serve what does not fit.
//!
//! What is decided is decided in `nodes` and `balance`; here are sockets, clocks, files and processes. `serve` is its start
//! and its end. `link` keeps a connection to each neighbour. `rounds` measures, decides and tells. `relay` carries requests
//! between nodes. `apps` runs services, or knows the pods that run them. `authority`, `tls` and `join` say who belongs to the fleet.

mod agent;
mod api;
mod apps;
mod authority;
mod bundle;
mod card;
mod check;
mod client;
mod error;
mod events;
mod folder;
mod http;
mod join;
mod kept;
mod link;
mod metrics;
mod mind;
mod policy;
mod relay;
mod renewal;
mod rounds;
mod schema;
mod serve;
mod served;
mod tls;

pub use agent::{NodeBackend, NodeSettings, PodApp};
pub use api::{FleetView, NodeCommand, NodeView, SharedServiceView};
pub use apps::sweep;
pub use bundle::{BundledService, NodeBundle};
pub use card::NodeCard;
pub use check::{NodeCheck, check};
pub use client::{FleetOperator, NodeClient, PushedToNode};
pub use error::NodeError;
pub use events::{NodeEvent, NodeListener, NodeSaid};
pub use folder::{FleetFolder, FleetRecord};
pub use join::{init, join};
pub use schema::schema;
pub use serve::{labels, run};
