//! The terminal view: every hop, live.
//!
//! A pure core and a thin edge. [`update()`] says what follows from a key, [`draw()`] makes the picture, both from plain
//! data: a [`Model`] (where the user is), a [`session_api::Snapshot`] (how the session does) and a [`LogRing`].
//! [`run()`] is the edge: it takes the terminal, draws what changed, and does what is to be done.

mod act;
mod answer;
mod data;
mod deed;
mod draw;
mod edits;
mod graph;
mod jobs;
mod keys;
mod layout;
mod log;
mod log_view;
mod model;
mod pace;
mod program;
mod prompt;
mod run;
mod scope;
mod screen;
mod source;
mod sources;
mod theme;
mod units;
mod update;

pub use act::{Action, Completions, ViewInput};
pub use draw::draw;
pub use log::{LogRing, Logged, ShownLine, short};
pub use model::{LogView, Model, Overlay, Pane, TimelineRow};
pub use prompt::{Prompt, Purpose};
pub use run::run;
pub use scope::Scope;
pub use screen::is_away;
pub use source::{Exit, Handler, TuiError, ViewOptions, ViewSource};
pub use theme::Theme;
pub use update::update;
