//! Items by module: what syn reads, boiled down to what the rest of the room asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Item as Syntax, UseTree};

use crate::diagnostic::{Diagnostic, Place};
use crate::mention::{self, Mentions};
use crate::sources::{self, Sources};
use crate::text::split_head;
use crate::tokens;

/// All items of an app.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    pub(crate) modules: Vec<Module>,
    pub(crate) items: Vec<Item>,
    /// Files named by `include_str!` and friends, by the place they are looked for, with the hash of their content.
    pub(crate) included: BTreeMap<PathBuf, Option<String>>,
}

/// A text.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// Shebang and frontmatter blanked out.
    pub(crate) text: Arc<str>,
    /// Hash of `#![…]` attributes.
    pub(crate) inner: String,
}

/// A module; the first is the crate's root.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub(crate) path: Vec<String>,
    pub(crate) parent: Option<usize>,
    pub(crate) file: usize,
    pub(crate) items: Vec<usize>,
}

/// An item.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    pub(crate) module: usize,
    pub(crate) file: usize,
    /// Names it brings into its module; of a `use`, what each leaf is bound to.
    pub(crate) names: Vec<String>,
    /// All of it, attributes and documentation included, in bytes of its file.
    pub(crate) range: Range<usize>,
    /// Its name.
    pub(crate) name_range: Range<usize>,
    /// Attributes that are ours, to be blanked out of a slice.
    pub(crate) ours: Vec<Range<usize>>,
    pub(crate) hash: String,
    pub(crate) mentions: Mentions,
    /// `#[placed(…)]`: the service as written, and where.
    pub(crate) placed: Option<(String, Range<usize>)>,
}

/// What an item is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `fn`; a service when it is marked so.
    Function { service: bool },
    /// `struct`, `enum`, `union`, `type`.
    Type,
    /// `const`, or a `static` that is not placed.
    Constant { word: &'static str },
    /// `trait`, with the names of its methods.
    Trait { methods: BTreeSet<String> },
    /// `impl`: the type it is for, the trait, and every path in its head.
    Impl { of: Option<Vec<String>>, head: Vec<Vec<String>> },
    /// `use`, each leaf with its path.
    Use { leaves: Vec<Leaf> },
    /// `mod`, with the module inside.
    Module { inside: usize },
    /// `macro_rules!`.
    Macro,
    /// What is always kept: `extern crate`, `extern { }`, a macro call that makes items.
    Always,
    /// `fn main`.
    Main,
}

/// One name a `use` brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    pub(crate) glob: bool,
}

impl Tree {
    pub(crate) fn place(&self, file: usize, range: &Range<usize>) -> Place {
        let file = &self.files[file];
        Place::of_range(&file.path, &file.text, range.clone())
    }

    /// The item's name with the way to it, e.g. `units::to_celsius`.
    pub(crate) fn path_of(&self, item: &Item) -> String {
        let name = item.names.first().map_or("", String::as_str);
        let modules = self.modules[item.module].path.iter().map(String::as_str);
        modules.chain([name]).collect::<Vec<_>>().join("::")
    }
}

/// Reads every file the root leads to. The root's syntax is given back for what only it holds.
pub(crate) fn read(sources: &Sources, findings: &mut Vec<Diagnostic>) -> (Tree, Option<syn::File>, Option<String>) {
    let mut reader = Reader { sources, tree: Tree::default(), findings };
    let Some(text) = sources.texts.get(&sources.root) else { return (reader.tree, None, None) };
    let head = split_head(text);
    let syntax = reader.file(&sources.root, head.text.into(), None, Vec::new(), &sources::folder(&sources.root));
    (reader.tree, syntax.map(|(_, syntax)| syntax), head.manifest)
}

struct Reader<'a> {
    sources: &'a Sources,
    tree: Tree,
    findings: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn file(
        &mut self,
        path: &Path,
        text: Arc<str>,
        parent: Option<usize>,
        name: Vec<String>,
        modules: &Path,
    ) -> Option<(usize, syn::File)> {
        let syntax = match syn::parse_file(&text) {
            Ok(syntax) => syntax,
            Err(error) => {
                let (start, end) = (error.span().start(), error.span().end());
                let place = Place {
                    file: path.to_owned(),
                    line: start.line,
                    column: start.column + 1,
                    end_line: end.line,
                    end_column: end.column + 1,
                };
                // Before syn can say what is wrong, brackets, quotes and characters must make tokens.
                let why = match text.parse::<proc_macro2::TokenStream>() {
                    Ok(_) => error.to_string(),
                    Err(_) => "a bracket or a quote has no partner, or this is no token".to_owned(),
                };
                self.findings.push(Diagnostic::error(format!("this is no Rust: {why}"), place));
                return None;
            }
        };
        let inner = tokens::hash(syntax.attrs.iter().map(ToTokens::to_token_stream).collect());
        let file = self.tree.files.len();
        self.tree.files.push(File { path: path.to_owned(), text, inner });
        let module = self.module(name, parent, file);
        self.items(&syntax.items, module, modules, true);
        Some((module, syntax))
    }

    fn module(&mut self, path: Vec<String>, parent: Option<usize>, file: usize) -> usize {
        self.tree.modules.push(Module { path, parent, file, items: Vec::new() });
        self.tree.modules.len() - 1
    }

    fn items(&mut self, items: &[Syntax], module: usize, modules: &Path, top: bool) {
        for syntax in items {
            if !is_for_tests(syntax) {
                self.item(syntax, module, modules, top);
            }
        }
    }

    fn item(&mut self, syntax: &Syntax, module: usize, modules: &Path, top: bool) {
        let file = self.tree.modules[module].file;
        let kind = match syntax {
            Syntax::Mod(inner) => match self.inside(inner, module, modules, top) {
                Some(inside) => Kind::Module { inside },
                None => return,
            },
            other => kind(other, module == 0),
        };
        let mentions = if matches!(kind, Kind::Module { .. } | Kind::Use { .. }) {
            Mentions::default()
        } else {
            mention::of_item(syntax)
        };
        for path in &mentions.included {
            let path = sources::folder(&self.tree.files[file].path).join(path);
            let hash = self.sources.included.get(&path).cloned();
            self.tree.included.insert(path, hash);
        }
        let ours = attributes(syntax).iter().filter(|attribute| is_ours(attribute));
        let placed = attributes(syntax).iter().find(|attribute| is_named(attribute, "placed")).map(|attribute| {
            let service = attribute.parse_args::<syn::Ident>().map(|name| name.to_string()).unwrap_or_default();
            (service, attribute.span().byte_range())
        });
        let item = Item {
            names: match &kind {
                Kind::Use { leaves } => leaves.iter().filter(|leaf| !leaf.glob).map(|leaf| leaf.name.clone()).collect(),
                _ => names(syntax),
            },
            kind,
            module,
            file,
            range: syntax.span().byte_range(),
            name_range: name_range(syntax),
            ours: ours.map(|attribute| attribute.span().byte_range()).collect(),
            hash: tokens::hash(syntax.to_token_stream()),
            mentions,
            placed,
        };
        self.tree.modules[module].items.push(self.tree.items.len());
        self.tree.items.push(item);
    }

    fn inside(&mut self, syntax: &syn::ItemMod, parent: usize, modules: &Path, top: bool) -> Option<usize> {
        let name = syntax.ident.to_string();
        let mut path = self.tree.modules[parent].path.clone();
        path.push(name.clone());
        let attribute = syntax.attrs.iter().find_map(path_attribute);
        if let Some((_, items)) = &syntax.content {
            let module = self.module(path, Some(parent), self.tree.modules[parent].file);
            self.items(items, module, &modules.join(attribute.unwrap_or(name)), false);
            return Some(module);
        }
        let file = self.tree.modules[parent].file;
        let candidates = sources::candidates(&self.tree.files[file].path, modules, &name, attribute.as_deref(), top);
        let Some(found) = candidates.iter().find(|path| self.sources.texts.contains_key(*path)) else {
            let place = self.tree.place(file, &syntax.ident.span().byte_range());
            let why =
                candidates.iter().find_map(|path| self.sources.absent.get(path)).map_or("no such file", String::as_str);
            let names: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
            self.findings.push(
                Diagnostic::error(format!("the file of module {name} cannot be read: {why}"), place)
                    .help(format!("it is looked for at {}", names.join(" and "))),
            );
            return None;
        };
        let text = self.sources.texts[found].clone();
        self.file(found, text, Some(parent), path, &sources::folder_of_module(found)).map(|(module, _)| module)
    }
}

fn kind(syntax: &Syntax, root: bool) -> Kind {
    match syntax {
        Syntax::Fn(function) if root && function.sig.ident == "main" => Kind::Main,
        Syntax::Fn(function) => {
            Kind::Function { service: root && function.attrs.iter().any(|attribute| is_named(attribute, "service")) }
        }
        Syntax::Struct(_) | Syntax::Enum(_) | Syntax::Union(_) | Syntax::Type(_) | Syntax::TraitAlias(_) => Kind::Type,
        Syntax::Const(_) => Kind::Constant { word: "const" },
        Syntax::Static(_) => Kind::Constant { word: "static" },
        Syntax::Trait(item) => {
            let methods = item.items.iter().filter_map(|item| match item {
                syn::TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
                _ => None,
            });
            Kind::Trait { methods: methods.collect() }
        }
        Syntax::Impl(item) => {
            let mut bare = item.clone();
            bare.items.clear();
            bare.attrs.clear();
            let head = mention::of_item(&Syntax::Impl(bare)).paths;
            let of = match &*item.self_ty {
                syn::Type::Path(path) => {
                    Some(path.path.segments.iter().map(|segment| segment.ident.to_string()).collect())
                }
                _ => None,
            };
            Kind::Impl { of, head: head.into_iter().map(|mention| mention.segments).collect() }
        }
        Syntax::Use(item) => {
            let mut leaves = Vec::new();
            let begin = item.leading_colon.map(|_| String::new()).into_iter().collect();
            flatten(&item.tree, begin, &mut leaves);
            Kind::Use { leaves }
        }
        Syntax::Macro(item) if item.ident.is_some() => Kind::Macro,
        _ => Kind::Always,
    }
}

fn flatten(tree: &UseTree, mut path: Vec<String>, leaves: &mut Vec<Leaf>) {
    let leaf = |name: String, mut path: Vec<String>| {
        // `use a::{self}` is `use a`.
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let name = if name == "self" { path.last().cloned().unwrap_or_default() } else { name };
        Leaf { name, path, glob: false }
    };
    match tree {
        UseTree::Path(next) => {
            path.push(next.ident.to_string());
            flatten(&next.tree, path, leaves);
        }
        UseTree::Name(name) => {
            path.push(name.ident.to_string());
            leaves.push(leaf(name.ident.to_string(), path));
        }
        UseTree::Rename(renamed) => {
            path.push(renamed.ident.to_string());
            leaves.push(leaf(renamed.rename.to_string(), path));
        }
        UseTree::Glob(_) => leaves.push(Leaf { name: String::new(), path, glob: true }),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, path.clone(), leaves)),
    }
}

/// The names an item brings into its module.
pub(crate) fn names(syntax: &Syntax) -> Vec<String> {
    identifier(syntax).map(|name| name.to_string()).into_iter().collect()
}

fn identifier(syntax: &Syntax) -> Option<&syn::Ident> {
    match syntax {
        Syntax::Const(item) => Some(&item.ident),
        Syntax::Enum(item) => Some(&item.ident),
        Syntax::Fn(item) => Some(&item.sig.ident),
        Syntax::Macro(item) => item.ident.as_ref(),
        Syntax::Mod(item) => Some(&item.ident),
        Syntax::Static(item) => Some(&item.ident),
        Syntax::Struct(item) => Some(&item.ident),
        Syntax::Trait(item) => Some(&item.ident),
        Syntax::TraitAlias(item) => Some(&item.ident),
        Syntax::Type(item) => Some(&item.ident),
        Syntax::Union(item) => Some(&item.ident),
        Syntax::ExternCrate(item) => Some(item.rename.as_ref().map_or(&item.ident, |(_, name)| name)),
        _ => None,
    }
}

fn name_range(syntax: &Syntax) -> Range<usize> {
    identifier(syntax).map_or_else(|| syntax.span().byte_range(), |name| name.span().byte_range())
}

/// An item's attributes.
pub(crate) fn attributes(syntax: &Syntax) -> &[syn::Attribute] {
    match syntax {
        Syntax::Const(item) => &item.attrs,
        Syntax::Enum(item) => &item.attrs,
        Syntax::ExternCrate(item) => &item.attrs,
        Syntax::Fn(item) => &item.attrs,
        Syntax::ForeignMod(item) => &item.attrs,
        Syntax::Impl(item) => &item.attrs,
        Syntax::Macro(item) => &item.attrs,
        Syntax::Mod(item) => &item.attrs,
        Syntax::Static(item) => &item.attrs,
        Syntax::Struct(item) => &item.attrs,
        Syntax::Trait(item) => &item.attrs,
        Syntax::TraitAlias(item) => &item.attrs,
        Syntax::Type(item) => &item.attrs,
        Syntax::Union(item) => &item.attrs,
        Syntax::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an attribute is `#[name]` or `#[dyninka::name]`.
pub(crate) fn is_named(attribute: &syn::Attribute, name: &str) -> bool {
    let path = attribute.path();
    path.is_ident(name)
        || path.segments.len() == 2 && path.segments[0].ident == "dyninka" && path.segments[1].ident == name
}

/// Whether an attribute is one of ours.
pub(crate) fn is_ours(attribute: &syn::Attribute) -> bool {
    ["service", "placed", "main"].iter().any(|name| is_named(attribute, name))
}

fn is_for_tests(syntax: &Syntax) -> bool {
    attributes(syntax).iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

fn path_attribute(attribute: &syn::Attribute) -> Option<String> {
    match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    }
}
