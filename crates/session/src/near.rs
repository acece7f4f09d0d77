//! Who holds which bucket, told to the hosts of a session whose instances have places.
//!
//! Settings fix what a data server does not say. Where one of this user runs, it is asked, and hosts get the table of what
//! it answers without a reload.

pub(crate) mod feed;
#[cfg(feature = "data")]
mod matrix;
pub(crate) mod report;
