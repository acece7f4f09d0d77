//! A host without `dyn` around it, for measuring and for tests: runs the service whose configuration is in a folder.

use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let folder = std::env::args().next_back().ok_or("say which folder")?;
    Ok(host::run(folder.as_ref())?.into())
}
