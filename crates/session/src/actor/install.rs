//! What is put into a service's folder: whole, or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use protocol::Config;

/// Writes a host's configuration.
pub(crate) fn configure(folder: &Path, config: &Config) -> io::Result<()> {
    put(folder, "config.json", &serde_json::to_vec_pretty(config)?)
}

/// Puts a library into a service's folder under its own name, and answers the name. It may be the file of others, too,
/// where it is `shared`.
pub(crate) fn library(folder: &Path, library: &Path, shared: bool) -> io::Result<String> {
    let name = library.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| io::Error::other(format!("{} is no file", library.display())))?;
    // A library of many services is in many folders: once on the disk, and once in memory.
    let there = folder.join(&name);
    if there.exists() || shared && is_for_all(library)? && fs::hard_link(library, &there).is_ok() {
        return Ok(name);
    }
    put(folder, &name, &fs::read(library)?)?;
    Ok(name)
}

/// Whether everybody may read a file: a container runs as another user.
fn is_for_all(file: &Path) -> io::Result<bool> {
    Ok(fs::metadata(file)?.permissions().mode() & 0o044 == 0o044)
}

/// Removes the libraries that nobody comes back with: all but these.
pub(crate) fn clear(folder: &Path, keep: &[Option<&str>]) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_kept = keep.iter().flatten().any(|kept| name.as_os_str() == *kept);
        if entry.path().extension().is_some_and(|end| end == "so") && !is_kept {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes aside and renames: whoever reads finds the old or the new, never a half.
fn put(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let aside = folder.join(format!(".{name}.new"));
    let written = File::create(&aside).and_then(|mut file| {
        file.write_all(content)?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        fs::rename(&aside, folder.join(name))
    });
    if written.is_err() {
        // A disk that is full is not helped by a half.
        drop(fs::remove_file(&aside));
    }
    written
}
