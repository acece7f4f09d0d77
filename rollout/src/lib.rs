//! What an app is, on a Kubernetes cluster: told apart from what runs there, shipped, rolled out, looked after.

pub mod image;
pub mod ship;
