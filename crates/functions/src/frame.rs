//! Messages between the pool and a jailed process: JSON, each with its length before it.
//!
//! A process that ran a stranger's code may say anything. The reader keeps no more than it is allowed, believes no
//! length, and any bytes end in frames or an error.

mod message;
mod reader;

pub use message::{
    AnswerForm, CallEnd, ConsoleLevel, ConsoleLine, FromJail, FunctionEnd, FunctionError, FunctionRun, FunctionStop,
    JailEnd, RunLimits, Signature, ToJail,
};
pub use reader::{FrameError, FrameReader, frame};
