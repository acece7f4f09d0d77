//! A session for agents: a server of the Model Context Protocol over standard input and output.
//!
//! A thin client of the session's own API: it starts no session, keeps nothing, and an agent can do through it what a
//! person can do in the shell, less the confirmation of a push. Every answer has at most [`MOST_BYTES`], and says how to
//! get the rest.

mod answer;
mod ask;
mod edit;
mod server;
mod source;
mod tools;

pub use answer::MOST_BYTES;
pub use server::{McpError, serve};
pub use source::AppSource;
