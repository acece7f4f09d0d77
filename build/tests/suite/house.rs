//! Apps made by hand, a folder to put them in, and a cache whose dependencies all tests share.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use app::{App, Input, Output, Place, Placed, Service, Slice};
use build::Builder;

/// A folder with the user's files.
pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// A builder for `app.rs` here.
    pub(crate) fn builder(&self) -> Builder {
        self.builder_of("app.rs")
    }

    pub(crate) fn builder_of(&self, root: &str) -> Builder {
        Builder::open(&self.path(root), &cache(), |_| {}).unwrap()
    }
}

/// Shared by all tests and kept between runs: dependencies are compiled once.
pub(crate) fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

pub(crate) fn app(services: Vec<Service>) -> App {
    App { name: "app".to_owned(), services, ..App::default() }
}

/// A service `name(inputs) -> output`; the inputs are written like parameters.
pub(crate) fn service(name: &str, inputs: &[(&str, &str)], output: &str) -> Service {
    let of = |wrapper: &str| output.strip_prefix(wrapper).and_then(|rest| rest.strip_suffix('>')).map(str::to_owned);
    let (fallible, rest) = of("Result<").map_or((false, output.to_owned()), |inner| (true, inner));
    let (optional, ty) = of("Option<").map_or((false, rest), |inner| (true, inner));
    Service {
        name: name.to_owned(),
        host: name.replace('_', "-"),
        inputs: inputs.iter().map(|(name, ty)| Input { name: (*name).to_owned(), ty: (*ty).to_owned() }).collect(),
        output: Output { ty, fallible, optional, written: output.to_owned() },
        is_async: false,
        placed: Vec::new(),
        calls: BTreeSet::new(),
        reaches: BTreeMap::new(),
        meaning: "first".to_owned(),
        replay: true,
        place: Place { file: "app.rs".into(), line: 1, column: 4, end_line: 1, end_column: 7 },
    }
}

pub(crate) fn placed(name: &str, ty: &str) -> Placed {
    Placed { name: name.to_owned(), ty: ty.to_owned(), is_state: true, fingerprint: format!("{name}: {ty}") }
}

/// A slice that is one file.
pub(crate) fn slice(text: &str) -> Slice {
    Slice { files: BTreeMap::from([("app.rs".into(), text.to_owned())]), root: "app.rs".into(), ..Slice::default() }
}
