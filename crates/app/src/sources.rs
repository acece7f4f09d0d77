//! The texts an app is read from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The texts an app is read from, brought by the caller.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file the user named, with the path as he named it.
    pub root: PathBuf,
    /// Texts of the root file and of its `mod x;` files.
    pub texts: BTreeMap<PathBuf, Arc<str>>,
    /// Content hashes of files named in `include_str!`, `include_bytes!` and `include!`.
    pub included: BTreeMap<PathBuf, String>,
    /// The environment the app is compiled in: what `env!` and `option_env!` read is part of what a service means.
    pub environment: BTreeMap<String, String>,
    /// Wanted and not there, with the reason.
    pub absent: BTreeMap<PathBuf, String>,
}

/// A file the app mentions and `Sources` does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The file of a `mod x;`: the first of these that exists.
    Module(Vec<PathBuf>),
    /// A file whose content is part of the code.
    Included(PathBuf),
}

/// The folder a file is in.
pub(crate) fn folder(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}

/// Where the modules declared in a module's file are looked for. A file named by `#[path]` counts as a `mod.rs`.
pub(crate) fn folder_of_module(file: &Path, is_named: bool) -> PathBuf {
    let owns_folder = is_named || file.file_name().is_some_and(|name| name == "mod.rs");
    if owns_folder { folder(file) } else { file.with_extension("") }
}

/// Where the modules declared in an inline module are looked for.
pub(crate) fn folder_of_inline(file: &Path, modules: &Path, name: &str, path: Option<&str>, top: bool) -> PathBuf {
    match path {
        Some(path) if top => folder(file).join(path),
        Some(path) => modules.join(path),
        None => modules.join(name.trim_start_matches("r#")),
    }
}

/// Where a `mod name;` may be: `modules` is the folder of its parent's modules. A `#[path]` is relative to the
/// folder of the file, inside an inline module to that of its modules.
pub(crate) fn candidates(file: &Path, modules: &Path, name: &str, path: Option<&str>, top: bool) -> Vec<PathBuf> {
    match path {
        Some(path) if top => vec![folder(file).join(path)],
        Some(path) => vec![modules.join(path)],
        None => {
            let name = name.trim_start_matches("r#");
            vec![modules.join(format!("{name}.rs")), modules.join(name).join("mod.rs")]
        }
    }
}
