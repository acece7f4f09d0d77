//! A subcommand a file.

pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod graph;
pub(crate) mod history;
pub(crate) mod host;
pub(crate) mod invoke;
pub(crate) mod keep;
pub(crate) mod logs;
pub(crate) mod new;
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
