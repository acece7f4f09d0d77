//! What a service is compiled from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use crate::model::{App, Slice, Stub};
use crate::reach::Index;
use crate::sources::folder;
use crate::text::blank;
use crate::tree::{Kind, Tree};

impl App {
    /// The slice of a service, by its Rust name: everything it does not reach blanked out, every character that is
    /// left at its own line and column. Same app, same bytes.
    pub fn slice(&self, service: &str) -> Option<Slice> {
        let service = self.service(service)?;
        let tree = &*self.tree;
        let mut kept = service.kept.clone();
        kept.extend(Index::new(tree).always());
        let mut cut = Cut { tree, kept: &kept, blanks: BTreeMap::new() };
        cut.module(0);
        let base = folder(&tree.files.first()?.path);
        let relative = |path: &Path| relative(&base, path);
        let files = cut.blanks.iter().map(|(file, ranges)| {
            let file = &tree.files[*file];
            (relative(&file.path), blank(&file.text, ranges))
        });
        let included = kept.iter().flat_map(|number| {
            let item = &tree.items[*number];
            let folder = folder(&tree.files[item.file].path);
            item.mentions.included.iter().map(move |path| folder.join(path))
        });
        let stub = |name: &String| {
            let called = self.service(name)?;
            Some(Stub { name: name.clone(), inputs: called.inputs.clone(), output: called.output.clone() })
        };
        Some(Slice {
            files: files.collect(),
            root: relative(&tree.files.first()?.path),
            included: included.map(|path| relative(&path)).collect(),
            stubs: service.calls.iter().filter_map(stub).collect(),
        })
    }
}

/// Finds what is to be blanked.
struct Cut<'a> {
    tree: &'a Tree,
    kept: &'a BTreeSet<usize>,
    /// By file; a file that is not in here has nothing that is kept.
    blanks: BTreeMap<usize, Vec<Range<usize>>>,
}

impl Cut<'_> {
    /// Whether anything in a module is kept.
    fn module(&mut self, module: usize) -> bool {
        let tree = self.tree;
        let mut any = module == 0;
        let mut ranges = Vec::new();
        for number in &tree.modules[module].items {
            let item = &tree.items[*number];
            let keeps = match item.kind {
                Kind::Module { inside } => self.module(inside),
                _ => self.kept.contains(number),
            };
            if keeps {
                ranges.extend(item.ours.iter().cloned());
            } else {
                ranges.push(item.range.clone());
            }
            // Imports from outside are in every slice; a module of nothing else is not worth its file.
            any |= keeps && !matches!(item.kind, Kind::Use { .. } | Kind::Always) || keeps && self.named(*number);
        }
        let file = tree.modules[module].file;
        if any {
            self.blanks.entry(file).or_default().extend(ranges);
        }
        any
    }

    /// Whether an import is there because somebody goes through it.
    fn named(&self, number: usize) -> bool {
        matches!(self.tree.items[number].kind, Kind::Use { .. })
            && self.kept.contains(&number)
            && !Index::new(self.tree).is_outside(&self.tree.items[number])
    }
}

/// A path as seen from a folder, without looking at the disk.
fn relative(base: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() && !base.is_absolute() {
        return path.to_owned();
    }
    let (base, path) = (normal(base), normal(path));
    let shared = base.iter().zip(&path).take_while(|(a, b)| a == b).count();
    let up = base[shared..].iter().map(|_| Component::ParentDir.as_os_str().to_owned());
    up.chain(path[shared..].iter().cloned()).collect()
}

fn normal(path: &Path) -> Vec<std::ffi::OsString> {
    let mut parts: Vec<std::ffi::OsString> = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if parts.last().is_some_and(|last| last != "..") => drop(parts.pop()),
            other => parts.push(other.as_os_str().to_owned()),
        }
    }
    parts
}
