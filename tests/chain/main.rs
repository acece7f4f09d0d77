//! The main job, end to end, on both backends: the same checks against processes and against containers.
//!
//! A Docker engine must answer; where none does, these tests fail rather than pass over what they are for. Some run as
//! root: they mount a disk to fill and start an engine to end.

mod buckets;
mod building;
mod builds;
mod dependencies;
mod edits;
mod engine;
mod environment;
mod errors;
mod examples;
mod faces;
mod faults;
mod floods;
mod groups;
mod hops;
mod instances;
mod machines;
mod moves;
mod reach;
mod recordings;
mod replaying;
mod resources;
mod saves;
mod secrets;
mod sessions;
mod sockets;
mod starts;
mod state;
mod takeovers;
mod together;
mod toolchain;
