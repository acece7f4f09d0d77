//! A slice in two: the types and what they need as a crate of their own, and the rest, which finds them there.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, ImplItem, Visibility};

use crate::apart::{Apart, Carried};
use crate::model::{App, Service, ServiceSlice};
use crate::reach::Reach;
use crate::slice::Change;
use crate::tree::{Item, Kind, Module, Tree};

/// A service's slice in two.
#[derive(Clone, Debug)]
pub struct Split {
    /// A crate of its own: the types, everything in it public.
    pub types: ServiceSlice,
    /// What of the types travels or is state: to be compiled for that, too.
    pub carried: Carried,
    /// Names of the items that are in `types` alone.
    pub moved: BTreeSet<String>,
    /// The service without them. In modules, their names lead to the crate [`Split::CRATE`].
    pub rest: ServiceSlice,
    /// The same for the root: statements to be put below its text.
    pub imports: Vec<String>,
}

/// What several services are compiled from in one crate.
#[derive(Clone, Debug)]
pub struct ServiceGroup {
    /// All of it: each item once, at its line.
    pub whole: ServiceSlice,
    /// The same in two; none where there is no type that can be compiled apart.
    pub split: Option<Split>,
}

impl Split {
    /// The name by which the rest knows the crate of the types.
    pub const CRATE: &str = "__dyninka_types";
}

impl App {
    /// The slice of a service in two. None where it reaches no type that can be compiled apart from it.
    pub fn split(&self, service: &str) -> Option<Split> {
        let service = self.service(service)?;
        self.split_by(&service.reach, &service.calls, &service.apart)
    }

    /// What several services of this app are compiled from in one crate; none where one is another's.
    pub fn group(&self, services: &[&Service]) -> Option<ServiceGroup> {
        let mut all = (Reach::default(), Apart::default(), BTreeSet::new());
        for service in services {
            all.0.add(&service.reach);
            all.1.reach.add(&service.apart.reach);
            all.1.carried.add(&service.apart.carried);
            all.2.extend(service.calls.iter().cloned());
        }
        let (reach, apart, calls) = all;
        let whole = self.cut(&reach, &calls, &|_| false, Vec::new())?;
        Some(ServiceGroup { whole, split: self.split_by(&reach, &calls, &apart) })
    }

    fn split_by(&self, reach: &Reach, calls: &BTreeSet<String>, apart: &Apart) -> Option<Split> {
        if apart.reach.items.is_empty() {
            return None;
        }
        let (tree, moved) = (&*self.tree, |number: &usize| {
            apart.reach.items.contains(number) && is_moved(&self.tree.items[*number].kind)
        });
        let stays = |number: &usize| reach.items.contains(number) && !moved(number);
        let mut public = Vec::new();
        for number in &apart.reach.items {
            let item = &tree.items[*number];
            let is_mixed = item.module == 0 || lives_in(tree, &tree.modules[item.module], &stays);
            public.extend(open(tree, item, is_mixed).into_iter().map(|change| (item.file, change)));
        }
        let types = self.cut(&apart.reach, &BTreeSet::new(), &|_| false, public)?;

        let mut changes = Vec::new();
        let mut imports = Vec::new();
        for (number, module) in tree.modules.iter().enumerate() {
            let names = module.items.iter().filter(|number| moved(number)).filter_map(|number| import(tree, *number));
            let names: BTreeSet<String> = names.collect();
            if number == 0 {
                imports.extend(names);
            } else if !names.is_empty()
                && let Some(declared) = module.item.map(|declared| &tree.items[declared])
            {
                let text = names.into_iter().collect::<Vec<_>>().join(" ");
                // Inside the braces, or at the end of its file.
                let end = tree.files[module.file].text.len();
                let (at, text) = if declared.file == module.file {
                    (declared.range().end - 1, text)
                } else {
                    (end, format!("\n{text}\n"))
                };
                changes.push((module.file, Change { range: at..at, text: Some(text) }));
            }
        }
        let names = apart.reach.items.iter().filter(|number| moved(number)).map(|number| &tree.items[*number].names);
        let moved_names = names.flatten().cloned().collect();
        let rest = self.cut(reach, calls, &moved, changes)?;
        Some(Split { types, carried: apart.carried.clone(), moved: moved_names, rest, imports })
    }
}

/// What is in one crate alone. Modules and imports are in both, and a macro has no identity.
fn is_moved(kind: &Kind) -> bool {
    matches!(kind, Kind::Function | Kind::Type { .. } | Kind::Constant { .. } | Kind::Trait { .. } | Kind::Impl { .. })
}

/// Whether code of the rest is in a module or below it, and so sees what is private there.
fn lives_in(tree: &Tree, module: &Module, stays: &dyn Fn(&usize) -> bool) -> bool {
    module.items.iter().filter(|number| stays(number)).any(|number| match &tree.items[*number].kind {
        Kind::Module { inside } => lives_in(tree, &tree.modules[*inside], stays),
        Kind::Use { .. } | Kind::Macro => false,
        _ => true,
    })
}

/// The statement by which the rest finds an item that was moved, as visible as the item.
fn import(tree: &Tree, number: usize) -> Option<String> {
    let item = &tree.items[number];
    let name = item.names.first().filter(|name| *name != "_")?;
    let syntax = parse(tree, item)?;
    let visible = match visibility(&syntax)? {
        Visibility::Inherited => String::new(),
        Visibility::Public(_) => "pub ".to_owned(),
        Visibility::Restricted(restricted) => {
            format!("{} ", &tree.files[item.file].text[item.range()][restricted.span().byte_range()])
        }
    };
    let path: Vec<&str> = tree.modules[item.module].path.iter().map(String::as_str).chain([name.as_str()]).collect();
    Some(format!("{visible}use ::{}::{};", Split::CRATE, path.join("::")))
}

fn parse(tree: &Tree, item: &Item) -> Option<syn::Item> {
    syn::parse_str(&tree.files[item.file].text[item.range()]).ok()
}

fn visibility(item: &syn::Item) -> Option<&Visibility> {
    Some(match item {
        syn::Item::Const(item) => &item.vis,
        syn::Item::Enum(item) => &item.vis,
        syn::Item::Fn(item) => &item.vis,
        syn::Item::Mod(item) => &item.vis,
        syn::Item::Static(item) => &item.vis,
        syn::Item::Struct(item) => &item.vis,
        syn::Item::Trait(item) => &item.vis,
        syn::Item::TraitAlias(item) => &item.vis,
        syn::Item::Type(item) => &item.vis,
        syn::Item::Union(item) => &item.vis,
        _ => return None,
    })
}

/// What makes an item public. What is private in a module stays so where no code of the rest may see it: a private
/// field or method does not hide what is found behind it.
fn open(tree: &Tree, item: &Item, is_mixed: bool) -> Vec<Change> {
    let Some(syntax) = parse(tree, item) else { return Vec::new() };
    let mut opener = Opener { text: &tree.files[item.file].text, start: item.range().start, changes: Vec::new() };
    if let Some(visibility) = visibility(&syntax) {
        opener.open(visibility, crate::syntax::attributes(&syntax), &syntax);
    }
    let mut part = |visibility: &Visibility, attributes: &[Attribute], whole: &dyn ToTokens| {
        if is_mixed || !matches!(visibility, Visibility::Inherited) {
            opener.open(visibility, attributes, whole);
        }
    };
    match &syntax {
        syn::Item::Struct(of) => of.fields.iter().for_each(|field| part(&field.vis, &field.attrs, field)),
        syn::Item::Union(of) => of.fields.named.iter().for_each(|field| part(&field.vis, &field.attrs, field)),
        syn::Item::Impl(of) if of.trait_.is_none() => {
            for inner in &of.items {
                match inner {
                    ImplItem::Const(of) => part(&of.vis, &of.attrs, of),
                    ImplItem::Fn(of) => part(&of.vis, &of.attrs, of),
                    ImplItem::Type(of) => part(&of.vis, &of.attrs, of),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    opener.changes
}

struct Opener<'a> {
    text: &'a str,
    /// Where the item begins in it.
    start: usize,
    changes: Vec<Change>,
}

impl Opener<'_> {
    fn open(&mut self, visibility: &Visibility, attributes: &[Attribute], whole: &dyn ToTokens) {
        let change = match visibility {
            Visibility::Public(_) => return,
            Visibility::Restricted(restricted) => {
                let range = restricted.span().byte_range();
                let range = self.start + range.start..self.start + range.end;
                // As wide as it was, so that what follows stays where it is.
                let width = range.len();
                Change { range, text: Some(format!("{:width$}", "pub")) }
            }
            Visibility::Inherited => {
                let mut tokens = whole.to_token_stream().into_iter();
                let outer = attributes.iter().filter(|of| matches!(of.style, syn::AttrStyle::Outer));
                let before: usize = outer.map(|of| of.to_token_stream().into_iter().count()).sum();
                let Some(first) = tokens.nth(before) else { return };
                self.before(self.start + first.span().byte_range().start)
            }
        };
        self.changes.push(change);
    }

    /// `pub` in the spaces before a place, so that nothing moves; else on the line above; else between.
    fn before(&self, at: usize) -> Change {
        const WORD: &str = "pub ";
        let line = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        if self.text[..at].ends_with("    ") {
            return Change { range: at - WORD.len()..at, text: Some(WORD.to_owned()) };
        }
        let above = line.checked_sub(1).map(|end| &self.text[self.text[..end].rfind('\n').map_or(0, |at| at + 1)..end]);
        match above {
            Some(above) if self.text[line..at].trim().is_empty() && !above.contains("//") => {
                Change { range: line - 1..line - 1, text: Some(format!(" {WORD}")) }
            }
            _ => Change { range: at..at, text: Some(WORD.to_owned()) },
        }
    }
}
