//! A host without `dyn` around it, for measuring: runs the service whose configuration is in a folder.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().next_back().ok_or("say which folder")?;
    Ok(host::run(folder.as_ref())?)
}
