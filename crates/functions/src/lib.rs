//! Functions that strangers register at run time: each runs in a process that may do nothing but compute.
//!
//! [`Pool`] is the safe side: it starts processes of `dyn sandbox` ([`sandbox()`]), gives each to one tenant, and answers
//! calls to services. The other side is the jail (`jail.rs`), in which an engine ([`FunctionEngine`]) runs a source. Between them are
//! two pipes and the messages of [`frame`]. Messages of a process are checked like anything from outside.
//!
//! [`kumori`] is the API of the NodeJS FaaS on Kumori over this and a store of jobs.

mod engine;
pub mod frame;
mod jail;
mod javascript;
pub mod kumori;
mod measure;
mod pool;
mod process;
mod sandbox;
mod slots;

pub use engine::FunctionEngine;
pub use frame::{
    AnswerForm, CallEnd, ConsoleLevel, ConsoleLine, FunctionEnd, FunctionError, FunctionStop, JailEnd, RunLimits,
    Signature,
};
pub use pool::{FunctionRan, Invocation, Pool, PoolError, PoolFigures, PoolSettings};
pub use process::{ServiceCall, ServiceCalls};
pub use sandbox::{sandbox, sandbox_with};
pub use slots::{PoolLoad, ScalePolicy};

/// JSON that is known to be JSON.
fn raw(json: &str) -> Box<serde_json::value::RawValue> {
    serde_json::value::RawValue::from_string(json.to_owned()).unwrap_or_default()
}
