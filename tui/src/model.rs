//! What the view itself knows: where the user is, and nothing of the session.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use session_api::push::PushView;
use session_api::snapshot::ServiceView;
use session_api::{Severity, Snapshot};

use crate::prompt::Prompt;
use crate::scope::Scope;
use crate::theme::Theme;

/// Where the user is.
#[derive(Clone, Debug)]
pub struct Model {
    /// The pane the keys go to.
    pub focus: Pane,
    /// The chosen service; none: the one that the last edit changed.
    pub service: Option<String>,
    /// The chosen line of the timeline; none: the latest.
    pub entry: Option<TimelineRow>,
    /// The chosen job, by its id; none: the newest.
    pub job: Option<String>,
    /// The chosen bucket; none: the first.
    pub bucket: Option<String>,
    /// The chosen request among [`Snapshot::traces`].
    pub trace: usize,
    /// Only services and edits that this occurs in are listed.
    pub filter: String,
    /// Which of the time windows is shown.
    pub window: usize,
    /// Whether the focused pane has the whole screen.
    pub expanded: bool,
    /// Whether the picture stands still: the number of the first log line that is not shown.
    pub frozen: Option<u64>,
    /// Whose services are shown.
    pub scope: Scope,
    /// What lies over the panes.
    pub overlay: Option<Overlay>,
    /// The fleet of this machine as it was told last.
    pub fleet: Arc<Vec<String>>,
    /// What is being typed.
    pub prompt: Option<Prompt>,
    /// What was run before, oldest first.
    pub history: Vec<String>,
    /// What is said above the bottom line until the next key.
    pub message: Option<String>,
    /// Which log lines are shown.
    pub logs: LogView,
    /// What the user decided on the diagnostics of an edit: whether they have the screen.
    pub findings: Option<(u64, bool)>,
    /// The chosen diagnostic.
    pub diagnostic: usize,
    /// The texts that diagnostics speak of.
    pub sources: BTreeMap<PathBuf, Arc<str>>,
    /// Whether the key before this one warned that a push is under way: once more means it.
    pub warned: bool,
    /// Whether the mouse is ours rather than the terminal's.
    pub mouse: bool,
    /// What the terminal can show.
    pub theme: Theme,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
}

/// A part of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// Services and what feeds them.
    Flow,
    /// What was measured.
    #[default]
    Hops,
    /// What was saved and what became of it.
    Edits,
    /// What services wrote.
    Logs,
    /// Durable jobs, where the session accepts them.
    Jobs,
    /// Buckets and their copies, where a data server tells of them.
    Data,
}

/// A line of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimelineRow {
    /// An edit, by its number.
    Edit(u64),
    /// A push or rollback, by its number in the session.
    Push(u64),
}

/// What lies over the panes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// Every key.
    Help {
        /// Rows that went out at the top.
        scroll: usize,
    },
    /// The latest push or rollback: its plan, the question, how it goes.
    Push {
        /// Rows that went out at the top.
        scroll: usize,
    },
    /// The fleet of this machine: its nodes and what they share.
    Fleet {
        /// Rows that went out at the top.
        scroll: usize,
    },
    /// What a command answered.
    Output {
        /// The command.
        title: String,
        lines: Vec<String>,
        /// Rows that went out at the top.
        scroll: usize,
    },
}

impl Overlay {
    /// Rows that went out at the top.
    pub(crate) fn scroll(&mut self) -> &mut usize {
        match self {
            Self::Help { scroll } | Self::Push { scroll } | Self::Fleet { scroll } | Self::Output { scroll, .. } => {
                scroll
            }
        }
    }
}

/// Which log lines are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogView {
    /// Of this service alone.
    pub service: Option<String>,
    /// With this trace id in them alone.
    pub trace: Option<String>,
    /// What is marked, and what `n` and `N` jump to.
    pub search: String,
    /// The number of the line the keys stand on; none: the last, whatever comes.
    pub at: Option<u64>,
}

impl Pane {
    /// Every pane, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Flow, Self::Hops, Self::Edits, Self::Logs, Self::Jobs, Self::Data];

    pub fn title(self) -> &'static str {
        match self {
            Self::Flow => "Flow",
            Self::Hops => "Hops",
            Self::Edits => "Edits",
            Self::Logs => "Logs",
            Self::Jobs => "Jobs",
            Self::Data => "Data",
        }
    }

    /// Whether there is anything for it to show.
    pub(crate) fn is_there(self, snapshot: &Snapshot) -> bool {
        match self {
            Self::Jobs => snapshot.jobs.is_some(),
            Self::Data => snapshot.data.is_some(),
            _ => true,
        }
    }

    /// The key it has, from 1.
    pub fn number(self) -> usize {
        self as usize + 1
    }
}

impl Model {
    /// A view of a session that has just begun.
    pub fn new(theme: Theme, mouse: bool, size: (u16, u16)) -> Self {
        Self {
            focus: Pane::default(),
            service: None,
            entry: None,
            job: None,
            bucket: None,
            trace: 0,
            filter: String::new(),
            window: 0,
            expanded: false,
            frozen: None,
            scope: Scope::default(),
            overlay: None,
            fleet: Arc::default(),
            prompt: None,
            history: Vec::new(),
            message: None,
            logs: LogView::default(),
            findings: None,
            diagnostic: 0,
            sources: BTreeMap::new(),
            warned: false,
            mouse,
            theme,
            size,
        }
    }

    /// Whether diagnostics have the screen: where the file is broken, unless the user decided otherwise.
    pub fn shows_diagnostics(&self, snapshot: &Snapshot) -> bool {
        match self.findings {
            Some((edit, shown)) if edit == snapshot.edit => shown && !snapshot.diagnostics.is_empty(),
            _ => is_broken(snapshot),
        }
    }
}

/// The latest push or rollback, where it has not come to its end.
pub(crate) fn open_push(snapshot: &Snapshot) -> Option<&PushView> {
    snapshot.pushes.last().filter(|push| push.is_open())
}

/// Whether something stops the build of the file as it stands.
pub(crate) fn is_broken(snapshot: &Snapshot) -> bool {
    snapshot.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// The services that are listed, in the order their data flows.
pub(crate) fn listed<'a>(model: &Model, snapshot: &'a Snapshot) -> Vec<&'a ServiceView> {
    let order = crate::graph::order(snapshot);
    order.into_iter().map(|at| &snapshot.services[at]).filter(|service| matches(&service.name, &model.filter)).collect()
}

/// Where the chosen service stands in that list. Unless the user chose, it is the one that the last edit changed.
pub(crate) fn chosen(model: &Model, snapshot: &Snapshot, listed: &[&ServiceView]) -> usize {
    let edited = || snapshot.edits.iter().rev().find_map(|edit| edit.services.first());
    let name = model.service.as_deref().or_else(|| edited().map(|service| service.name.as_str()));
    listed.iter().position(|service| Some(service.name.as_str()) == name).unwrap_or(0)
}

pub(crate) fn chosen_service<'a>(model: &Model, snapshot: &'a Snapshot) -> Option<&'a ServiceView> {
    let listed = listed(model, snapshot);
    listed.get(chosen(model, snapshot, &listed)).copied()
}

/// Whether a text has a part in it, whatever its case.
pub(crate) fn matches(text: &str, part: &str) -> bool {
    part.is_empty() || text.to_lowercase().contains(&part.to_lowercase())
}
