//! The one grammar of commands: what a person types in the shell and behind the `:` of the view.
//!
//! ```text
//! filter {"sensor":"EWR"}     calls a service with a value
//! get | filter | map          each feeds the next; the same as map(filter(get))
//! map $last                   with the last answer; $1 is the first of the session
//! moving_avg                  fed as the app's flow feeds it: the whole chain
//! :time 200 get | filter      a command
//! ```
//!
//! Pure: a line, the [`Snapshot`] and the earlier [`Answers`] go in, and what is meant or what is wrong comes out.

mod answers;
mod complete;
mod cursor;
mod display;
mod doubt;
mod expression;
mod help;
mod meaning;
mod mistake;
mod resolve;
mod route;
mod shape;
mod token;
mod verb;

pub use answers::{AnswerHistory, Answers, NoAnswers};
pub use complete::{Candidate, complete, expected};
pub use doubt::{Doubt, doubts};
pub use help::{TOPICS, help};
pub use mistake::Mistake;
pub use route::route;
pub use token::{Token, TokenKind, is_complete, tokens};

use crate::command::{CallTree, Command, Feed};
use crate::snapshot::Snapshot;

/// The meaning of a line. Its `Display` is a line that means the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// Something the session does.
    Say(Command),
    /// Something the face shows, from the snapshot or from what it keeps.
    Show(Show),
}

/// A question that a front end answers by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Show {
    /// Every service, its state and its version.
    Services,
    /// The chain.
    Flow,
    /// The latest lines that services wrote.
    Logs {
        /// Rust name; none: every service's.
        service: Option<String>,
        /// The number of lines at most.
        last: usize,
    },
    /// Every edit and what became of it.
    Edits,
    /// Tell why an edit built what it built, and the parts of its time.
    Why {
        /// Its number, one of the snapshot's.
        edit: u64,
    },
    /// The route header of a call.
    Route {
        /// The call.
        call: CallTree,
    },
    /// Buckets and their copies.
    Data {
        /// One of them; none: all.
        bucket: Option<String>,
    },
    /// A value as a table.
    Table {
        /// The value, or the call that answers with it.
        of: Feed,
    },
    /// An earlier answer once more.
    Answer {
        /// Its number among the [`Answers`].
        number: usize,
    },
    /// Show how to use this grammar.
    Help {
        /// One of [`TOPICS`] or a command's name; none: an overview.
        topic: Option<String>,
    },
    /// Leave the face; the session goes on.
    Quit,
}

/// Reads a line as seen from a session. Blank lines mean nothing: leave them out with [`is_blank`].
///
/// # Errors
/// The first mistake, with its place in characters of the line.
pub fn parse(line: &str, snapshot: &Snapshot, history: &dyn Answers) -> Result<Meaning, Mistake> {
    meaning::read(line, snapshot, history).map_err(|mistake| mistake.in_characters(line))
}

/// Whether a word is the name of a command, written without its colon.
pub fn is_command(word: &str) -> bool {
    verb::find(word).is_some()
}

/// Whether a line is empty or a comment, which begins with `#`.
pub fn is_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}
