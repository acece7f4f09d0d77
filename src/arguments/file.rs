//! The app's file, which may be left out.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::FromArgMatches;
use clap::error::ErrorKind;

use super::{Arguments, help};

/// Where an app is looked for first.
const USUAL: &str = "app.rs";

/// Why a command line is none.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Help that was asked for, or what is wrong, in clap's words.
    Clap(clap::Error),
    /// A file was left out, and there is no saying which is meant.
    File(String),
}

/// Reads a command line. A file that is left out is `app.rs`, or the only app in the folder.
pub(crate) fn read(line: Vec<OsString>) -> Result<Arguments, Refusal> {
    let first = parse(&line);
    let may_lack_file = match &first {
        // The first of several positions may be a service: the file is what was left out.
        Ok(arguments) => arguments.command.file().is_some_and(|file| !is_file(file)),
        Err(error) => {
            error.kind() == ErrorKind::MissingRequiredArgument
                && help::takes_app(&line)
                && !line.iter().any(|word| is_rust(Path::new(word)))
        }
    };
    if !may_lack_file {
        return first.map_err(Refusal::Clap);
    }
    let at = after_command(&line);
    match (usual(Path::new(".")), first) {
        (Ok(file), first) => {
            let mut whole = line;
            whole.insert(at.min(whole.len()), file.into());
            match (parse(&whole), first) {
                (Ok(arguments), _) | (Err(_), Ok(arguments)) => Ok(arguments),
                (Err(error), Err(_)) => Err(Refusal::Clap(error)),
            }
        }
        (Err(_), Ok(arguments)) => Ok(arguments),
        (Err(why), Err(error)) if error.to_string().contains("<FILE>") => Err(Refusal::File(why)),
        (Err(_), Err(error)) => Err(Refusal::Clap(error)),
    }
}

/// Where the words of a command end: options that stand before it are those of `dyn` itself.
fn after_command(line: &[OsString]) -> usize {
    let is_option = |word: &&OsString| word.to_str().is_some_and(|word| word.starts_with('-'));
    let at = 1 + line.iter().skip(1).take_while(is_option).count();
    if line.get(at).is_some_and(|word| word == "cluster" || word == "jobs") { at + 2 } else { at + 1 }
}

fn parse(line: &[OsString]) -> Result<Arguments, clap::Error> {
    help::command().try_get_matches_from(line).and_then(|matches| Arguments::from_arg_matches(&matches))
}

fn is_file(file: &Path) -> bool {
    is_rust(file) || file.exists()
}

fn is_rust(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "rs")
}

/// The app of a folder, or why there is no saying which.
fn usual(folder: &Path) -> Result<PathBuf, String> {
    if folder.join(USUAL).exists() {
        return Ok(USUAL.into());
    }
    let entries = fs::read_dir(folder).map_err(|error| format!("cannot read the folder: {error}"))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut apps: Vec<PathBuf> = files.filter(|file| is_app(file)).collect();
    apps.sort();
    let names: Vec<String> =
        apps.iter().filter_map(|app| Some(app.file_name()?.to_string_lossy().into_owned())).collect();
    match &names[..] {
        [one] => Ok(one.into()),
        [] => Err("there is no app in this folder: name its file".to_owned()),
        many => Err(format!("there are several apps in this folder: name one of {}", many.join(", "))),
    }
}

/// Whether a file looks like an app: Rust that brings in the runtime.
fn is_app(file: &Path) -> bool {
    is_rust(file) && fs::read_to_string(file).is_ok_and(|text| text.contains("use dyninka"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn left_out_file_goes_behind_the_command() {
        for (line, at) in [("dyn check", 2), ("dyn -vv check --json", 3), ("dyn cluster logs map", 3)] {
            let line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(after_command(&line), at, "{line:?}");
        }
    }

    #[test]
    fn the_usual_app_is_app_rs_or_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        assert!(usual(folder.path()).unwrap_err().contains("no app"));
        write("helper.rs", "fn help() {}");
        write("plant.rs", "use dyninka::prelude::*;");
        assert_eq!(usual(folder.path()).unwrap(), Path::new("plant.rs"));
        write("weather.rs", "use dyninka::prelude::*;");
        assert!(usual(folder.path()).unwrap_err().ends_with("plant.rs, weather.rs"));
        write("app.rs", "");
        assert_eq!(usual(folder.path()).unwrap(), Path::new("app.rs"));
    }
}
