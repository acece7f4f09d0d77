//! What the hosts measured: asked of each of them, and handed on to a collector where the user named one.

mod exporter;
mod follow;
mod records;
mod settings;

pub use exporter::{Exporter, Standing};
pub use follow::{Followed, Host, follow};
pub use records::{Recorded, follow_records};
pub use settings::{Settings, SettingsError};
