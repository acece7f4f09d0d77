//! What is wanted on a cluster, and what runs there: plain data, compared by `plan`, made into objects by `object`.

#[cfg(feature = "cluster")]
mod data;
#[cfg(feature = "cluster")]
mod node;
#[cfg(feature = "cluster")]
mod running;
mod sharing;
#[cfg(feature = "cluster")]
mod unit;
#[cfg(feature = "cluster")]
mod wanted;

#[cfg(feature = "cluster")]
pub use data::{DATA, DATA_APP, DATA_CATALOG, DATA_PORT, DATA_SETTINGS, WantedData};
#[cfg(feature = "cluster")]
pub use node::{
    NODE, NODE_APP, NODE_AWAY, NODE_IDENTITY, NODE_LINKS, NODE_METRICS, NODE_POD, NodeApp, NodeService, WantedNode,
};
#[cfg(feature = "cluster")]
pub use running::{RunningApp, RunningService};
pub use sharing::{keeps_state, needs};
#[cfg(feature = "cluster")]
pub use unit::{Member, Unit};
#[cfg(feature = "cluster")]
pub use wanted::{Built, PORT, Wanted, WantedService};

/// Stands for texts: the same for the same, sixteen hex digits.
pub(crate) fn hash(texts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&text.len().to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}
