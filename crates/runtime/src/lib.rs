//! What `app.rs` imports: services, placed state, buckets, errors, and the chain in one process.
//!
//! Run by cargo, a service is a function in this process and a call of it is awaited where it stands. Built by
//! `dyn`, it is a library of its own behind the [`border`], and a call goes through the host.

#![warn(missing_docs)]

pub mod border;
mod bucket;
mod call;
mod error;
mod flow;
mod job;
#[doc(hidden)]
pub mod library;
mod placed;
#[doc(hidden)]
pub mod remote;

#[cfg(feature = "macros")]
pub use dyninka_macros::{main, placed, service};

pub use bucket::{
    Bucket, BucketCall, BucketError, BucketErrorKind, BucketObject, BucketPage, ObjectInfo, ObjectReader, ObjectWriter,
};
#[doc(hidden)]
pub use bucket::{BucketAct, BucketAnswer, BucketAsk, BucketFolder, BucketReply, LONGEST_ANSWER, PutRule};
pub use call::Call;
pub use error::{Error, Result};
pub use flow::FlowStep;
#[doc(hidden)]
pub use flow::{Branch, Stop, Upstream, run, step};
pub use job::{JobRun, job};
pub use placed::Placed;

/// Everything an app needs: `use dyninka::prelude::*;`.
pub mod prelude {
    pub use crate::{Bucket, Call, Error, Placed, Result, placed, service};
    pub use serde::{Deserialize, Serialize};
}

// `dyn` reads the attributes itself and blanks them; an import of theirs still has to name something.
#[cfg(not(feature = "macros"))]
#[doc(hidden)]
#[macro_export]
macro_rules! main {
    () => {};
}

#[cfg(not(feature = "macros"))]
#[doc(hidden)]
#[macro_export]
macro_rules! placed {
    () => {};
}

#[cfg(not(feature = "macros"))]
#[doc(hidden)]
#[macro_export]
macro_rules! service {
    () => {};
}
