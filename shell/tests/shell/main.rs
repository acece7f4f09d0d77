//! The shell over a session that is only played.

mod piped;
#[path = "../../examples/demo/played.rs"]
mod played;
mod terminal;
