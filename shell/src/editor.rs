//! What helps while a line is typed: completion, hints, colours, and more lines while brackets are open.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;
use rustyline::completion::{Candidate, Completer};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::SearchDirection;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};
use session::Snapshot;
use session::grammar::{complete, doubts, expected, is_complete};

use crate::paint::{Paint, QUIET};

/// The latest picture of the session, for what is typed now.
pub(crate) type Latest = Arc<Mutex<Snapshot>>;

/// Helps with a line.
pub(crate) struct Editor {
    pub(crate) latest: Latest,
    /// Asks the session for a newer picture; what it says is in `latest` then.
    pub(crate) refresh: Box<dyn Fn() + Send>,
    pub(crate) paint: Paint,
}

impl Helper for Editor {}

impl Editor {
    fn with<T>(&self, see: impl FnOnce(&Snapshot) -> T) -> T {
        // A picture is put there whole, so one is there even if another thread panicked.
        see(&self.latest.lock())
    }
}

/// A candidate as it is listed.
pub(crate) struct Offer {
    listed: String,
    text: String,
}

impl Candidate for Offer {
    fn display(&self) -> &str {
        &self.listed
    }

    fn replacement(&self) -> &str {
        &self.text
    }
}

impl Completer for Editor {
    type Candidate = Offer;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Offer>)> {
        // An edit may have gone live since the prompt stands there.
        (self.refresh)();
        let (start, candidates) = self.with(|snapshot| complete(line, cursor, snapshot));
        let offer = |candidate: session::grammar::Candidate| Offer {
            listed: match candidate.description.as_str() {
                "" => candidate.text.clone(),
                // A service's description begins with its name.
                description if description.starts_with(&candidate.text) => description.to_owned(),
                description => format!("{}  {description}", candidate.text),
            },
            text: candidate.text,
        };
        Ok((start, candidates.into_iter().map(offer).collect()))
    }
}

/// Text behind the cursor.
pub(crate) struct Ghost {
    shown: String,
    taken: Option<String>,
}

impl Hint for Ghost {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.taken.as_deref()
    }
}

impl Hinter for Editor {
    type Hint = Ghost;

    fn hint(&self, line: &str, cursor: usize, context: &Context<'_>) -> Option<Ghost> {
        if cursor < line.len() || line.trim().is_empty() {
            return None;
        }
        // Without colour a hint would look like what is typed: then there are notes alone, set apart.
        let plain = !self.paint.on;
        let note = |text: String| Ghost { shown: if plain { format!("   ({text})") } else { text }, taken: None };
        if let Some(doubt) = self.with(|snapshot| doubts(line, snapshot).into_iter().next()) {
            return Some(note(format!("{}? {}", if plain { "" } else { "   " }, doubt.message)));
        }
        if plain {
            return self.with(|snapshot| expected(line, cursor, snapshot)).map(note);
        }
        let rest = |text: &str| Ghost { shown: text.to_owned(), taken: Some(text.to_owned()) };
        let (start, candidates) = self.with(|snapshot| complete(line, cursor, snapshot));
        if let [candidate] = &candidates[..]
            && start < cursor
            && let Some(missing) = candidate.text.strip_prefix(&line[start..]).filter(|missing| !missing.is_empty())
        {
            return Some(rest(missing));
        }
        let history = context.history();
        let before = history.len().checked_sub(1)?;
        let found = history.starts_with(line, before, SearchDirection::Reverse).ok().flatten();
        let earlier = found.and_then(|found| found.entry.strip_prefix(line).filter(|rest| !rest.is_empty()).map(rest));
        earlier.or_else(|| self.with(|snapshot| expected(line, cursor, snapshot)).map(note))
    }
}

impl Highlighter for Editor {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Owned(self.paint.line(line))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.paint.paint(QUIET, hint))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.paint.on && kind != CmdKind::MoveCursor
    }
}

impl Validator for Editor {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let whole = is_complete(context.input());
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}
