//! What the view is told, and what it wants done.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};
use session_api::Command;

use crate::scope::Scope;

/// Something the view is told.
#[derive(Clone, Debug)]
pub enum ViewInput {
    /// A key went down.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The terminal has these columns and rows now.
    Resize(u16, u16),
    /// Text was pasted.
    Paste(String),
    /// A new picture or new log lines are there.
    Tick,
    /// What can stand where the cursor is, for a prompt of this text.
    Completions {
        /// The text that was asked about.
        text: String,
        /// What can stand there.
        found: Completions,
    },
    /// What a command answered, in words.
    Answered {
        /// The command, as the user would say it.
        title: String,
        lines: Vec<String>,
    },
    /// What a file holds that diagnostics speak of.
    Source(PathBuf, Arc<str>),
    /// Something to say to the user.
    Said(String),
    /// Whose services are shown from now on.
    Shows(Scope),
    /// The fleet of this machine, in lines.
    Fleet(Arc<Vec<String>>),
}

/// Words that can stand at a place of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// Where they begin, in bytes; they go up to the cursor.
    pub start: usize,
    pub words: Vec<String>,
}

/// Something the view wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Leave the view.
    Quit,
    /// Draw again; what the terminal shows is not to be relied on.
    Redraw,
    /// Ask the session.
    Say(Command),
    /// Ask what can stand at the cursor.
    Complete {
        /// The line as it stands.
        text: String,
        /// Where the cursor is, in bytes.
        cursor: usize,
    },
    /// Run a line of the grammar.
    Run(String),
    /// Open a place in the user's editor.
    OpenEditor {
        file: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Open the session's page in a browser.
    OpenPage,
    /// Open the logs in the user's pager.
    OpenPager {
        /// Of this service; none: of all.
        service: Option<String>,
    },
    /// Put text into the clipboard.
    Copy(String),
    /// Leave the screen to the shell until it ends.
    Shell,
    /// Stop until the user's shell brings us back.
    Suspend,
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Hold the picture, or let it move again.
    Freeze(bool),
    /// Tell of the fleet as long as it is shown.
    Fleet,
    /// Show the services that run on the cluster, or those that run here.
    Cluster(bool),
}
