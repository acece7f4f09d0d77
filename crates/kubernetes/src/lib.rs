//! What an app is, on a Kubernetes cluster: told apart from what runs there, shipped, rolled out, looked after.

pub mod cluster;
pub mod export;
pub mod history;
pub mod hosts;
pub mod model;
pub mod object;
pub mod plan;
pub mod project;
pub mod push;
pub mod settings;
pub mod settings_file;
pub mod wire;
