//! The shell over a session that is only played.

mod piped;
#[path = "../../examples/played/played.rs"]
mod played;
mod terminal;
