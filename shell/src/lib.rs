//! The face that reads lines: call one function of a running session, time it, look at edits, logs and state.
//!
//! What the lines mean is [`session_api::grammar`]'s. This room reads them, from a terminal or from a pipe, says them to a
//! [`ShellPeer`], and prints what comes back. It never compiles anything.

mod editor;
mod handler;
mod history;
mod options;
mod paint;
mod peer;
mod piped;
mod prompt;
mod push;
mod show;
mod table;
mod terminal;
mod voice;
mod words;

use std::io::{BufReader, IsTerminal};

pub use options::{ShellEnd, ShellError, ShellOptions};
pub use peer::ShellPeer;
pub use session_api::LogLine;

use handler::Handler;
use voice::Voice;

/// Reads lines from the standard input until it ends, and says them to the peer: with prompt, completion and history
/// where the standard input and output are a terminal, else line by line.
///
/// Must be driven to its end: dropped before, it leaves the terminal as it was, and a thread that waits for a line.
pub async fn run<P: ShellPeer>(peer: P, options: ShellOptions) -> Result<ShellEnd, ShellError> {
    let voice = Voice::standard(options.color);
    let handler = Handler::new(peer, voice);
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        terminal::run(handler, options).await
    } else {
        piped::run(handler, Box::new(BufReader::new(std::io::stdin())), options.keep_going).await
    }
}

/// The same, line by line, with streams of the caller's and without colour.
pub async fn run_piped<P: ShellPeer>(
    peer: P,
    input: Box<dyn std::io::BufRead + Send>,
    values: Box<dyn std::io::Write + Send + Sync>,
    talk: Box<dyn std::io::Write + Send + Sync>,
    keep_going: bool,
) -> Result<ShellEnd, ShellError> {
    piped::run(Handler::new(peer, Voice::plain(values, talk)), input, keep_going).await
}
