//! Whether two versions share the cell of a placed value: only where layout and behaviour are the same.

use std::collections::BTreeMap;

use app::{PlacedStatic, Sources};

/// The placed value of an app of one service.
fn state(text: &str, included: &str) -> PlacedStatic {
    let texts = BTreeMap::from([("app.rs".into(), text.into())]);
    let included = BTreeMap::from([("types.in".into(), included.to_owned())]);
    let (app, _) = app::parse(&Sources { root: "app.rs".into(), texts, included, ..Sources::default() });
    app.services[0].placed[0].clone()
}

fn app(ty: &str, items: &str, body: &str) -> String {
    format!(
        "use dyninka::prelude::*;
         use std::collections::{{BTreeMap, HashMap}};
         #[placed(count)] static STATE: Placed<{ty}> = Placed::new(Default::default);
         {items}
         #[service] fn count(how: String) -> u64 {{ {body} }}
         fn main() {{ count(\"\") }}"
    )
}

/// Whether a host would share the cell.
fn is_shared(old: &PlacedStatic, new: &PlacedStatic) -> bool {
    old.fingerprint == new.fingerprint && old.apart.is_none() && new.apart.is_none()
}

const KEY: &str = "#[derive(Serialize, Deserialize, PartialEq, Eq, Clone)] struct Key(String, u32);
    impl PartialOrd for Key { fn partial_cmp(&self, other: &Self) -> Option<Ordering> { Some(self.cmp(other)) } }
    use std::cmp::Ordering;";

/// Edits after which the memory of the version before means something else: type, what stands beside it, and what of
/// that is replaced by what.
const OTHERS: &[(&str, &str, &str, &str)] = &[
    // The seven.
    ("Buf", "struct K; impl K { const N: usize = 2; } #[derive(Default)] struct Buf { w: [u64; K::N] }", "= 2", "= 40"),
    ("Buf", "const fn size() -> usize { 2 } struct Buf { w: [u64; size()] }", "{ 2 }", "{ 64 }"),
    (
        "Buf",
        "trait Has { type V; } struct K; impl Has for K { type V = u64; } struct Buf { v: <K as Has>::V }",
        "V = u64",
        "V = String",
    ),
    (
        "Average",
        "macro_rules! record { ($n:ident { $($f:ident : $t:ty),* }) => { struct $n { $($f: $t),* } } }
         record!(Average { sum: f64 });",
        "sum: f64",
        "sum: String",
    ),
    (
        "Vec<Box<dyn Shape>>",
        "trait Shape: Send { fn area(&self) -> u64; }",
        "{ fn area",
        "{ fn name(&self) -> u64; fn area",
    ),
    (
        "BTreeMap<Key, u8>",
        "impl Ord for Key { fn cmp(&self, other: &Self) -> Ordering { self.1.cmp(&other.1) } }",
        "self.1.cmp(&other.1)",
        "other.1.cmp(&self.1)",
    ),
    // And their kin.
    ("Buf", "const A: usize = B + 1; const B: usize = 2; struct Buf([u8; A]);", "= 2", "= 3"),
    ("Buf", "mod m { pub const fn twice(n: usize) -> usize { n * 2 } } struct Buf([u8; m::twice(4)]);", "* 2", "* 3"),
    (
        "Buf",
        "struct Buf([u8; { const fn n() -> usize { base() } n() }]); const fn base() -> usize { 1 }",
        "{ 1 }",
        "{ 9 }",
    ),
    ("Grid<3>", "const W: usize = 4; struct Grid<const N: usize> { w: [[u8; N]; W] }", "W: usize = 4", "W: usize = 5"),
    ("[u64; N]", "use sizes::N; mod sizes { pub const N: usize = 2; }", "= 2", "= 3"),
    (
        "Buf",
        "mod a { pub const N: usize = 2; } mod b { pub const N: usize = 3; } use a::N; struct Buf([u8; N]);",
        "use a",
        "use b",
    ),
    ("Buf", "trait Len { const N: usize = 2; } impl Len for u8 {} struct Buf([u8; <u8 as Len>::N]);", "= 2", "= 7"),
    (
        "Buf",
        "trait Len { const N: usize; } impl Len for u8 { const N: usize = 1; } struct Buf([u8; <u8 as Len>::N]);",
        "= 1",
        "= 7",
    ),
    ("Outer<Key>", "struct Outer<T> { inner: Vec<Option<T>>, kind: Kind } enum Kind { A(u8), B }", "A(u8)", "A(u16)"),
    ("Alias", "type Alias = Vec<Inner>; struct Inner { a: u8 }", "a: u8", "a: String"),
    ("Kind", "#[repr(u8)] enum Kind { A = N } const N: u8 = 1;", "u8 = 1", "u8 = 2"),
    (
        "HashMap<Key, u8>",
        "impl std::hash::Hash for Key { fn hash<H: std::hash::Hasher>(&self, h: &mut H) { self.1.hash(h) } }",
        "self.1",
        "self.0",
    ),
    (
        "Vec<Guard>",
        "struct Guard(u8); impl Drop for Guard { fn drop(&mut self) { end(self.0) } } fn end(n: u8) { drop(n) }",
        "drop(n)",
        "drop(n + 1)",
    ),
    (
        "BTreeMap<Key, u8>",
        "fn rank(key: &Key) -> u32 { key.1 } impl Ord for Key { fn cmp(&self, other: &Self) -> Ordering { rank(self).cmp(&rank(other)) } }",
        "{ key.1 }",
        "{ !key.1 }",
    ),
    (
        "BTreeMap<Key, u8>",
        "trait Rank { fn rank(&self) -> u32; } impl Rank for u32 { fn rank(&self) -> u32 { *self } } impl Ord for Key { fn cmp(&self, other: &Self) -> Ordering { self.1.rank().cmp(&other.1.rank()) } }",
        "{ *self }",
        "{ !*self }",
    ),
    (
        "BTreeMap<Key, u8>",
        "macro_rules! ordered { ($t:ident) => { impl Ord for $t { fn cmp(&self, other: &Self) -> Ordering { self.1.cmp(&other.1) } } } } ordered!(Key);",
        "self.1.cmp(&other.1)",
        "other.1.cmp(&self.1)",
    ),
    (
        "BTreeMap<Key, u8>",
        "macro_rules! ordered { () => { impl Ord for Key { fn cmp(&self, other: &Self) -> Ordering { by(self, other) } } } } ordered!(); fn by(a: &Key, b: &Key) -> Ordering { a.1.cmp(&b.1) }",
        "a.1.cmp(&b.1)",
        "b.1.cmp(&a.1)",
    ),
    (
        "BTreeMap<Key, u8>",
        "fn unused() { impl Ord for Key { fn cmp(&self, other: &Self) -> Ordering { self.1.cmp(&other.1) } } }",
        "self.1.cmp(&other.1)",
        "other.1.cmp(&self.1)",
    ),
    (
        "BTreeMap<Key, u8>",
        "const _: () = { impl Ord for Key { fn cmp(&self, other: &Self) -> Ordering { self.1.cmp(&other.1) } } };",
        "self.1.cmp(&other.1)",
        "other.1.cmp(&self.1)",
    ),
    (
        "BTreeMap<Key, u8>",
        "type A = B; type B = Key; impl Ord for A { fn cmp(&self, other: &Self) -> Ordering { self.1.cmp(&other.1) } }",
        "self.1.cmp(&other.1)",
        "other.1.cmp(&self.1)",
    ),
    (
        "BTreeMap<Key, u8>",
        "trait Is { type It; } impl Is for () { type It = Key; } impl Ord for <() as Is>::It { fn cmp(&self, other: &Self) -> Ordering { self.1.cmp(&other.1) } }",
        "self.1.cmp(&other.1)",
        "other.1.cmp(&self.1)",
    ),
    (
        "BTreeMap<Key, u8>",
        "use self::Key as Other; impl Ord for Other { fn cmp(&self, other: &Self) -> Ordering { self.1.cmp(&other.1) } }",
        "self.1.cmp(&other.1)",
        "other.1.cmp(&self.1)",
    ),
    (
        "BTreeMap<Key, u8>",
        "mod order { use super::*; impl Ord for Key { fn cmp(&self, other: &Self) -> Ordering { self.1.cmp(&other.1) } } }",
        "self.1.cmp(&other.1)",
        "other.1.cmp(&self.1)",
    ),
    (
        "Stamp",
        "#[derive(Serialize)] struct Stamp(#[serde(with = \"iso\")] u64); mod iso { pub fn serialize(n: &u64) -> u64 { *n } }",
        "{ *n }",
        "{ *n + 1 }",
    ),
    (
        "m::Made",
        "mod m { macro_rules! made { ($t:ty) => { pub struct Made($t); } } made!(u8); }",
        "made!(u8)",
        "made!(u16)",
    ),
    (
        "Made",
        "mod m { macro_rules! made { ($t:ty) => { pub struct Made($t); } } made!(u8); } use m::*;",
        "made!(u8)",
        "made!(u16)",
    ),
    ("Buf", "macro_rules! n { () => { 2 } } struct Buf([u8; n!()]);", "{ 2 }", "{ 3 }"),
    (
        "Buf",
        "struct Buf([u8; N]); #[cfg(all())] const N: usize = 1; #[cfg(any())] const N: usize = 2;",
        "#[cfg(all())] const N: usize = 1; #[cfg(any())]",
        "#[cfg(any())] const N: usize = 1; #[cfg(all())]",
    ),
    (
        "Buf",
        "#[cfg(all())] use a::N; #[cfg(any())] use b::N; struct Buf([u8; N]); mod a { pub const N: usize = 1; } mod b { pub const N: usize = 2; }",
        "#[cfg(all())] use a::N; #[cfg(any())]",
        "#[cfg(any())] use a::N; #[cfg(all())]",
    ),
];

/// Types whose cell is never shared, whatever the edit, and a word of the reason.
const NEVER: &[(&str, &str, &str)] = &[
    ("Option<fn() -> u8>", "", "fn()"),
    ("Job", "struct Job { run: Option<Box<dyn Fn() + Send>> }", "dyn Fn"),
    ("Vec<Job>", "type Job = Box<dyn Shape>; trait Shape: Send {}", "dyn Shape"),
    ("Holder<Key>", "struct Holder<T, F = fn() -> T> { make: Option<F>, held: Vec<T> }", "fn()"),
    ("Address", "struct Address(*const u8); unsafe impl Send for Address {}", "*const u8"),
    ("Option<&'static AtomicU64>", "use std::sync::atomic::AtomicU64;", "AtomicU64"),
    ("Option<regex::Regex>", "", "regex"),
    ("Option<Client>", "use reqwest::Client;", "reqwest"),
    ("Lazy", "struct Lazy(std::sync::LazyLock<u8>);", "LazyLock"),
    ("std::thread::JoinHandle<()>", "", "JoinHandle"),
    ("Buf", "struct Buf([u8; line!() as usize]);", "line!"),
    ("Buf", "const N: usize = line!() as usize; struct Buf([u8; N]);", "line!"),
    ("Buf", "const N: usize = env!(\"N\").len(); struct Buf([u8; N]);", "env!"),
    ("Buf", "const N: usize = include!(\"types.in\"); struct Buf([u8; N]);", "include!"),
    ("Buf", "const N: usize = sized::magic!(); struct Buf([u8; N]);", "magic!"),
    ("Buf", "macro_rules! at { () => { line!() as usize } } struct Buf([u8; at!()]);", "line!"),
    ("Buf", "macro_rules! ask { ($m:ident) => { $m!() as usize } } struct Buf([u8; ask!(line)]);", "ask!(line)"),
    (
        "Buf",
        "struct Buf([u8; here()]); #[track_caller] const fn here() -> usize { std::panic::Location::caller().line() as usize }",
        "where it is called",
    ),
    ("Buf", "use fields::more; #[more] struct Buf { a: u8 }", "attribute more"),
    ("Buf", "#[fields::more] struct Buf { a: u8 }", "attribute fields::more"),
    ("Buf", "#[cfg_attr(all(), fields::more)] struct Buf { a: u8 }", "attribute"),
    ("m::Buf", "#[fields::more] mod m { pub struct Buf { a: u8 } }", "attribute"),
    ("Buf", "sizes!(); struct Buf { w: [u8; N] }", "macro call"),
    ("Buf", "union Buf { a: u8, b: u16 }", "neither"),
    ("Buf", "include!(\"types.in\");", "Buf"),
    ("Key", "include!(\"types.in\");", "includes"),
    (
        "BTreeMap<Key, u8>",
        "static ORDER: u8 = 1; impl Ord for Key { fn cmp(&self, other: &Self) -> Ordering { (self.1 ^ ORDER).cmp(&other.1) } }",
        "static ORDER",
    ),
    ("Vec<u8>", "use heapless::*;", "heapless"),
    ("Cow<'static, Key>", "use std::borrow::Cow;", "Cow"),
    ("Unknown<u8>", "", "Unknown"),
    ("Result<u8>", "", "Result"),
    ("K::V", "struct K;", "K::V"),
    ("Held<u8>", "struct Held<T: Iterator> { next: T::Item }", "T::Item"),
    ("Key", "#[global_allocator] static A: System = System;", "allocator"),
];

/// Types whose cell is shared over an edit of the service, of what else there is, or of layout and comments.
const KEPT: &[(&str, &str)] = &[
    ("u64", ""),
    ("(u8, Option<String>, [f64; 4])", ""),
    ("Key", ""),
    ("Vec<Key>", "use std::fmt;"),
    ("HashMap<String, Vec<Key>>", ""),
    ("std::collections::HashMap<String, std::sync::Arc<Key>>", ""),
    ("BTreeMap<Key, u8>", "impl Ord for Key { fn cmp(&self, other: &Self) -> Ordering { self.1.cmp(&other.1) } }"),
    (
        "Buf",
        "const N: usize = 4; struct Buf([u64; N], [u8; K::N], [u8; size()]); struct K; impl K { const N: usize = 2; } const fn size() -> usize { 2 }",
    ),
    ("Tree<Key>", "struct Tree<T> { held: T, below: Vec<Box<Tree<T>>>, up: Option<Box<Self>> }"),
    (
        "Kind",
        "#[derive(Default)] #[serde(rename_all = \"lowercase\")] enum Kind { #[default] A, B { at: std::time::Instant }, C(&'static str) }",
    ),
    (
        "shapes::Shape",
        "mod shapes { pub struct Shape { sides: Vec<f64> } impl Shape { pub fn new() -> Self { Self { sides: vec![] } } } }",
    ),
    ("Shape", "use shapes::*; mod shapes { pub struct Shape { sides: Vec<f64> } }"),
    ("Alias<u8>", "type Alias<T> = Vec<Option<T>>;"),
    ("Key", "thread_local! { static CACHE: u8 = 1; }"),
    ("Key", "macro_rules! other { () => { 1 } }"),
    ("Key", "record!(Reading { value: f64 });"),
    (
        "Buf",
        "record!(Reading { value: f64 }); struct K; impl K { const N: usize = size(); } const fn size() -> usize { 2 } struct Buf { w: [u64; K::N] }",
    ),
    ("Cow<'static, str>", "use std::borrow::Cow;"),
    (
        "Window",
        "#[derive(Clone)] struct Window { marker: std::marker::PhantomData<fn() -> u8>, counts: std::collections::VecDeque<f64> }",
    ),
];

#[test]
fn a_cell_is_not_shared_where_layout_or_behaviour_changed() {
    for (ty, items, from, to) in OTHERS {
        let text = |items: &str| app(ty, &format!("{KEY} {items}"), "0");
        assert!(items.contains(from), "{items}");
        let (old, new) = (state(&text(items), ""), state(&text(&items.replacen(from, to, 1)), ""));
        assert!(!is_shared(&old, &new), "{ty} with {items}: {from} -> {to}");
    }
    let text = app("Average", "include!(\"types.in\");", "0");
    assert!(!is_shared(&state(&text, "one"), &state(&text, "other")));
}

#[test]
fn a_cell_that_may_hold_anything_else_is_never_shared_and_says_why() {
    for (ty, items, word) in NEVER {
        let why = state(&app(ty, &format!("{KEY} {items}"), "0"), "").apart;
        assert!(why.as_ref().is_some_and(|why| why.contains(word)), "{ty} with {items}: {why:?}");
    }
}

#[test]
fn a_cell_of_an_ordinary_type_is_shared_over_ordinary_edits() {
    for (ty, items) in KEPT {
        let items = format!("{KEY} {items}");
        let old = state(&app(ty, &items, "helper(0)"), "");
        assert_eq!(old.apart, None, "{ty} with {items}");
        for new in [
            app(ty, &items, "let _ = how; Key(String::new(), 1); helper(1)"),
            app(ty, &format!("{items} fn helper(n: u64) -> u64 {{ n }}"), "helper(0)"),
            app(
                ty,
                &format!("{items} use std::fmt::Debug; struct Other(u8); impl Other {{ fn new() {{}} }}"),
                "helper(0)",
            ),
            app(ty, &items.replace("struct", "/* it is */ struct"), "helper(0)"),
        ] {
            assert_eq!(old.fingerprint, state(&new, "").fingerprint, "{ty} in {new}");
        }
    }
}
