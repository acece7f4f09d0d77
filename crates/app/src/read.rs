//! What was read of each file to a [`Tree`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, SourcePlace};
use crate::memory::{self, Known, Memory};
use crate::sources::{self, Sources};
use crate::tokens;
use crate::tree::{File, Item, Kind, Module, Tree};
use crate::unit::{Content, Declared, Home};

/// Reads every file the root leads to. What was read of the root is given back for what only it holds, with its
/// frontmatter.
pub(crate) fn read(
    sources: &Sources,
    memory: &mut Memory,
    findings: &mut Vec<Diagnostic>,
) -> (Tree, Option<Arc<Known>>, Option<String>) {
    let mut reader = Reader { sources, memory, tree: Tree::default(), findings, open: Vec::new() };
    if sources.root.file_name().is_some_and(|name| name.to_str().is_none()) {
        let finding = Diagnostic::error(
            "the file's name is not UTF-8, and rustc takes no other",
            SourcePlace::start_of(&sources.root),
        );
        reader.findings.push(finding.help("rename the file"));
        return (reader.tree, None, None);
    }
    let Some(text) = sources.texts.get(&sources.root) else {
        let why = sources.absent.get(&sources.root).map_or("no such file", String::as_str);
        reader.findings.push(Diagnostic::unreadable(&sources.root, why));
        return (reader.tree, None, None);
    };
    let modules = sources::folder(&sources.root);
    let (read, manifest) = reader.file(text, memory::root_home(&sources.root, &modules), None, Vec::new());
    (reader.tree, read.map(|(_, known)| known), manifest)
}

struct Reader<'a> {
    sources: &'a Sources,
    memory: &'a mut Memory,
    tree: Tree,
    findings: &'a mut Vec<Diagnostic>,
    /// Files that are being read, each declared in the one before.
    open: Vec<PathBuf>,
}

/// Where an item stands.
#[derive(Clone, Copy)]
struct Spot<'a> {
    module: usize,
    /// Where its ranges count from, in bytes of its file.
    start: usize,
    /// Where modules declared here are looked for.
    modules: &'a Path,
    /// Whether it stands at the top of its file.
    top: bool,
}

impl Reader<'_> {
    /// The module that a file is, and its frontmatter.
    fn file(
        &mut self,
        raw: &Arc<str>,
        home: Home<'_>,
        parent: Option<usize>,
        name: Vec<String>,
    ) -> (Option<(usize, Arc<Known>)>, Option<String>) {
        let file = self.tree.files.len();
        let known = match self.memory.read(raw, home) {
            Ok(known) => known,
            Err(wrong) => {
                self.tree.files.push(File::new(home.file, wrong.text, String::new()));
                let place = self.tree.place(file, &wrong.range);
                self.findings.push(Diagnostic::error(wrong.message, place).help(wrong.help));
                return (None, wrong.manifest);
            }
        };
        self.tree.files.push(File::new(home.file, known.text.clone(), known.inner.clone()));
        let module = self.module(name, parent, file);
        self.open.push(home.file.to_owned());
        for unit in &known.units {
            self.item(&unit.content, Spot { module, start: unit.start, modules: home.modules, top: true });
        }
        self.open.pop();
        let manifest = known.manifest.clone();
        (Some((module, known)), manifest)
    }

    fn module(&mut self, path: Vec<String>, parent: Option<usize>, file: usize) -> usize {
        self.tree.modules.push(Module { path, parent, item: None, file, items: Vec::new() });
        self.tree.modules.len() - 1
    }

    fn item(&mut self, content: &Content, spot: Spot<'_>) {
        let Spot { module, start, .. } = spot;
        let file = self.tree.modules[module].file;
        let inside = content.module.as_ref().and_then(|declared| {
            let inside = self.inside(declared, spot)?;
            Some((inside, &declared.essence))
        });
        let number = self.tree.items.len();
        let (kind, essence) = match inside {
            Some((inside, essence)) => {
                self.tree.modules[inside].item = Some(number);
                (Kind::Module { inside }, essence)
            }
            None => (content.kind.clone(), &content.essence),
        };
        let item = Item { kind, module, file, start, essence: essence.clone() };
        for included in &item.mentions.included {
            let path = self.tree.looked_for(&item, included);
            self.tree.included.insert(path.clone(), self.sources.included.get(&path).cloned());
        }
        for name in &item.mentions.variables {
            let value = self.sources.environment.get(name).map(|value| tokens::combine([value.as_str()]));
            self.tree.variables.insert(name.clone(), value);
        }
        self.tree.modules[module].items.push(number);
        self.tree.items.push(item);
    }

    fn inside(&mut self, declared: &Declared, spot: Spot<'_>) -> Option<usize> {
        let Spot { module: parent, start, modules, top } = spot;
        let name = &declared.name;
        let mut path = self.tree.modules[parent].path.clone();
        path.push(name.clone());
        let attribute = declared.path.as_deref();
        let file = self.tree.modules[parent].file;
        if let Some(contents) = &declared.inside {
            let module = self.module(path, Some(parent), file);
            let path = &self.tree.files[file].path;
            let inside = sources::folder_of_inline(path, modules, name, attribute, top);
            for content in contents {
                self.item(content, Spot { module, start, modules: &inside, top: false });
            }
            return Some(module);
        }
        let candidates = sources::candidates(&self.tree.files[file].path, modules, name, attribute, top);
        let range = &declared.essence.name_range;
        let place = self.tree.place(file, &(start + range.start..start + range.end));
        let Some(found) = candidates.iter().find(|path| self.sources.texts.contains_key(*path)) else {
            if !declared.is_conditional {
                self.findings.push(self.absent(name, &candidates, place));
            }
            return None;
        };
        if self.open.contains(found) {
            let finding = Diagnostic::error(format!("module {name} is in itself"), place);
            self.findings.push(finding.help(format!("{} leads back to itself: take this line out", found.display())));
            return None;
        }
        if self.tree.files.iter().any(|file| file.path == *found) {
            let finding = Diagnostic::error(format!("{} is a module twice", found.display()), place);
            self.findings.push(finding.help("declare it once, and reach it from elsewhere with use"));
            return None;
        }
        let text = self.sources.texts[found].clone();
        let modules = sources::folder_of_module(found, attribute.is_some());
        let home = Home { file: found, modules: &modules, is_root: false };
        self.file(&text, home, Some(parent), path).0.map(|(module, _)| module)
    }

    fn absent(&self, name: &str, candidates: &[PathBuf], place: SourcePlace) -> Diagnostic {
        let why =
            candidates.iter().find_map(|path| self.sources.absent.get(path)).map_or("no such file", String::as_str);
        let paths: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
        Diagnostic::error(format!("the file of module {name} cannot be read: {why}"), place)
            .help(format!("it is looked for at {}", paths.join(" and ")))
    }
}
