//! What was found out of an app's services before, and for which of them an edit leaves that as it is.
//!
//! What a service reaches follows from what each item on the way names, and from the names, imports and `impl` blocks of
//! the whole app. So where an edit changes no more than the insides of functions and constants, a service that reaches
//! none of them is what it was. Any other edit is read whole: whether it is one of those is said here, in doubt against.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::mention::Mentions;
use crate::model::Service;
use crate::reach::Index;
use crate::tree::{Item, Kind, Tree};

/// An app's services as they were read last.
#[derive(Debug)]
pub(crate) struct KeptServices {
    pub(crate) tree: Arc<Tree>,
    pub(crate) services: Vec<KeptService>,
}

/// A service that was read.
#[derive(Clone, Debug)]
pub(crate) struct KeptService {
    /// Its function.
    pub(crate) number: usize,
    pub(crate) service: Service,
    /// Its placed statics.
    pub(crate) own: Vec<usize>,
    /// What decides whether the cells of its placed values are shared, beside what it reaches.
    pub(crate) decides: BTreeSet<usize>,
}

/// What is different in a tree that is otherwise the one before.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    /// Items with another content.
    changed: BTreeSet<usize>,
    /// Items at another line or column.
    moved: Vec<bool>,
}

impl KeptServices {
    /// What an edit made different; none where that may be more than what is inside of items.
    pub(crate) fn differences(&self, index: &Index<'_>) -> Option<Differences> {
        let (was, now) = (&*self.tree, index.tree);
        let same_files = was.files.len() == now.files.len()
            && was.files.iter().zip(&now.files).all(|(a, b)| a.path == b.path && a.inner == b.inner);
        let alike = same_files
            && was.modules == now.modules
            && was.items.len() == now.items.len()
            && was.included == now.included
            && was.variables == now.variables
            && was.has_allocator() == now.has_allocator();
        if !alike {
            return None;
        }
        let mut differences = Differences::default();
        for (number, (a, b)) in was.items.iter().zip(&now.items).enumerate() {
            if (a.module, a.file) != (b.module, b.file) {
                return None;
            }
            if !Arc::ptr_eq(&a.essence, &b.essence) {
                if !is_inside(index, number, a, b) {
                    return None;
                }
                differences.changed.insert(number);
            }
            let at = |tree: &Tree, item: &Item| tree.files[item.file].position(item.range().start);
            differences.moved.push(at(was, a) != at(now, b));
        }
        Some(differences)
    }
}

/// Whether two items of one number differ in nothing that an item which does not reach them depends on.
fn is_inside(index: &Index<'_>, number: usize, was: &Item, now: &Item) -> bool {
    let is_same_kind = match (&was.kind, &now.kind) {
        (Kind::Function, Kind::Function) | (Kind::Main, Kind::Main) | (Kind::Test, Kind::Test) => true,
        (Kind::Constant { is_static: a }, Kind::Constant { is_static: b }) => a == b,
        (Kind::Service { face: a }, Kind::Service { face: b }) => {
            a.hash == b.hash && names_same(&a.mentions, &b.mentions)
        }
        // An `impl` may be on the way from a trait or an alias to a type, by what it names.
        (Kind::Impl { of: a, head: c }, Kind::Impl { of: b, head: d }) => {
            a == b && c == d && names_same(&was.mentions, &now.mentions) && !index.may_add(now)
        }
        _ => false,
    };
    // What may give any type an `impl` is looked for everywhere.
    let adds = |item: &Item| item.mentions.has_impl || !item.mentions.made.is_empty() || index.calls_maker(item);
    // What registers itself is looked at for every service, and so is what it reaches.
    let is_reached_only = !index.has_acting() || names_same(&was.mentions, &now.mentions);
    is_same_kind
        && is_reached_only
        && was.names == now.names
        && was.acts == now.acts
        && was.placed.is_none()
        && now.placed.is_none()
        && !index.acts(number)
        && !adds(was)
        && !adds(now)
}

/// Whether two name the same, wherever it stands in them.
fn names_same(a: &Mentions, b: &Mentions) -> bool {
    let paths = |of: &Mentions| of.paths.iter().map(|path| (path.segments.clone(), path.manner)).collect::<Vec<_>>();
    let parts = |of: &Mentions| (of.tells_place, of.has_impl, of.made.clone(), of.macros.clone(), of.methods.clone());
    paths(a) == paths(b)
        && parts(a) == parts(b)
        && a.included == b.included
        && a.variables == b.variables
        && a.crates == b.crates
}

impl Differences {
    /// The service as it was, where all that it is found out from is; `own` are its placed statics now.
    pub(crate) fn kept<'k>(&self, before: &'k KeptServices, number: usize, own: &[usize]) -> Option<&'k KeptService> {
        let tree = &before.tree;
        let kept = before.services.iter().find(|kept| kept.number == number)?;
        let reach = &kept.service.reach;
        let tells = |number: &usize| tree.items[*number].mentions.tells_place;
        let is_kept = kept.own == own
            // Their first use is told with its place.
            && reach.placed.is_empty()
            && reach.items.is_disjoint(&self.changed)
            && kept.decides.is_disjoint(&self.changed)
            // Its callers' stubs, and what counts for it, are those of what it calls.
            && !reach.items.iter().any(|number| self.moved[*number] && tells(number));
        is_kept.then_some(kept)
    }

    /// Whether one of these items stands elsewhere.
    pub(crate) fn has_moved(&self, items: &BTreeSet<usize>) -> bool {
        items.iter().any(|number| self.moved[*number])
    }
}

impl KeptService {
    /// Whether all that can be compiled apart from it stands where it stood: a panic names its place.
    pub(crate) fn is_in_place(&self, differences: &Differences) -> bool {
        !differences.has_moved(&self.service.apart.reach.items)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::memory::Memory;
    use crate::sources::Sources;

    const TEXT: &str = "fn a() -> f64 { 1.0 }\nfn b() -> f64 { 2.0 }\nstruct S;\n\
        #[service] fn one() -> f64 { a() }\n#[service] fn two(x: f64) -> f64 { x + b() }\nfn main() { one().two() }\n";

    /// The services that are taken from before once a text reads another way.
    fn kept(gone: &str, come: &str) -> Option<Vec<String>> {
        let sources = |text: &str| {
            let root = PathBuf::from("app.rs");
            Sources { texts: [(root.clone(), Arc::from(text))].into(), root, ..Sources::default() }
        };
        let mut memory = Memory::default();
        drop(memory.parse(&sources(TEXT)));
        let before = memory.services.take()?;
        let (app, _) = memory.parse(&sources(&TEXT.replacen(gone, come, 1)));
        let differences = before.differences(&Index::new(&app.tree))?;
        let kept = before.services.iter().filter(|kept| differences.kept(&before, kept.number, &kept.own).is_some());
        Some(kept.map(|kept| kept.service.name.clone()).collect())
    }

    #[test]
    fn a_service_is_read_again_where_it_reaches_what_changed() {
        let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(kept("1.0", "3.0"), some(&["two"]));
        assert_eq!(kept("2.0", "a()"), some(&["one"]));
        assert_eq!(kept("one().two()", "one()"), some(&["one", "two"]));
        assert_eq!(kept("fn a", "\n// Said.\nfn a"), some(&["one", "two"]));
        assert_eq!(kept("{ 2.0 }", "{ impl S { } 2.0 }"), None);
        assert_eq!(kept("struct S;", "struct S(u8);"), None);
        assert_eq!(kept("x: f64", "x: f32"), None);
        assert_eq!(kept("fn b", "fn c() { }\nfn b"), None);
    }
}
