//! Functions that strangers register at run time: each runs in a process that may do nothing but compute.
//!
//! [`Pool`] is the safe side: it starts processes of `dyn sandbox` ([`sandbox()`]), gives each to one tenant, and answers
//! calls to services. The other side is the jail (`jail.rs`), in which an engine ([`FunctionEngine`]) runs a source. Between them are
//! two pipes and the messages of [`frame`]. Messages of a process are checked like anything from outside.
//!
//! [`kumori`] is the API of the NodeJS FaaS on Kumori over this and a store of jobs.
//!
//! # The way of a function
//!
//! 1. `Pool::run` asks `slots` (pure) for a process of the tenant: one of its own, the one in reserve, or a new one. How many there are is
//!    the policy's (`crates/functions/src/slots/policy.rs`).
//! 2. A new process is `dyn sandbox`. It closes what it inherited, limits itself, and installs a seccomp filter that ends it at any call
//!    that computing does not need (`crates/functions/src/jail`). Then it says that it is ready.
//! 3. Source, arguments and limits go in as a frame of JSON. The engine makes a runtime for this run alone and drops it afterwards.
//! 4. Lines and calls to services come out as they happen; the pool's side answers calls, so the process needs no way out.
//! 5. The pool checks what comes out, kills a process that is late or breaks the protocol, and charges the function's time.
//! 6. A job for a function is run by the job server itself (`crates/job-server/src/functions.rs`): the commit that ends the attempt
//!    adds its time to the bill. Its calls go to hosts as calls of the tenant's account.

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
pub use slots::{PoolLoad, ScalePolicy, Scaler};

/// JSON that is known to be JSON.
fn raw(json: &str) -> Box<serde_json::value::RawValue> {
    serde_json::value::RawValue::from_string(json.to_owned()).unwrap_or_default()
}
