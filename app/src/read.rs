//! Texts to a [`Tree`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Item as Syntax;
use syn::spanned::Spanned;

use crate::diagnostic::{Diagnostic, Place};
use crate::import;
use crate::mention::{self, Mentions};
use crate::nesting;
use crate::options;
use crate::sources::{self, Sources};
use crate::syntax::{attributes, is_for_tests, is_named, is_ours, name_range, names, path_attribute};
use crate::text::split_head;
use crate::tokens;
use crate::tree::{Face, File, Item, Kind, Module, PlacedOn, Tree};

/// Reads every file the root leads to. The root's syntax is given back for what only it holds.
pub(crate) fn read(sources: &Sources, findings: &mut Vec<Diagnostic>) -> (Tree, Option<syn::File>, Option<String>) {
    let mut reader = Reader { sources, tree: Tree::default(), findings, open: Vec::new() };
    let Some(text) = sources.texts.get(&sources.root) else {
        let why = sources.absent.get(&sources.root).map_or("no such file", String::as_str);
        reader.findings.push(Diagnostic::unreadable(&sources.root, why));
        return (reader.tree, None, None);
    };
    let head = split_head(text);
    let syntax = reader.file(&sources.root, head.text.into(), None, Vec::new(), &sources::folder(&sources.root));
    (reader.tree, syntax.map(|(_, syntax)| syntax), head.manifest)
}

struct Reader<'a> {
    sources: &'a Sources,
    tree: Tree,
    findings: &'a mut Vec<Diagnostic>,
    /// Files that are being read, each declared in the one before.
    open: Vec<PathBuf>,
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
        let file = self.tree.files.len();
        self.tree.files.push(File::new(path, text.clone(), String::new()));
        let syntax = match self.syntax(file, &text) {
            Ok(syntax) => syntax,
            Err(finding) => {
                self.findings.push(*finding);
                return None;
            }
        };
        self.tree.files[file].inner = tokens::hash(syntax.attrs.iter().map(ToTokens::to_token_stream).collect());
        let module = self.module(name, parent, file);
        self.open.push(path.to_owned());
        self.items(&syntax.items, module, modules, true);
        self.open.pop();
        Some((module, syntax))
    }

    fn syntax(&self, file: usize, text: &str) -> Result<syn::File, Box<Diagnostic>> {
        let wrong = |message: String, span: proc_macro2::Span, help: &str| {
            // What is missing at the end of a text has no place of its own.
            let range = Some(span.byte_range()).filter(|range| *range != (0..0)).unwrap_or(text.len()..text.len());
            Box::new(Diagnostic::error(message, self.tree.place(file, &range)).help(help))
        };
        let tokens: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
            // A fence that is never closed reads as minus signs.
            if text.trim_start().starts_with("---") {
                return wrong(
                    "the frontmatter is not closed".to_owned(),
                    error.span(),
                    "end it with a line of the same dashes",
                );
            }
            wrong(
                "this is no Rust: a bracket or a quote has no partner, or this is no token".to_owned(),
                error.span(),
                "look for the bracket or quote that is open or missing here or above",
            )
        })?;
        if let Some(range) = nesting::too_deep(&tokens) {
            let finding = Diagnostic::error("this is nested too deeply to be read", self.tree.place(file, &range));
            return Err(Box::new(finding.help("give parts of it names of their own: a function, a const, a let")));
        }
        syn::parse2(tokens).map_err(|error| {
            if text.trim_start().starts_with("---") {
                return wrong(
                    "the frontmatter is not closed".to_owned(),
                    error.span(),
                    "end it with a line of the same dashes",
                );
            }
            wrong(format!("this is no Rust: {error}"), error.span(), "the rest of the app is read once this is")
        })
    }

    fn module(&mut self, path: Vec<String>, parent: Option<usize>, file: usize) -> usize {
        self.tree.modules.push(Module { path, parent, item: None, file, items: Vec::new() });
        self.tree.modules.len() - 1
    }

    fn items(&mut self, items: &[Syntax], module: usize, modules: &Path, top: bool) {
        for syntax in items {
            self.item(syntax, module, modules, top);
        }
    }

    fn item(&mut self, syntax: &Syntax, module: usize, modules: &Path, top: bool) {
        let file = self.tree.modules[module].file;
        let kind = match syntax {
            _ if is_for_tests(syntax) => Kind::Test,
            Syntax::Mod(inner) => match self.inside(inner, module, modules, top) {
                Some(inside) => Kind::Module { inside },
                // Not there on this machine, and maybe not for it: rustc knows.
                None => Kind::Nameless,
            },
            other => kind(other, module == 0),
        };
        let mentions = match kind {
            Kind::Module { .. } | Kind::Use { .. } | Kind::Test => Mentions::default(),
            _ => mention::of_item(syntax),
        };
        let number = self.tree.items.len();
        let (names, hash) = match &kind {
            Kind::Use { leaves, .. } => (leaves.iter().map(|leaf| leaf.name.clone()).collect(), TokenStream::new()),
            Kind::Test => (Vec::new(), TokenStream::new()),
            Kind::Module { inside } => {
                self.tree.modules[*inside].item = Some(number);
                let attributes = attributes(syntax).iter().map(ToTokens::to_token_stream);
                (names(syntax), attributes.chain([names(syntax).concat().parse().unwrap_or_default()]).collect())
            }
            Kind::Service { .. } => (names(syntax), options::without_needs(syntax)),
            _ => (names(syntax), syntax.to_token_stream()),
        };
        let ours = attributes(syntax).iter().filter(|attribute| is_ours(attribute));
        let item = Item {
            names,
            kind,
            module,
            file,
            range: syntax.span().byte_range(),
            name_range: name_range(syntax),
            ours: ours.map(|attribute| attribute.span().byte_range()).collect(),
            hash: tokens::hash(hash),
            mentions,
            placed: placed(syntax),
        };
        for included in &item.mentions.included {
            let path = self.tree.looked_for(&item, included);
            self.tree.included.insert(path.clone(), self.sources.included.get(&path).cloned());
        }
        self.tree.modules[module].items.push(number);
        self.tree.items.push(item);
    }

    fn inside(&mut self, syntax: &syn::ItemMod, parent: usize, modules: &Path, top: bool) -> Option<usize> {
        let name = syntax.ident.to_string();
        let mut path = self.tree.modules[parent].path.clone();
        path.push(name.clone());
        let attribute = syntax.attrs.iter().find_map(path_attribute);
        let file = self.tree.modules[parent].file;
        if let Some((_, items)) = &syntax.content {
            let module = self.module(path, Some(parent), file);
            let path = &self.tree.files[file].path;
            let inside = sources::folder_of_inline(path, modules, &name, attribute.as_deref(), top);
            self.items(items, module, &inside, false);
            return Some(module);
        }
        let candidates = sources::candidates(&self.tree.files[file].path, modules, &name, attribute.as_deref(), top);
        let place = self.tree.place(file, &syntax.ident.span().byte_range());
        let Some(found) = candidates.iter().find(|path| self.sources.texts.contains_key(*path)) else {
            if !syntax.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")) {
                self.findings.push(self.absent(&name, &candidates, place));
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
        let (found, text) = (found.clone(), self.sources.texts[found].clone());
        self.file(&found, text, Some(parent), path, &sources::folder_of_module(&found, attribute.is_some()))
            .map(|(module, _)| module)
    }

    fn absent(&self, name: &str, candidates: &[PathBuf], place: Place) -> Diagnostic {
        let why =
            candidates.iter().find_map(|path| self.sources.absent.get(path)).map_or("no such file", String::as_str);
        let paths: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
        Diagnostic::error(format!("the file of module {name} cannot be read: {why}"), place)
            .help(format!("it is looked for at {}", paths.join(" and ")))
    }
}

fn kind(syntax: &Syntax, root: bool) -> Kind {
    match syntax {
        Syntax::Fn(function) if root && function.sig.ident == "main" => Kind::Main,
        Syntax::Fn(function) if root && function.attrs.iter().any(|attribute| is_named(attribute, "service")) => {
            let face = Face {
                mentions: mention::of_signature(&function.sig),
                hash: tokens::hash(function.sig.to_token_stream()),
            };
            Kind::Service { face }
        }
        Syntax::Fn(_) => Kind::Function,
        Syntax::Enum(item) => Kind::Type {
            variants: item.variants.iter().map(|variant| variant.ident.to_string()).collect(),
            is_alias: false,
        },
        Syntax::Struct(_) | Syntax::Union(_) => Kind::Type { variants: BTreeSet::new(), is_alias: false },
        Syntax::Type(_) => Kind::Type { variants: BTreeSet::new(), is_alias: true },
        Syntax::Const(_) => Kind::Constant { is_static: false },
        Syntax::Static(_) => Kind::Constant { is_static: true },
        Syntax::Trait(item) => {
            let methods = item.items.iter().filter_map(|item| match item {
                syn::TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
                _ => None,
            });
            Kind::Trait { methods: methods.collect() }
        }
        Syntax::TraitAlias(_) => Kind::Trait { methods: BTreeSet::new() },
        Syntax::Impl(item) => {
            let head = mention::of_head(item).paths.into_iter().map(|mention| mention.segments).collect();
            let of = match &*item.self_ty {
                syn::Type::Path(path) => {
                    Some(path.path.segments.iter().map(|segment| segment.ident.to_string()).collect())
                }
                _ => None,
            };
            Kind::Impl { of, head }
        }
        Syntax::Use(item) => {
            let (leaves, parts) = import::read(item);
            Kind::Use { leaves, parts }
        }
        Syntax::Macro(item) if item.ident.is_some() => Kind::Macro,
        _ => Kind::Nameless,
    }
}

fn placed(syntax: &Syntax) -> Option<PlacedOn> {
    let attribute = attributes(syntax).iter().find(|attribute| is_named(attribute, "placed"))?;
    let names = syn::punctuated::Punctuated::<syn::Ident, syn::Token![,]>::parse_terminated;
    let services = attribute.parse_args_with(names).unwrap_or_default();
    Some(PlacedOn {
        services: services.iter().map(ToString::to_string).collect(),
        range: attribute.span().byte_range(),
    })
}
