//! Lists the sources of the runtime that `dyn` carries, as `include_str!` so that rustc sees every change of them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
    let house = folder("CARGO_MANIFEST_DIR")?.join("..").canonicalize()?;
    let mut files = Vec::new();
    for room in ["runtime", "runtime/macros"] {
        files.push(house.join(room).join("Cargo.toml"));
        collect(&house.join(room).join("src"), &mut files)?;
    }
    files.sort();
    let mut list = String::from("pub(crate) const FILES: &[(&str, &str)] = &[\n");
    for file in &files {
        let name = file.strip_prefix(&house).unwrap_or(file);
        writeln!(list, "    ({name:?}, include_str!({file:?})),").map_err(io::Error::other)?;
    }
    let lock = house.join("../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
    write!(list, "];\n/// The versions that `dyn` was built with.\npub const LOCK: &str = include_str!({lock:?});\n")
        .map_err(io::Error::other)?;
    fs::write(folder("OUT_DIR")?.join("carried.rs"), list)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
