//! What `app.rs` imports.
pub mod border;
