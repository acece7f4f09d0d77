//! What an app is, on a Kubernetes cluster: told apart from what runs there, shipped, rolled out, looked after.

pub mod cluster;
pub mod export;
pub mod history;
pub mod hosts;
pub mod image;
pub mod model;
pub mod object;
pub mod plan;
pub mod project;
pub mod proxy;
pub mod push;
pub mod settings;
pub mod ship;
#[cfg(test)]
mod testing;
pub mod wire;
