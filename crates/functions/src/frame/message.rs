//! The messages themselves.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::engine::FunctionEngine;

/// A request to a jailed process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToJail {
    /// Run a function.
    Run(Box<FunctionRun>),
    /// Read a function and run nothing that it holds.
    Check { engine: FunctionEngine, source: String },
    /// The end of a call that the function made.
    Answer { id: u32, end: CallEnd },
}

/// One run of a function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FunctionRun {
    /// The engine of its language.
    pub engine: FunctionEngine,
    /// Its name, for places in errors.
    pub name: String,
    /// One function, as an expression or a declaration.
    pub source: String,
    /// A JSON array.
    pub arguments: Box<RawValue>,
    /// The form of its result.
    pub form: AnswerForm,
    /// Whether it may call services.
    pub calls: bool,
    /// Limits of the run.
    pub limits: RunLimits,
}

/// The form of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerForm {
    /// As JSON.
    #[default]
    Json,
    /// As a JSON string of `String(value)`; where that would lose what the value holds, of its JSON.
    Text,
}

/// Limits of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// Milliseconds from the beginning to the end, waits among them.
    pub time_ms: u64,
    /// Bytes of the engine's memory.
    pub memory: u64,
    /// Bytes of the engine's stack.
    pub stack: u64,
    /// Bytes of the result as JSON, and of one call's inputs or answer.
    pub result: u64,
    /// Bytes of console lines; more are counted and dropped.
    pub lines: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { time_ms: 30_000, memory: 64 << 20, stack: 256 << 10, result: 1 << 20, lines: 64 << 10 }
    }
}

/// The end of a call to a service, as the function sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEnd {
    /// Its answer, as JSON.
    Value(Box<RawValue>),
    /// Thrown where the call is awaited.
    Failed(FunctionError),
}

/// A message of a jailed process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromJail {
    /// It is jailed and waits for a question.
    Ready,
    /// There is no jail to be had here.
    Refused { why: String },
    /// The function wrote a line.
    Line(ConsoleLine),
    /// The function calls a service.
    Call { id: u32, service: String, inputs: Box<RawValue> },
    /// The function ended.
    Ran {
        /// Its end.
        end: FunctionEnd,
        /// Its time, without waits for calls.
        ns: u64,
        /// Bytes of lines beyond the limit.
        cut: u64,
    },
    /// The result of a check.
    Checked(Result<Signature, FunctionError>),
}

/// A function's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Names of its parameters, as far as they have one.
    pub parameters: Vec<String>,
}

/// The end of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionEnd {
    /// Its result, as JSON; `undefined` is null.
    Value(Box<RawValue>),
    /// It threw, or its result has no JSON.
    Failed(FunctionError),
    /// It was ended at a limit.
    Stopped(FunctionStop),
    /// Its process ended under it. Only the pool can say so.
    #[serde(skip)]
    Lost(JailEnd),
}

/// An error of a function: what it threw, by name and message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct FunctionError {
    /// Such as `TypeError`; empty where the thrown value is no error.
    pub name: String,
    /// Its message, or the thrown value as text.
    pub message: String,
    /// Line and column in the source, counted from 1, where they are known.
    pub at: Option<(u32, u32)>,
}

impl FunctionError {
    /// Bytes of a name and of a message at most.
    pub(crate) const LONGEST_NAME: usize = 128;
    pub(crate) const LONGEST_MESSAGE: usize = 4 << 10;

    /// An error without a place.
    pub fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into(), at: None }
    }

    /// Cuts name and message to their limits: a process that broke its engine may send longer ones.
    pub(crate) fn shortened(mut self) -> Self {
        for (text, most) in [(&mut self.name, Self::LONGEST_NAME), (&mut self.message, Self::LONGEST_MESSAGE)] {
            text.truncate(text.floor_char_boundary(most));
        }
        self
    }
}

impl fmt::Display for FunctionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), self.message.as_str()) {
            ("", message) => out.write_str(message),
            (name, "") => out.write_str(name),
            (name, message) => write!(out, "{name}: {message}"),
        }
    }
}

/// Why a function was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionStop {
    /// It took longer than it may.
    Deadline,
    /// It needs more memory than it may have.
    Memory,
    /// It calls itself too deeply.
    Stack,
    /// Its result is larger than it may be.
    TooLarge,
    /// It waits for a promise that nothing can settle.
    NeverSettles,
}

impl FunctionStop {
    /// Its name, as problems have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::TooLarge => "too-large",
            Self::NeverSettles => "never-settles",
        }
    }
}

impl fmt::Display for FunctionStop {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Deadline => "the function took longer than its timeout",
            Self::Memory => "the function needs more memory than its limit",
            Self::Stack => "the function calls itself too deeply",
            Self::TooLarge => "the function's result is larger than its limit",
            Self::NeverSettles => {
                "the function awaits a promise that can never settle: no timer and no call is pending"
            }
        })
    }
}

/// An end of a jailed process that its run did not ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JailEnd {
    /// It made a system call that functions have no use for.
    Killed,
    /// A signal ended it.
    Crashed { signal: i32 },
    /// It ended by itself.
    Exited { code: i32 },
    /// It broke the protocol and was ended.
    Nonsense(String),
}

impl fmt::Display for JailEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => {
                out.write_str("killed by the jail: the function's process made a system call that no function needs")
            }
            Self::Crashed { signal } => write!(out, "the function's process ended by signal {signal}"),
            Self::Exited { code } => write!(out, "the function's process exited with code {code}"),
            Self::Nonsense(why) => write!(out, "the function's process was ended, since it broke the protocol: {why}"),
        }
    }
}

/// A line that a function wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleLine {
    /// By which function of `console`.
    pub level: ConsoleLevel,
    /// Without its end.
    pub text: String,
}

/// A line's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsoleLevel {
    /// `console.debug`.
    Debug,
    /// `console.log` and `console.info`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`.
    Error,
}
