//! What an app is, on a Kubernetes cluster: told apart from what runs there, shipped, rolled out, looked after.

#[cfg(feature = "cluster")]
pub mod cluster;
#[cfg(feature = "cluster")]
pub mod export;
#[cfg(feature = "cluster")]
pub mod history;
#[cfg(feature = "cluster")]
pub mod hosts;
pub mod model;
#[cfg(feature = "cluster")]
pub mod object;
#[cfg(feature = "cluster")]
pub mod plan;
#[cfg(feature = "cluster")]
pub mod project;
#[cfg(feature = "cluster")]
pub mod push;
pub mod settings;
pub mod settings_file;
pub mod wire;
