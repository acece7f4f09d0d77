//! syn's items to what is kept of them, which is the same wherever they stand and whatever stands around them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::Item as Syntax;
use syn::spanned::Spanned;

use crate::acts;
use crate::bucket;
use crate::condition;
use crate::import;
use crate::mention::Mentions;
use crate::options;
use crate::placed;
use crate::seen::Seen;
use crate::service::{self, Signed};
use crate::shape;
use crate::syntax::{attributes, is_for_tests, is_named, is_ours, name_range, names};
use crate::text::back;
use crate::tokens;
use crate::tree::{Essence, Face, Kind};
use crate::walk;

/// An item at the top of a file.
#[derive(Debug)]
pub(crate) struct Unit {
    /// Where it begins, in bytes of its file.
    pub(crate) start: usize,
    pub(crate) content: Arc<Content>,
}

/// An item, with those in it. Its bytes count from the first one of the item at the top of the file.
#[derive(Debug)]
pub(crate) struct Content {
    /// Of a module: what it is where its file is not there.
    pub(crate) kind: Kind,
    pub(crate) essence: Arc<Essence>,
    /// What it is as a module, where it is one.
    pub(crate) module: Option<Declared>,
    /// `#[service]`, at the top of the root file.
    pub(crate) mark: Option<Mark>,
    /// `fn main` at the top of a file.
    pub(crate) is_main: bool,
    /// Files it names; of the items at the top of a file.
    pub(crate) seen: Seen,
}

/// `mod name;` or `mod name { … }`.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: String,
    /// `#[path = "…"]`.
    pub(crate) path: Option<String>,
    /// Whether it may not be wanted on this machine.
    pub(crate) is_conditional: bool,
    /// What it is where what is inside is known.
    pub(crate) essence: Arc<Essence>,
    /// What is in its braces.
    pub(crate) inside: Option<Vec<Content>>,
}

/// What `#[service]` marks.
#[derive(Debug)]
pub(crate) enum Mark {
    Function(Box<Signed>),
    /// What is none, and where the mark is.
    Other(Range<usize>),
}

/// Which file an item stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home<'a> {
    pub(crate) file: &'a Path,
    /// Where the modules declared in it are looked for.
    pub(crate) modules: &'a Path,
    pub(crate) is_root: bool,
}

impl Unit {
    /// Keeps of an item what counts. `offset`: where the text it was read from begins in its file.
    pub(crate) fn read(syntax: &Syntax, text: &str, offset: usize, home: Home<'_>) -> Self {
        let span = syntax.span().byte_range();
        let mut content = Content::read(syntax, span.start, home.is_root);
        let written = text.get(span.clone()).unwrap_or_default();
        // Tokens are looked through only where the words are there at all.
        if written.contains("mod") || written.contains("include") {
            content.seen.look(home.file, syntax.to_token_stream(), home.modules, true);
        }
        Self { start: offset + span.start, content: Arc::new(content) }
    }

    /// Where it ends, in bytes of its file.
    pub(crate) fn end(&self) -> usize {
        self.start + self.content.essence.whole.end
    }
}

impl Content {
    /// `start`: where the item at the top of the file begins in the text it was read from.
    fn read(syntax: &Syntax, start: usize, is_top: bool) -> Self {
        let is_for_tests = is_for_tests(syntax);
        let (kind, module) = match syntax {
            _ if is_for_tests => (Kind::Test, None),
            // A file that is not there on this machine is maybe not for it: rustc knows.
            Syntax::Mod(inner) => (Kind::Nameless, Some(Declared::read(inner, syntax, start))),
            other => (kind(other, is_top, start), None),
        };
        let is_whole = matches!(syntax, Syntax::Mod(module) if module.content.is_some());
        let essence = match &module {
            Some(module) if is_whole => module.essence.clone(),
            _ => Arc::new(essence(syntax, &kind, start)),
        };
        let function = match syntax {
            Syntax::Fn(function) => Some(function),
            _ => None,
        };
        let mark = attributes(syntax).iter().find(|attribute| is_named(attribute, "service")).filter(|_| is_top);
        let mark = mark.map(|mark| match function {
            Some(function) => Mark::Function(Box::new(service::read(function).shifted(start))),
            None => Mark::Other(back(mark.span().byte_range(), start)),
        });
        let is_main = is_top && function.is_some_and(|function| function.sig.ident == "main");
        Self { kind, essence, module, mark, is_main, seen: Seen::default() }
    }
}

impl Declared {
    fn read(inner: &syn::ItemMod, syntax: &Syntax, start: usize) -> Self {
        let attributes = attributes(syntax).iter().map(ToTokens::to_token_stream);
        let name = names(syntax).concat().parse().unwrap_or_default();
        let hash = tokens::hash(attributes.chain([name]).collect());
        let inside = inner.content.as_ref();
        Self {
            name: inner.ident.to_string(),
            path: condition::path(&inner.attrs),
            is_conditional: inner.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")),
            essence: Arc::new(Essence { hash, ..plain(syntax, start) }),
            inside: inside.map(|(_, items)| items.iter().map(|item| Content::read(item, start, false)).collect()),
        }
    }
}

/// What every item has.
fn plain(syntax: &Syntax, start: usize) -> Essence {
    let ours = attributes(syntax).iter().filter(|attribute| is_ours(attribute));
    Essence {
        names: names(syntax),
        whole: back(syntax.span().byte_range(), start),
        name_range: back(name_range(syntax), start),
        ours: ours.map(|attribute| back(attribute.span().byte_range(), start)).collect(),
        hash: tokens::hash(TokenStream::new()),
        mentions: Mentions::default(),
        placed: placed::read(syntax, start),
        bucket: bucket::read(syntax, start),
        shape: shape::read(syntax),
        acts: acts::read(syntax),
    }
}

fn essence(syntax: &Syntax, kind: &Kind, start: usize) -> Essence {
    let mut essence = plain(syntax, start);
    match kind {
        Kind::Use { leaves, .. } => {
            essence.names = leaves.iter().map(|leaf| leaf.name.clone()).collect();
            // What it brings is told leaf by leaf; whether it is there at all is for its attributes to say.
            essence.hash = tokens::hash(attributes(syntax).iter().map(ToTokens::to_token_stream).collect());
        }
        Kind::Test => essence.names = Vec::new(),
        _ => {
            essence.hash = tokens::hash(match kind {
                Kind::Service { .. } => options::without_needs(syntax),
                _ => syntax.to_token_stream(),
            });
            essence.mentions = walk::of_item(syntax).shifted(start);
            if let Syntax::Macro(call) = syntax
                && call.ident.is_none()
            {
                essence.mentions.made = made(call.mac.tokens.clone());
                essence.names = essence.mentions.made.clone();
            }
        }
    }
    essence
}

/// The names after `struct`, `enum` and the like.
fn made(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let pairs = tokens.windows(2).filter_map(|pair| match pair {
        [TokenTree::Ident(word), TokenTree::Ident(name)] => {
            let declares = ["struct", "enum", "union", "type", "trait"].iter().any(|of| word == of);
            declares.then(|| name.to_string())
        }
        _ => None,
    });
    let inside = tokens.iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(made(group.stream())),
        _ => None,
    });
    pairs.chain(inside.flatten()).collect()
}

fn kind(syntax: &Syntax, is_root: bool, start: usize) -> Kind {
    match syntax {
        Syntax::Fn(function) if is_root && function.sig.ident == "main" => Kind::Main,
        Syntax::Fn(function) if is_root && function.attrs.iter().any(|attribute| is_named(attribute, "service")) => {
            let face = Face {
                mentions: walk::of_signature(&function.sig).shifted(start),
                hash: tokens::hash(function.sig.to_token_stream()),
            };
            Kind::Service { face: Arc::new(face) }
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
            let head = walk::of_head(item).paths.into_iter().map(|mention| mention.segments).collect();
            let of = match &*item.self_ty {
                syn::Type::Path(path) => {
                    Some(path.path.segments.iter().map(|segment| segment.ident.to_string()).collect())
                }
                _ => None,
            };
            Kind::Impl { of, head }
        }
        Syntax::Use(item) => {
            let (leaves, mut parts) = import::read(item);
            parts.iter_mut().for_each(|part| part.range = back(part.range.clone(), start));
            Kind::Use { leaves, parts }
        }
        Syntax::Macro(item) if item.ident.is_some() => Kind::Macro,
        _ => Kind::Nameless,
    }
}
