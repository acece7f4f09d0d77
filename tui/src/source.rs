//! What the view is given: pictures and log lines to show, and someone who does what it asks for.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use session_api::{Answer, Command, Snapshot};
use tokio::sync::{mpsc, watch};

use crate::act::Completions;
use crate::log::Logged;
use crate::theme::Theme;

/// What the view shows, and who does what it asks for.
pub struct ViewSource {
    /// How the session does. The view ends when the sender is gone.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// What services write. It is emptied at every frame, 20 times a second at most: the sender drops and counts what
    /// finds no room, and says so with [`Logged::Lost`].
    pub logs: mpsc::Receiver<Logged>,
    /// Who does what the view asks for.
    pub handler: Arc<dyn Handler>,
    /// Told which service is chosen: pictures may hold more of it than of others.
    pub looks_at: Option<watch::Sender<Option<String>>>,
}

/// Whoever does what the view asks for. Nothing here may block but what is given back as a future.
pub trait Handler: Send + Sync {
    /// What can stand at the cursor of a command, given in bytes.
    fn complete(&self, line: &str, cursor: usize, snapshot: &Snapshot) -> Completions;

    /// Runs a line of the grammar; what it came to in lines of text.
    fn run(&self, line: String) -> BoxFuture<'static, Vec<String>>;

    /// Asks the session.
    fn say(&self, command: Command) -> BoxFuture<'static, Answer>;

    /// Runs the shell on the terminal, which is as it was before the view; why it could not, in words.
    fn shell(&self) -> BoxFuture<'static, Result<(), String>>;

    /// Pictures of the services on the cluster: of the session's own picture, with what runs there in place of what
    /// runs here. The way there is open until the receiver is dropped; why there is none, in words.
    fn cluster(
        &self,
        local: watch::Receiver<Arc<Snapshot>>,
    ) -> BoxFuture<'static, Result<watch::Receiver<Arc<Snapshot>>, String>>;

    /// The fleet of this machine in lines of text, anew until the receiver is dropped; none where nobody can tell of it.
    fn fleet(&self) -> Option<watch::Receiver<Arc<Vec<String>>>> {
        None
    }

    /// Opens the session's page in a browser, and says so in words; none where it has no page.
    fn page(&self) -> Option<BoxFuture<'static, Result<String, String>>> {
        None
    }

    /// The files that hold what was written by a service, or by all; none: the view's own lines are shown.
    fn log_files(&self, service: Option<&str>) -> Vec<PathBuf>;
}

#[derive(Clone, Copy, Debug)]
pub struct ViewOptions {
    /// What the terminal can show.
    pub theme: Theme,
    /// Whether the mouse is the view's from the start.
    pub mouse: bool,
    /// How many log lines are kept.
    pub log_lines: usize,
}

impl Default for ViewOptions {
    /// Colour unless `NO_COLOR` says otherwise, the mouse, 10,000 lines.
    fn default() -> Self {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { theme: Theme { colour, ascii: false }, mouse: true, log_lines: 10_000 }
    }
}

/// Why the view ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The user wants to quit.
    Quit,
    /// The session ended.
    Ended,
    TerminalGone,
}

/// Why the view cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The terminal does not do what it is told.
    #[error("cannot {doing}: {source}")]
    Terminal {
        /// What was to be done.
        doing: &'static str,
        source: std::io::Error,
    },
    /// Something in this process panicked; its words are on the terminal.
    #[error("a part of the program panicked while the view was shown")]
    Panicked,
}
