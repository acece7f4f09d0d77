//! What a service is compiled from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use crate::acts::Acts;
use crate::model::{App, ServiceSlice, Stub};
use crate::reach::Reach;
use crate::sources::folder;
pub(crate) use crate::text::Change;
use crate::text::change;
use crate::tree::{Item, Kind};

impl App {
    /// The slice of a service, by its Rust name: everything it does not reach blanked out, every character that is
    /// left at its own line and column. Same app, same bytes.
    pub fn slice(&self, service: &str) -> Option<ServiceSlice> {
        let service = self.service(service)?;
        self.cut(&service.reach, &service.calls, &|_| false, Vec::new())
    }

    /// Whether something that a service reaches may have an effect though nothing names it, as code that registers itself.
    pub fn registers(&self, service: &str) -> bool {
        let acts = |number: &usize| !matches!(self.tree.items[*number].acts, Acts::No | Acts::Makes);
        self.service(service).is_some_and(|service| service.reach.items.iter().any(acts))
    }

    /// Less what is `without`, with changes by the number of their file.
    pub(crate) fn cut(
        &self,
        reach: &Reach,
        calls: &BTreeSet<String>,
        without: &dyn Fn(&usize) -> bool,
        changes: Vec<(usize, Change)>,
    ) -> Option<ServiceSlice> {
        let tree = &*self.tree;
        let mut cut = Cut { app: self, reach, without, changes: BTreeMap::new() };
        cut.module(0);
        for (file, change) in changes {
            cut.changes.entry(file).or_default().push(change);
        }
        let root = &tree.files.first()?.path;
        let base = folder(root);
        let files = cut.changes.iter().map(|(file, changes)| {
            let file = &tree.files[*file];
            (relative(&base, &file.path), change(&file.text, changes))
        });
        let kept = reach.items.iter().filter(|number| !without(number)).map(|number| &tree.items[*number]);
        let included = kept.flat_map(|item| item.mentions.included.iter().map(|path| tree.looked_for(item, path)));
        let stub = |name: &String| {
            let called = self.service(name)?;
            Some(Stub { name: name.clone(), inputs: called.inputs.clone(), output: called.output.clone() })
        };
        Some(ServiceSlice {
            files: files.collect(),
            root: relative(&base, root),
            included: included.map(|path| relative(&base, &path)).collect(),
            stubs: calls.iter().filter_map(stub).collect(),
        })
    }
}

/// Finds what is to be blanked.
struct Cut<'a> {
    app: &'a App,
    reach: &'a Reach,
    without: &'a dyn Fn(&usize) -> bool,
    /// By file; a file that is not in here has nothing that is kept.
    changes: BTreeMap<usize, Vec<Change>>,
}

impl Cut<'_> {
    fn module(&mut self, module: usize) {
        let app = self.app;
        let module = &app.tree.modules[module];
        self.changes.entry(module.file).or_default();
        for number in &module.items {
            let item = &app.tree.items[*number];
            let blanks = self.item(*number, item).into_iter().map(|range| Change { range, text: None });
            self.changes.entry(module.file).or_default().extend(blanks);
        }
    }

    /// What is blanked of an item.
    fn item(&mut self, number: usize, item: &Item) -> Vec<Range<usize>> {
        let is_kept = self.reach.items.contains(&number) && !(self.without)(&number);
        match &item.kind {
            Kind::Use { leaves, parts } => {
                let find = |at: usize| (number, at);
                let kept: BTreeSet<usize> = (0..leaves.len())
                    .filter(|at| self.app.outside.contains(&find(*at)) || self.reach.leaves.contains(&find(*at)))
                    .collect();
                if kept.is_empty() {
                    return vec![item.range()];
                }
                let empty = parts.iter().filter(|part| kept.range(part.leaves.clone()).next().is_none());
                empty.map(|part| item.at(&part.range)).collect()
            }
            Kind::Module { inside } if is_kept => {
                self.module(*inside);
                ours(item)
            }
            Kind::Main | Kind::Test => vec![item.range()],
            _ if is_kept => ours(item),
            _ => vec![item.range()],
        }
    }
}

/// Attributes of ours on an item.
fn ours(item: &Item) -> Vec<Range<usize>> {
    item.ours.iter().map(|range| item.at(range)).collect()
}

/// A path as seen from a folder, without looking at the disk.
pub(crate) fn relative(base: &Path, path: &Path) -> PathBuf {
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
