//! What the hosts measured: asked of each of them, and handed on to a collector where the user named one.

mod ask_pace;
mod exporter;
mod follow;
mod gather;
mod host_address;
pub(crate) mod measurer;
mod measuring;
pub(crate) mod rank;
mod records;
mod settings;

pub use ask_pace::AskPace;
pub use exporter::{Exporter, Standing};
pub use follow::{Followed, follow};
pub use host_address::HostAddress;
pub use measuring::{Measuring, Standings};
pub use records::{Recorded, follow_records};
pub use settings::{ExportSettings, ExportSettingsError};
