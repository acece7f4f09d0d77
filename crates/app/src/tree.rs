//! Items by module: what syn reads, boiled down to what the rest of the room asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::acts::Acts;
use crate::diagnostic::SourcePlace;
use crate::import::{Leaf, Part};
use crate::mention::Mentions;
use crate::shape::Shape;

/// All items of an app.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    pub(crate) modules: Vec<Module>,
    pub(crate) items: Vec<Item>,
    /// Files named by `include_str!` and friends, by the place they are looked for, with the hash of their content.
    pub(crate) included: BTreeMap<PathBuf, Option<String>>,
    /// Variables named by `env!` and `option_env!`, with the hash of their value.
    pub(crate) variables: BTreeMap<String, Option<String>>,
}

/// A text.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// Shebang and frontmatter blanked out.
    pub(crate) text: Arc<str>,
    /// Hash of `#![…]` attributes.
    pub(crate) inner: String,
    /// Where lines begin, in bytes.
    lines: Vec<usize>,
}

/// A module; the first is the crate's root.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Module {
    pub(crate) path: Vec<String>,
    pub(crate) parent: Option<usize>,
    /// The item that declares it; none for the root.
    pub(crate) item: Option<usize>,
    pub(crate) file: usize,
    pub(crate) items: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    pub(crate) module: usize,
    pub(crate) file: usize,
    /// Where its ranges count from, in bytes of its file.
    pub(crate) start: usize,
    pub(crate) essence: Arc<Essence>,
}

/// What an item is wherever it stands: ranges count from the first byte of the item at the top of the file that it is,
/// or is in.
#[derive(Clone, Debug)]
pub(crate) struct Essence {
    /// Names it brings into its module; of a `use`, what each leaf is bound to.
    pub(crate) names: Vec<String>,
    /// All of it, attributes and documentation included.
    pub(crate) whole: Range<usize>,
    pub(crate) name_range: Range<usize>,
    /// Attributes that are ours, to be blanked out of a slice.
    pub(crate) ours: Vec<Range<usize>>,
    /// Of its tokens; of a module's attributes and name; of a `use`'s attributes.
    pub(crate) hash: String,
    pub(crate) mentions: Mentions,
    /// `#[placed(…)]`.
    pub(crate) placed: Option<PlacedOn>,
    /// Of a static that is a bucket.
    pub(crate) bucket: Option<BucketNamed>,
    /// Of a struct with named fields and an enum.
    pub(crate) shape: Option<Shape>,
    /// Whether it may have an effect though nothing names it.
    pub(crate) acts: Acts,
}

impl Deref for Item {
    type Target = Essence;

    fn deref(&self) -> &Essence {
        &self.essence
    }
}

impl Item {
    /// All of it, in bytes of its file.
    pub(crate) fn range(&self) -> Range<usize> {
        self.at(&self.whole)
    }

    /// A range of its, in bytes of its file.
    pub(crate) fn at(&self, range: &Range<usize>) -> Range<usize> {
        self.start + range.start..self.start + range.end
    }
}

/// The name that a static gives a bucket, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct BucketNamed {
    pub(crate) name: String,
    pub(crate) range: Range<usize>,
}

/// What `#[placed(…)]` says.
#[derive(Clone, Debug)]
pub(crate) struct PlacedOn {
    pub(crate) services: Vec<String>,
    pub(crate) range: Range<usize>,
    /// The type of what is placed, as written; for `Placed<T>`, the `T`.
    pub(crate) ty: String,
    /// What the `T` of a `Placed<T>` mentions.
    pub(crate) state: Option<Mentions>,
}

/// What an item is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `fn`.
    Function,
    /// `fn` marked `#[service]`, with what its callers need of it.
    Service { face: Arc<Face> },
    /// `struct`, `enum`, `union`, `type`, with the variants.
    Type { variants: BTreeSet<String>, is_alias: bool },
    /// `const` or `static`.
    Constant { is_static: bool },
    /// `trait`, with the names of its methods.
    Trait { methods: BTreeSet<String> },
    /// `impl`: the type it is for, and every path in its head.
    Impl { of: Option<Vec<String>>, head: Vec<Vec<String>> },
    /// `use`.
    Use { leaves: Vec<Leaf>, parts: Vec<Part> },
    /// `mod`, with the module inside.
    Module { inside: usize },
    /// `macro_rules!`.
    Macro,
    /// What nobody names: `extern crate`, `extern { }`, a macro call that makes items. Goes along with its module.
    Nameless,
    /// `fn main`.
    Main,
    /// What is there for `cargo test` only.
    Test,
}

/// The signature of a service.
#[derive(Clone, Debug)]
pub(crate) struct Face {
    pub(crate) mentions: Mentions,
    pub(crate) hash: String,
}

impl File {
    pub(crate) fn new(path: &Path, text: Arc<str>, inner: String) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = [0].into_iter().chain(ends).collect();
        Self { path: path.to_owned(), text, inner, lines }
    }

    /// Line and column of a byte, both from 1.
    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at);
        let before = self.text.get(self.lines[line - 1]..at).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

impl Tree {
    pub(crate) fn place(&self, file: usize, range: &Range<usize>) -> SourcePlace {
        let file = &self.files[file];
        let (line, column) = file.position(range.start);
        let (end_line, end_column) = file.position(range.end);
        SourcePlace { file: file.path.clone(), line, column, end_line, end_column }
    }

    /// Whether the app may have an allocator of its own.
    pub(crate) fn has_allocator(&self) -> bool {
        self.files.iter().any(|file| file.text.contains("global_allocator"))
    }

    /// The item's name with the way to it, e.g. `units::to_celsius`.
    pub(crate) fn path_of(&self, item: &Item) -> String {
        let name = item.names.first().map_or("", String::as_str);
        let modules = self.modules[item.module].path.iter().map(String::as_str);
        modules.chain([name]).collect::<Vec<_>>().join("::")
    }

    /// Where a file that an item includes is looked for.
    pub(crate) fn looked_for(&self, item: &Item, included: &str) -> PathBuf {
        crate::sources::folder(&self.files[item.file].path).join(included)
    }
}
