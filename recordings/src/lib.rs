//! Recorded traffic: what each function received and returned, kept, read, compared, and run again.
//!
//! A recording is a folder: `recording.jsonl` holds a header line, then one line a request; bodies too large for a
//! line are beside it, each once, under the hash of what they hold.

mod compare;
mod difference;
mod header;
mod line;
mod pattern;
mod reader;
mod redaction;
pub mod replay;
mod request;
mod ring;
pub mod saved;
mod scan;
pub mod send;
mod store;
mod test_file;
mod writer;

pub use compare::{Rules, Side, ValueChange, compare, compare_ends};
pub use difference::Difference;
pub use header::{FILE, FORMAT, Header};
pub use pattern::{PathError, Pattern};
pub use protocol::body::{Body, Left, Outcome, RecordedCall};
pub use reader::{ReadError, Reader, Summary};
pub use redaction::{BLANK, Redaction, SECRET_HEADERS};
pub use replay::worker::{Worker, WorkerError};
pub use request::{Keyframe, PlacedValue, RecordedHop, Request};
pub use ring::Ring;
pub use scan::{Ending, RequestEntry};
pub use store::BodyError;
pub use test_file::{TestFile, as_tests};
pub use writer::{Bounds, RecordedCounts, RecordingNotice, WriteError, Writer};

#[cfg(test)]
mod tests;
