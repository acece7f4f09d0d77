//! What the hosts measured: asked of each of them, and handed on to a collector where the user named one.

mod exporter;
mod follow;
mod settings;

pub use exporter::{Exporter, Standing};
pub use follow::{Followed, Host, follow};
pub use settings::{Settings, SettingsError};
