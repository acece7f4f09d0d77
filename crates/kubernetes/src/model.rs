//! What is wanted on a cluster, and what runs there: plain data, compared by `plan`, made into objects by `object`.

#[cfg(feature = "cluster")]
mod running;
#[cfg(feature = "cluster")]
mod wanted;

#[cfg(feature = "cluster")]
pub use running::{RunningApp, RunningService};
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
