//! Recorded traffic: what each function received and returned, kept, read, compared, and run again.
//!
//! A recording is a folder: `recording.jsonl` holds a header line, then one line a request; bodies too large for a
//! line are beside it, each once, under the hash of what they hold.

mod body;
mod redaction;
mod request;
mod ring;

pub use body::{Body, End, Left};
pub use redaction::{BLANK, PathError, Redaction, SECRET_HEADERS};
pub use request::{Called, Hop, Keyframe, Placed, Request};
pub use ring::Ring;

#[cfg(test)]
mod tests;
