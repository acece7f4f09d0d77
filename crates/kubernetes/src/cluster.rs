//! The edge to a cluster: its API server, as the user's kubeconfig names it.

mod access;
mod apply;
mod error;
mod facts;
mod forward;
mod identity;
mod kubeconfig;
mod lease;
mod logs;
mod node;
mod pins;
mod roll;
mod roster;
mod tail;
mod verdict;

pub use access::{Access, ClusterTarget, connect};
pub use apply::{Applied, Apply, MANAGED_BY, MANAGER, PART_OF, PROJECT};
pub use error::{ClusterError, Contested};
pub use facts::facts;
pub use forward::{Forward, To};
pub use identity::Identity;
pub use kubeconfig::current_context;
pub use lease::{Holder, Lease};
pub use logs::{PodLine, lines, pods};
pub use pins::{Pinned, Pins};
pub use roll::{Follow, Rolled, follow, look_again};
pub use roster::{PodSeen, Roster, roster};
pub use tail::{Tail, tail};
pub use verdict::RollProgress;
