//! The texts an app is read from.

use std::collections::BTreeMap;
use std::path::PathBuf;
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
