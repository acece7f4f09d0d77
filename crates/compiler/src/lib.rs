//! App to one small library per service, with rustc's words at the user's lines.
//!
//! Cargo builds an app's dependencies once and is asked how it would call rustc ([`Builder::prepare`]); from then on
//! a service is a slice of the user's file, a few lines of glue below it, and one call of rustc and the fastest
//! linker ([`Builder::build`]). Libraries are kept by what they are built from, so that undoing an edit builds
//! nothing.

mod ahead;
mod archive;
mod artifact;
mod attempt;
mod base;
mod batch;
mod builder;
mod capture;
mod carried;
mod certain;
mod compile;
mod dependencies;
mod editor;
mod error;
mod explain;
mod files;
mod finding;
mod flow;
mod glue;
mod hash;
mod in_use;
mod leftover;
mod linker;
mod manifest;
mod outside;
mod package;
mod permits;
mod process;
mod profile;
mod progress;
mod ready;
mod recipe;
mod rooms;
mod rustc;
mod script;
mod toolchain;
mod types;

pub use artifact::{Artifact, Usage, needs};
pub use batch::ExpectedBuild;
pub use builder::{Builder, LIMIT, Machine, usage};
pub use carried::{LOCK, unpack_runtime};
pub use editor::{Editor, EditorCrate, EditorDependency, EditorProject, EditorSource, OwnPackage, read_project};
pub use error::BuildError;
pub use finding::{Finding, merge};
pub use in_use::clear;
pub use linker::Linker;
pub use profile::Profile;
pub use progress::{BuildListener, Progress};
pub use recipe::{Recipe, environment};
pub use rooms::RoomError;
pub use toolchain::Toolchain;
