//! A package in a folder of its own, written whole or not at all.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use session::Home;

use super::name;
use super::template::{Names, Template};
use crate::fault::{Fault, Kind};
use crate::{quoted, speech};

/// What may be in the folder of a new package.
const GIT: &str = ".git";

pub(super) fn write(path: &Path, template: Template, published: bool) -> Result<(), Fault> {
    let folder = place(path)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name::check_package(&name).map_err(|bad| {
        let better = path.with_file_name(&bad.suggestion);
        Fault::new(Kind::Usage, format!("{name:?} cannot be the name of a package: {}", bad.why))
            .hint(format!("try: dyn new {}", quoted::word(&better)))
    })?;
    let is_there = is_free(&folder)?;
    let runtime = if published {
        format!("dyninka = {:?}", env!("CARGO_PKG_VERSION"))
    } else {
        let runtime = compiler::unpack_runtime(&Home::open()?.runtime())
            .map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
        // A string of JSON is one of TOML.
        let quoted = serde_json::Value::from(runtime.display().to_string());
        format!("# Written by `dyn new` for this machine.\ndyninka = {{ path = {quoted} }}")
    };
    let app = name.to_lowercase().replace('_', "-");
    let names = Names { package: &name, app: app.trim_matches('-'), runtime: &runtime };
    let mut files = template.files(&names);
    if is_in_package(&folder) {
        // Cargo would look for it among the members of the package above.
        files
            .iter_mut()
            .filter(|(path, _)| *path == "Cargo.toml")
            .for_each(|(_, text)| text.push_str("\n[workspace]\n"));
    }
    let parent = folder.parent().unwrap_or(Path::new("/"));
    let bad = |error: io::Error| unwritable(&folder, &error);
    fs::create_dir_all(parent).map_err(bad)?;
    let aside = tempfile::Builder::new().prefix(".dyn-new-").tempdir_in(parent).map_err(bad)?;
    let staged = aside.path().join(&name);
    for (path, text) in &files {
        let file = staged.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&staged)).map_err(bad)?;
        fs::write(&file, text).map_err(bad)?;
    }
    lock(&staged);
    settle(&staged, &folder, is_there).map_err(bad)?;
    let listed: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    drop(speech::err(format_args!("wrote {}: {}", path.display(), listed.join(", "))));
    let enter = if path == Path::new(".") { String::new() } else { format!("cd {} && ", quoted::word(path)) };
    drop(speech::err(format_args!("run it with: {enter}dyn dev")));
    Ok(())
}

/// The folder, absolute, with the name it has.
fn place(path: &Path) -> Result<PathBuf, Fault> {
    let found = path.canonicalize().or_else(|_| std::path::absolute(path));
    found.map_err(|error| Fault::new(Kind::Usage, format!("cannot find {}: {error}", path.display())))
}

/// Whether the folder is there, and nothing of anybody's in it.
fn is_free(folder: &Path) -> Result<bool, Fault> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(Fault::new(Kind::Usage, format!("{} is there already, and is no folder", folder.display()))
                .hint("choose a name that is free"));
        }
        Err(error) => return Err(Fault::new(Kind::Machine, format!("cannot read {}: {error}", folder.display()))),
        Ok(entries) => entries,
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != GIT);
    names.sort();
    let Some(first) = names.first() else { return Ok(true) };
    let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
    Err(Fault::new(Kind::Usage, format!("{} is not empty: it holds {first}{more}", folder.display()))
        .hint("choose a folder that is new or empty; nothing was written"))
}

/// Whether a folder above belongs to a package or a workspace.
fn is_in_package(folder: &Path) -> bool {
    folder.ancestors().skip(1).any(|above| above.join("Cargo.toml").is_file())
}

/// Writes a lock file with the versions that `dyn` itself was built with, so that a machine without a network that built
/// `dyn` can build the package. Where that cannot be, cargo chooses versions at its first run.
fn lock(folder: &Path) {
    let file = folder.join("Cargo.lock");
    let mut cargo = Command::new("cargo");
    cargo.args(["update", "--workspace", "--offline", "--quiet"]).current_dir(folder);
    let tidied = fs::write(&file, compiler::LOCK)
        .and_then(|()| cargo.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status());
    if !tidied.is_ok_and(|status| status.success()) {
        drop(fs::remove_file(file));
    }
}

/// Puts what was written aside in its place.
fn settle(staged: &Path, folder: &Path, is_there: bool) -> io::Result<()> {
    if !is_there {
        return fs::rename(staged, folder);
    }
    // The folder stays what it is: a shell may stand in it.
    for entry in fs::read_dir(staged)? {
        let entry = entry?;
        fs::rename(entry.path(), folder.join(entry.file_name()))?;
    }
    Ok(())
}

/// What is said where nothing can be written.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Fault {
    let fault = Fault::new(Kind::Machine, format!("cannot write {}: {error}", path.display()));
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            fault.hint("choose a folder that you may write to, such as one in your home")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => fault.hint("free some space first"),
        _ => fault,
    }
}
