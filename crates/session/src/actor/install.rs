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

/// Puts a library into a service's folder under its own name, with what it needs beside it, and answers the name. It may
/// be the file of others, too, where it is `shared`.
pub(crate) fn library(folder: &Path, library: &Path, shared: bool) -> io::Result<String> {
    for need in compiler::needs(library) {
        file(folder, &need, true)?;
    }
    file(folder, library, shared)
}

/// Puts a file into a folder under its own name, and answers that.
fn file(folder: &Path, file: &Path, shared: bool) -> io::Result<String> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| io::Error::other(format!("{} is no file", file.display())))?;
    let there = folder.join(&name);
    let known = fs::metadata(file)?;
    // Its name says what it holds. One that was cut short is put there anew.
    if fs::metadata(&there).is_ok_and(|there| there.len() == known.len()) {
        return Ok(name);
    }
    // A library of many services is in many folders: once on the disk, and once in memory.
    let is_for_all = known.permissions().mode() & FOR_ALL == FOR_ALL;
    if shared && is_for_all && fs::hard_link(file, &there).is_ok() {
        return Ok(name);
    }
    put(folder, &name, &fs::read(file)?)?;
    Ok(name)
}

/// Everybody may read a file: a container runs as another user.
const FOR_ALL: u32 = 0o044;

/// Removes the libraries of services that nobody comes back with: all but these. What they need beside them is a few files,
/// which later ones need, too.
pub(crate) fn clear(folder: &Path, keep: &[Option<&str>]) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_kept = keep.iter().flatten().any(|kept| name.as_os_str() == *kept);
        let is_of_service = name.to_string_lossy().starts_with("lib-");
        if entry.path().extension().is_some_and(|end| end == "so") && is_of_service && !is_kept {
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_library_comes_with_what_it_needs_which_stays_when_it_goes() {
        let (made, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |name: &str, text: &str| fs::write(made.path().join(name), text).unwrap();
        write("libbase-1.so", "what services share");
        for number in [1, 2] {
            write(&format!("lib-{number}.so"), "a service");
            write(&format!("lib-{number}.needs"), "libbase-1.so");
        }
        let there = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(library(folder.path(), &made.path().join("lib-1.so"), true).unwrap(), "lib-1.so");
        assert_eq!(there("libbase-1.so").as_deref(), Some("what services share"));
        // Cut short, as by a full disk, it is put there anew.
        fs::remove_file(folder.path().join("libbase-1.so")).unwrap();
        fs::write(folder.path().join("libbase-1.so"), "what").unwrap();
        library(folder.path(), &made.path().join("lib-2.so"), true).unwrap();
        assert_eq!(there("libbase-1.so").as_deref(), Some("what services share"));
        clear(folder.path(), &[Some("lib-2.so")]).unwrap();
        assert_eq!([there("lib-1.so").is_some(), there("lib-2.so").is_some()], [false, true]);
        assert!(there("libbase-1.so").is_some());
        // What it needs is gone: that is an error, and not a library that does not load.
        fs::remove_file(made.path().join("libbase-1.so")).unwrap();
        assert!(library(folder.path(), &made.path().join("lib-1.so"), true).is_err());
    }
}
