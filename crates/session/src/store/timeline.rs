//! The edits of an app, kept from session to session beside what else is the app's: a line of JSON each.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use session_api::snapshot::{EditLine, EditOutcome, EditedService};

use crate::store::home::AppPlace;

/// As many edits are kept; the file is shortened when a session finds twice as many lines.
const KEPT: usize = 1000;

/// An edit of any session of an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edited {
    /// When it was saved, by this machine's clock.
    pub at: Timestamp,
    /// When its session began, which tells sessions apart.
    pub session: Timestamp,
    /// Its number in the session.
    pub edit: u64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: EditOutcome,
    /// The services it changed.
    pub services: Vec<EditedService>,
    /// Whether services feed each other in another way since.
    pub flow: bool,
    /// Milliseconds from the settled save to the first answer of the new code, where it went live.
    pub ms: Option<f64>,
}

/// What is known of an app's edits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// The oldest first.
    pub edits: Vec<Edited>,
    /// Lines that do not read: torn by a full disk or a killed session, or another version's.
    pub unread: usize,
}

/// Every edit that is kept of an app.
///
/// # Errors
/// The file is there and cannot be read.
pub fn edits(place: &AppPlace) -> io::Result<Edits> {
    read(&place.timeline())
}

/// Writes edits down as they come.
pub(crate) struct Timeline {
    file: PathBuf,
    session: Timestamp,
}

impl Timeline {
    /// The timeline of an app, for a session that begins now. The oldest edits of very many are let go.
    pub(crate) fn open(place: &AppPlace) -> io::Result<Self> {
        let file = place.timeline();
        let kept = read(&file)?;
        if kept.edits.len() + kept.unread > 2 * KEPT {
            let beside = file.with_extension("new");
            let mut shorter = private().write(true).create(true).truncate(true).open(&beside)?;
            for edit in &kept.edits[kept.edits.len().saturating_sub(KEPT)..] {
                write(&mut shorter, edit)?;
            }
            fs::rename(&beside, &file)?;
        }
        Ok(Self { file, session: Timestamp::now() })
    }

    /// Writes down what became of an edit that was saved so long ago. What is said later of the same one holds.
    pub(crate) fn note(&self, line: &EditLine, ago: Duration) -> io::Result<()> {
        let now = Timestamp::now();
        let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::ZERO);
        let edit = Edited {
            at: now.checked_sub(ago).unwrap_or(now),
            session: self.session,
            edit: line.edit,
            outcome: line.outcome.clone(),
            services: line.services.clone(),
            flow: line.flow,
            ms: line.ms.map(|ms| ms.total),
        };
        write(&mut private().append(true).create(true).open(&self.file)?, &edit)
    }
}

/// Only its owner reads it: it says what was worked on.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// In one piece, so that two sessions never mix their lines.
fn write(file: &mut File, edit: &Edited) -> io::Result<()> {
    let mut line = serde_json::to_vec(edit)?;
    line.push(b'\n');
    file.write_all(&line)
}

fn read(file: &Path) -> io::Result<Edits> {
    let open = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Edits::default()),
        open => open?,
    };
    let mut known = Edits::default();
    let mut places: HashMap<(Timestamp, u64), usize> = HashMap::new();
    for line in BufReader::new(open).split(b'\n') {
        match serde_json::from_slice::<Edited>(&line?) {
            Ok(edit) => match places.get(&(edit.session, edit.edit)) {
                Some(at) => known.edits[*at] = edit,
                None => {
                    places.insert((edit.session, edit.edit), known.edits.len());
                    known.edits.push(edit);
                }
            },
            Err(_) => known.unread += 1,
        }
    }
    Ok(known)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn place(folder: &Path) -> AppPlace {
        let (folder, state) = (folder.to_owned(), folder.join("state"));
        fs::create_dir(&state).unwrap();
        AppPlace { name: "app".to_owned(), id: "0".to_owned(), file: folder.join("app.rs"), folder, state }
    }

    fn line(edit: u64, outcome: EditOutcome) -> EditLine {
        EditLine { edit, at_ms: 0, outcome, services: Vec::new(), flow: false, ms: None, judgement: None }
    }

    #[test]
    fn what_became_of_an_edit_is_the_last_that_was_said_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let timeline = Timeline::open(&place).unwrap();
        timeline.note(&line(1, EditOutcome::Live), Duration::ZERO).unwrap();
        timeline.note(&line(2, EditOutcome::Unchanged), Duration::from_secs(60)).unwrap();
        let why = "it ended".to_owned();
        timeline.note(&line(1, EditOutcome::RolledBack { why: why.clone() }), Duration::ZERO).unwrap();
        fs::write(place.timeline(), [fs::read(place.timeline()).unwrap(), b"{torn\n".to_vec()].concat()).unwrap();
        let known = edits(&place).unwrap();
        assert_eq!(known.unread, 1);
        let outcomes: Vec<_> = known.edits.iter().map(|edit| (edit.edit, edit.outcome.clone())).collect();
        assert_eq!(outcomes, [(1, EditOutcome::RolledBack { why }), (2, EditOutcome::Unchanged)]);
        assert!(known.edits[1].at < known.edits[0].at);
    }

    #[test]
    fn the_oldest_of_very_many_are_let_go_by_the_next_session() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let timeline = Timeline::open(&place).unwrap();
        for edit in 0..=2 * KEPT as u64 {
            timeline.note(&line(edit, EditOutcome::Live), Duration::ZERO).unwrap();
        }
        Timeline::open(&place).unwrap();
        let known = edits(&place).unwrap();
        assert_eq!((known.edits.len(), known.edits[0].edit), (KEPT, KEPT as u64 + 1));
    }
}
