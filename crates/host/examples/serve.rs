//! A host without `dyn` around it, for measuring and for tests: runs the services whose configurations are in folders.

use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let folders: Vec<_> = std::env::args_os().skip(1).map(Into::into).collect();
    Ok(host::run(&folders)?.into())
}
