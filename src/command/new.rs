//! `dyn new`: a package or a file to start from.

mod name;
mod package;
mod template;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::arguments::New;
use crate::fault::{Fault, Kind};
use crate::{quoted, speech};

pub(crate) use package::unwritable;
pub(crate) use template::Template;

pub(crate) fn run(new: &New) -> Result<(), Fault> {
    if new.list {
        for template in Template::ALL {
            drop(speech::out(format_args!("{:<9}{}", template.name(), template.about())));
        }
        return Ok(());
    }
    let path = new.path.as_deref().unwrap_or(Path::new("."));
    if path.extension().is_some_and(|extension| extension == "rs") {
        return write_file(path, new);
    }
    package::write(path, new.template, new.published)
}

/// One file, which needs no package.
fn write_file(file: &Path, new: &New) -> Result<(), Fault> {
    if new.published {
        return Err(Fault::new(Kind::Usage, "--published is about a package, not about one file")
            .hint("leave out .rs to create a package"));
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    name::check_stem(&stem).map_err(|bad| {
        let better = file.with_file_name(format!("{}.rs", bad.suggestion));
        Fault::new(Kind::Usage, format!("{stem:?} cannot be the name of an app: {}", bad.why))
            .hint(format!("try: dyn new {}", quoted::word(&better)))
    })?;
    // create_new: a file that is there already is somebody's work.
    let text = new.template.app_alone();
    let mut is_ours = false;
    let written = OpenOptions::new().write(true).create_new(true).open(file).and_then(|mut new| {
        is_ours = true;
        new.write_all(text.as_bytes())
    });
    if let Err(error) = written {
        if is_ours {
            // Half of an app is none.
            drop(std::fs::remove_file(file));
        }
        return Err(match error.kind() {
            ErrorKind::AlreadyExists => {
                Fault::new(Kind::Usage, format!("{} already exists", file.display())).hint("choose a name that is free")
            }
            ErrorKind::NotFound => {
                let folder = file.parent().unwrap_or(Path::new("."));
                Fault::new(Kind::Usage, format!("cannot write {}: there is no such folder", file.display()))
                    .hint(format!("create it first: mkdir -p {}", quoted::word(folder)))
            }
            _ => package::unwritable(file, &error),
        });
    }
    let word = quoted::word(file);
    drop(speech::err(format_args!("wrote {}; run it with: dyn dev {word}", file.display())));
    Ok(())
}
