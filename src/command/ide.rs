//! `dyn ide`: let rust-analyzer know a file that no Cargo package has.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use compiler::{Builder, Editor, EditorProject, OwnPackage, Progress};
use session::Home;

use crate::fault::{Fault, Kind};
use crate::start::runtime;
use crate::{finding, quoted, speech};

/// Where rust-analyzer looks for it.
const PROJECT: &str = "rust-project.json";

pub(crate) fn run(file: &Path) -> Result<(), Fault> {
    let home = Home::open()?;
    let place = home.place(file)?;
    let folder = place.file.parent().unwrap_or(Path::new("/"));
    let project = folder.join(PROJECT);
    let others = others(&project, &place.file)?;
    let mut made = match editor(&home, file)? {
        Editor::Package(package) => return in_package(&home, file, &package),
        Editor::Lone(made) => made,
    };
    for other in others {
        if let Editor::Lone(other) = editor(&home, &other)? {
            made.merge(other);
        }
    }
    if made.sysroot_src.is_none() {
        drop(speech::err("notice: the sources of the standard library are missing: rustup component add rust-src"));
    }
    write(&project, &made)?;
    let shown = file.parent().unwrap_or(Path::new("")).join(PROJECT);
    let crates = made.crates.len();
    drop(speech::err(format_args!("wrote {} with {crates} crates; open its folder in your editor", shown.display())));
    Ok(())
}

/// Other apps of the folder that the project is for.
fn others(project: &Path, file: &Path) -> Result<Vec<PathBuf>, Fault> {
    let not_ours = |why: String| {
        Fault::new(Kind::Usage, format!("{} is not of `dyn ide`{why}", project.display()))
            .hint("move it away, or name the app in it yourself")
    };
    let known = compiler::read_project(project).map_err(|error| not_ours(format!(": {error}")))?;
    let Some(known) = known else { return Ok(Vec::new()) };
    let apps = known.apps().ok_or_else(|| not_ours(": it has no crate dyninka".to_owned()))?;
    Ok(apps.into_iter().filter(|app| *app != file && app.is_file()).map(Path::to_owned).collect())
}

fn editor(home: &Home, file: &Path) -> Result<Editor, Fault> {
    let (app, diagnostics, _) = session::load(file);
    finding::print(&diagnostics);
    let listener = |progress| {
        let words = match progress {
            Progress::Fetching(words) => format!("fetching crates: {words}"),
            Progress::Compiling(package) => format!("compiling {package}"),
            Progress::Notice(words) => format!("notice: {words}"),
        };
        drop(speech::err(words));
    };
    let machine = |error: compiler::BuildError| {
        let fault = Fault::new(Kind::Machine, error.to_string());
        error.hint().into_iter().fold(fault, Fault::hint)
    };
    let builder = Builder::open(file, &home.build(), listener).map_err(machine)?;
    runtime()?.block_on(builder.editor(&app)).map_err(machine)
}

/// A file that cargo knows is known to rust-analyzer, once its runtime is there.
fn in_package(home: &Home, file: &Path, package: &OwnPackage) -> Result<(), Fault> {
    let own =
        compiler::unpack_runtime(&home.runtime()).map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
    let manifest = package.manifest.display();
    if let Some(missing) = package.runtime.as_ref().filter(|path| !path.join("Cargo.toml").is_file()) {
        return Err(Fault::new(
            Kind::App,
            format!("{manifest} depends on dyninka in {}, which is not on this machine", missing.display()),
        )
        .hint(format!("write there: dyninka = {{ path = {:?} }}", own.display().to_string())));
    }
    let folder = package.manifest.parent().unwrap_or(Path::new("/"));
    if !package.is_target {
        let place = home.place(file)?;
        let inside = place.file.strip_prefix(folder).unwrap_or(&place.file).display().to_string();
        return Err(Fault::new(Kind::App, format!("{manifest} has no target for {}", file.display()))
            .hint(format!("add a table [[bin]] to it, with name = {:?} and path = {inside:?}", place.name)));
    }
    let folder = quoted::word(folder);
    drop(speech::err(format_args!("nothing to write: rust-analyzer reads {manifest}; open {folder} in your editor")));
    Ok(())
}

/// Writes it aside and renames, so that an editor reads all of it.
fn write(file: &Path, project: &EditorProject) -> Result<(), Fault> {
    let bad = |error: std::io::Error| super::new::unwritable(file, &error);
    let text = serde_json::to_string_pretty(project).map_err(|error| bad(error.into()))?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let mut aside = tempfile::Builder::new().prefix(".rust-project-").tempfile_in(folder).map_err(bad)?;
    writeln!(aside, "{text}").map_err(bad)?;
    let readable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
    aside.as_file().set_permissions(readable).map_err(bad)?;
    aside.persist(file).map_err(|error| bad(error.error))?;
    Ok(())
}
