//! Images, brought to real registries and engines: Debian's docker-registry, a containerd of the tests' own, Docker's
//! engine. What cannot be had here (kind, k3d) is stood in for by a script that checks what it is asked. Needs root,
//! as containerd does, and a running Docker engine.
#![expect(clippy::unwrap_used, reason = "tests")]

mod containerd;
mod engine;
mod loaders;
mod made;
mod refusals;
mod registry;
mod served;
mod started;
