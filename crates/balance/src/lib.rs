//! Load sharing between nodes, pure: no clock, no socket, and random numbers are handed in.
//!
//! A [`Strategy`] sees a [`View`] of one node and its neighbours, and returns a [`Decision`]: where requests go that do not
//! fit, and how many of each neighbour's are taken. [`simulate`] runs the same strategies on many nodes in virtual time.

mod decision;
mod forecast;
mod period;
mod pour;
pub mod simulate;
mod strategy;
mod view;
mod watts;

pub use decision::{Cadence, Decision, LimitIn, Recipient, Sharing, SharingMode};
pub use forecast::{Forecast, MeasuredForecast};
pub use period::duration;
pub use pour::pour;
pub use strategy::empirical::{EmpiricalCandidate, weights as empirical_weights};
pub use strategy::offer::offers;
pub use strategy::random::weights as random_weights;
pub use strategy::remote::{AgentParameters, Observation, Policy};
pub use strategy::{Strategy, StrategyError, StrategyName, StrategySettings};
pub use view::{LocalLoad, Neighbour, NodeId, NodeResources, RemoteLoad, ServiceId, View, is_news};
pub use watts::NodeWatts;
