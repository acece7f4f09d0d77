//! The `dyn` command.
fn main() {}
