//! The terminal view: every hop, live.
//!
//! A pure core and a thin edge. [`update`] says what follows from a key, [`draw`] makes the picture, both from plain
//! data: a [`Model`] (where the user is), a [`session::Snapshot`] (how the session does) and a [`LogRing`].

mod act;
mod deed;
mod draw;
mod edits;
mod graph;
mod layout;
mod log;
mod log_view;
mod model;
mod prompt;
mod theme;
mod units;
mod update;

pub use act::{Act, Completions, Input};
pub use draw::draw;
pub use log::{LogLine, LogRing, Logged};
pub use model::{LogView, Model, Overlay, Pane};
pub use prompt::{Prompt, Purpose};
pub use theme::Theme;
pub use update::update;
