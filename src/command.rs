//! A subcommand a file.

use std::path::{Path, PathBuf};

pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod cluster_events;
pub(crate) mod cluster_logs;
pub(crate) mod cluster_view;
pub(crate) mod completions;
pub(crate) mod debug;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod graph;
pub(crate) mod history;
pub(crate) mod host;
pub(crate) mod ide;
pub(crate) mod invoke;
pub(crate) mod keep;
pub(crate) mod logs;
pub(crate) mod new;
pub(crate) mod observe;
pub(crate) mod push;
pub(crate) mod recordings;
pub(crate) mod remote;
pub(crate) mod replay;
pub(crate) mod replay_worker;
pub(crate) mod rollback;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod trust;
pub(crate) mod view;

/// The log of an app on this machine. None before there is a home or a file: the command says so itself.
pub(crate) fn log_file(file: &Path) -> Option<PathBuf> {
    let place = session::Home::open().ok()?.place(file).ok()?;
    Some(place.folder.join("log"))
}
