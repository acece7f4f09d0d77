//! The one loop that owns a running app.
