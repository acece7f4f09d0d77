//! An edit that is told to change nothing changes nothing: what rustc would read is the same, item by item.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::{App, Change, Sources};
use proptest::prelude::*;
use quote::ToTokens;

/// A module's items, and what is in its modules. The last module has a file of its own.
type Program = Vec<Vec<String>>;

const MODULES: [&str; 5] = ["", "a", "a::deep", "b", "c"];

/// What may stand in any module.
const ITEMS: [&str; 38] = [
    "use std::cmp::max as pick;",
    "use std::cmp::min as pick;",
    "#[cfg(test)] use std::cmp::max as pick;",
    "#[cfg(not(test))] use std::cmp::min as pick;",
    "use crate::a::level as tune;",
    "use crate::b::level as tune;",
    "pub use crate::a::deep::level as tune;",
    "use crate::{a::level, b::level as other};",
    "use crate::a::*;",
    "pub use crate::b::*;",
    "use crate::c::*;",
    "use super::*;",
    "use std::fmt::Write as _;",
    "use std::fmt::*;",
    "use std::iter::Sum;",
    "pub fn level(n: u64) -> u64 { tune(n) + pick(1, n) }",
    "pub fn level(n: u64) -> u64 { turn!(n) }",
    "#[cfg(test)] pub fn level(n: u64) -> u64 { n }",
    "#[cfg(not(test))] pub fn level(n: u64) -> u64 { n + SHIFT }",
    "pub fn tune(n: u64) -> u64 { n * SHIFT }",
    "pub fn tune(n: u64) -> u64 { turn!(n) + u64::from(line!()) }",
    "pub fn pick(a: u64, b: u64) -> u64 { a.step() + b }",
    "pub fn pick(a: u64, b: u64) -> u64 { include_str!(\"table.txt\").len() as u64 + a + b }",
    "pub const SHIFT: u64 = 1;",
    "pub const SHIFT: u64 = match option_env!(\"SHIFT\") { Some(_) => 3, None => 4 };",
    "macro_rules! turn { ($n:expr) => { $n + 1 } }",
    "macro_rules! turn { ($n:expr) => { twist!($n) + 2 } }",
    "macro_rules! twist { ($n:expr) => { $n * 3 } }",
    "macro_rules! twist { ($n:expr) => { tune($n) } }",
    "pub struct Gauge(u64);",
    "pub struct Gauge { n: u64 }",
    "impl Gauge { pub fn read(&self) -> u64 { tune(1) } }",
    "impl Gauge { pub fn write(&self) -> u64 { pick(1, 2) } }",
    "impl Step for u64 { fn step(&self) -> u64 { tune(*self) } }",
    "impl Step for u64 { fn step(&self) -> u64 { 7 } }",
    "pub trait Step { fn step(&self) -> u64; }",
    "const _: () = assert!(SHIFT > 0);",
    "thread_local! { static SEEN: u64 = tune(3); }",
];

const ROOT: &str = "use dyninka::prelude::*;\n\
    #[service] fn one() -> u64 { a::level(1) + pick(2, 3) }\n\
    #[service] fn two(n: u64) -> u64 { let gauge: Option<b::Gauge> = None; b::level(n) + turn!(n) + c::tune(n) }\n\
    #[dyninka::main] fn main() { one().two() }\n";

/// The texts of a program; with a comment above everything where it is to be laid out anew.
fn texts(program: &Program, layout: bool) -> BTreeMap<PathBuf, Arc<str>> {
    let space = if layout { "\n// Said.\n" } else { "\n" };
    let inside = |number: usize| program[number].join(space);
    let root = format!(
        "{}{space}mod a {{ {}{space}pub mod deep {{ {} }} }}\nmod b {{ {} }}\nmod c;\n{ROOT}",
        inside(0),
        inside(1),
        inside(2),
        inside(3),
    );
    BTreeMap::from([("app.rs".into(), root.into()), ("c.rs".into(), format!("{space}{}", inside(4)).into())])
}

fn read(program: &Program, layout: bool, environment: &BTreeMap<String, String>) -> App {
    let included = BTreeMap::from([("table.txt".into(), "hash".to_owned())]);
    let environment = environment.clone();
    let texts = texts(program, layout);
    app::parse(&Sources { root: "app.rs".into(), texts, included, environment, ..Sources::default() }).0
}

/// A small edit.
#[derive(Clone, Debug)]
enum Edit {
    Put(usize, usize, usize),
    Take(usize, usize),
    /// Two items of two modules change places.
    Swap(usize, usize, usize, usize),
    Replace(usize, usize, usize),
    Environment(bool),
}

fn edit() -> impl Strategy<Value = Edit> {
    let (module, at, item) = (0..MODULES.len(), 0..12_usize, 0..ITEMS.len());
    prop_oneof![
        1 => (module.clone(), at.clone(), item.clone()).prop_map(|(module, at, item)| Edit::Put(module, at, item)),
        1 => (module.clone(), at.clone()).prop_map(|(module, at)| Edit::Take(module, at)),
        4 => (module.clone(), at.clone(), module.clone(), at.clone()).prop_map(|(a, b, c, d)| Edit::Swap(a, b, c, d)),
        1 => (module, at, item).prop_map(|(module, at, item)| Edit::Replace(module, at, item)),
        1 => any::<bool>().prop_map(Edit::Environment),
    ]
}

fn apply(program: &mut Program, environment: &mut BTreeMap<String, String>, edit: &Edit) {
    match *edit {
        Edit::Put(module, at, item) => {
            let at = at.min(program[module].len());
            program[module].insert(at, ITEMS[item].to_owned());
        }
        Edit::Take(module, at) if at < program[module].len() => drop(program[module].remove(at)),
        Edit::Swap(a, b, c, d) if b < program[a].len() && d < program[c].len() => {
            let (one, other) = (program[a][b].clone(), program[c][d].clone());
            program[a][b] = other;
            program[c][d] = one;
        }
        Edit::Replace(module, at, item) if at < program[module].len() => {
            program[module][at] = ITEMS[item].to_owned();
        }
        Edit::Environment(is_set) => {
            environment.insert("SHIFT".to_owned(), is_set.to_string());
        }
        Edit::Take(..) | Edit::Swap(..) | Edit::Replace(..) => {}
    }
}

/// What rustc reads of a service, as far as it could matter: each item with its module, imports name by name, and for
/// whatever names a macro the definitions above it.
fn meant(app: &App, service: &str, environment: &BTreeMap<String, String>) -> BTreeSet<String> {
    let slice = app.slice(service).unwrap();
    let mut items = Vec::new();
    flatten(&slice.files, Path::new("app.rs"), "", &mut items);
    let macros: Vec<&Entry> = items.iter().filter(|entry| entry.is_macro).collect();
    let in_macros: BTreeSet<&String> = macros.iter().flat_map(|entry| &entry.words).collect();
    let mut meant = BTreeSet::new();
    for (at, entry) in items.iter().enumerate() {
        if let Some((name, path)) = &entry.import {
            let mut beside = items.iter().filter(|other| other.import.is_none() && other.module == entry.module);
            let is_named = in_macros.contains(name) || beside.any(|other| other.words.contains(name));
            let brings = name.is_empty() || path.rsplit("::").next().unwrap().starts_with(char::is_uppercase);
            if !is_named && !brings {
                continue;
            }
        }
        let mut above: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for definition in items[..at].iter().filter(|other| other.is_macro && !entry.is_macro) {
            if let Some(name) = may_mean(entry, definition, &in_macros) {
                above.entry(name).or_default().push(&definition.text);
            }
        }
        meant.insert(format!("{} | {} | {above:?}", entry.module, entry.text));
        if entry.words.contains("option_env") {
            meant.insert(format!("{environment:?}"));
        }
    }
    meant
}

/// The name of a macro, where an item may mean it.
fn may_mean(entry: &Entry, definition: &Entry, in_macros: &BTreeSet<&String>) -> Option<&'static str> {
    let names = ["turn", "twist"];
    let name = names.into_iter().find(|name| definition.text.contains(&format!("macro_rules ! {name} ")))?;
    let named = |name: &str| entry.words.contains(name);
    let inside = names.into_iter().any(named) && in_macros.iter().any(|word| *word == name);
    (named(name) || inside).then_some(name)
}

struct Entry {
    module: String,
    text: String,
    words: BTreeSet<String>,
    is_macro: bool,
    /// Name and path.
    import: Option<(String, String)>,
}

fn flatten(files: &BTreeMap<PathBuf, String>, file: &Path, module: &str, found: &mut Vec<Entry>) {
    let Some(text) = files.get(file) else { return };
    let items = syn::parse_file(text).unwrap().items;
    inside(files, &items, module, found);
}

fn inside(files: &BTreeMap<PathBuf, String>, items: &[syn::Item], module: &str, found: &mut Vec<Entry>) {
    for item in items {
        let entry = |text: String, is_macro, import| {
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect();
            Entry { module: module.to_owned(), text, words, is_macro, import }
        };
        let tokens = item.to_token_stream().to_string();
        match item {
            syn::Item::Mod(inner) => {
                let path = format!("{module}::{}", inner.ident);
                match &inner.content {
                    Some((_, items)) => inside(files, items, &path, found),
                    None => flatten(files, Path::new(&format!("{}.rs", inner.ident)), &path, found),
                }
            }
            syn::Item::Use(statement) => {
                let attributes: String = statement.attrs.iter().map(|of| of.to_token_stream().to_string()).collect();
                let mut leaves = Vec::new();
                leaves_of(&statement.tree, "", &mut leaves);
                for (name, path) in leaves {
                    let text = format!("{attributes} {path} as {name}");
                    found.push(entry(text, false, Some((name, path))));
                }
            }
            syn::Item::Macro(call) => found.push(entry(tokens, call.ident.is_some(), None)),
            _ => {
                let mut tokens = tokens;
                if tokens.contains("line ! ()") {
                    // Where it stands is what it says.
                    let place = syn::spanned::Spanned::span(item).start();
                    tokens.push_str(&format!("{}:{}", place.line, place.column));
                }
                found.push(entry(tokens, false, None));
            }
        }
    }
}

fn leaves_of(tree: &syn::UseTree, path: &str, leaves: &mut Vec<(String, String)>) {
    match tree {
        syn::UseTree::Path(next) => leaves_of(&next.tree, &format!("{path}::{}", next.ident), leaves),
        syn::UseTree::Name(name) => leaves.push((name.ident.to_string(), format!("{path}::{}", name.ident))),
        syn::UseTree::Rename(name) => leaves.push((name.rename.to_string(), format!("{path}::{}", name.ident))),
        syn::UseTree::Glob(_) => leaves.push((String::new(), format!("{path}::*"))),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| leaves_of(tree, path, leaves)),
    }
}

/// Fails where an edit is told to leave a service as it is while rustc reads something else.
fn check(old: (&Program, &BTreeMap<String, String>), new: (&Program, &BTreeMap<String, String>)) -> Result<(), String> {
    let (before, after) = (read(old.0, false, old.1), read(new.0, false, new.1));
    let changes = app::compare(&before, &after);
    for service in ["one", "two"] {
        let told = changes.services.iter().any(|change| {
            matches!(change, Change::Changed { service: changed, reasons } if changed == service && !reasons.is_empty())
        });
        let (was, is) = (meant(&before, service, old.1), meant(&after, service, new.1));
        if !told && was != is {
            let gone: Vec<_> = was.difference(&is).collect();
            let come: Vec<_> = is.difference(&was).collect();
            return Err(format!("{service} is told to be unchanged:\n- {gone:#?}\n+ {come:#?}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn an_edit_that_changes_what_rustc_reads_changes_the_service(
        chosen in prop::collection::vec(prop::collection::vec(0..ITEMS.len(), 2..8), MODULES.len()),
        edits in prop::collection::vec(edit(), 1..4),
    ) {
        let mut program: Program =
            chosen.iter().map(|of| of.iter().map(|item| ITEMS[*item].to_owned()).collect()).collect();
        let mut environment = BTreeMap::new();
        for edit in &edits {
            let (before, around) = (program.clone(), environment.clone());
            apply(&mut program, &mut environment, edit);
            if let Err(why) = check((&before, &around), (&program, &environment)) {
                return Err(TestCaseError::fail(format!("{edit:?}\n{why}")));
            }
        }
        let places = program.iter().flatten().any(|item| item.contains("line!"));
        let (plain, laid_out) = (read(&program, false, &environment), read(&program, true, &environment));
        prop_assert!(places || app::compare(&plain, &laid_out).is_nothing());
    }
}

fn of(text: &str, environment: &[(&str, &str)]) -> App {
    let texts = BTreeMap::from([("app.rs".into(), text.into())]);
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    app::parse(&Sources { root: "app.rs".into(), texts, environment, ..Sources::default() }).0
}

/// The reasons why `one` changed.
fn told(old: &str, new: &str) -> Vec<String> {
    let changes = app::compare(&of(old, &[]), &of(new, &[]));
    let reasons = changes.services.into_iter().find_map(|change| match change {
        Change::Changed { service, reasons } if service == "one" => Some(reasons),
        _ => None,
    });
    reasons.unwrap_or_default()
}

#[test]
fn imports_that_change_places_change_what_reaches_them() {
    let app = |a: &str, b: &str| {
        format!(
            "mod a {{ {a} pub fn f() -> u64 {{ pick(1, 2) }} }} mod b {{ {b} pub fn f() -> u64 {{ pick(1, 2) }} }}
             mod x {{ pub fn one(a: u64, b: u64) -> u64 {{ a }} }} mod y {{ pub fn one(a: u64, b: u64) -> u64 {{ b }} }}
             #[service] fn one() -> u64 {{ a::f() - b::f() }} fn main() {{ one() }}"
        )
    };
    for (a, b) in [
        ("use std::cmp::max as pick;", "use std::cmp::min as pick;"),
        ("use crate::x::one as pick;", "use crate::y::one as pick;"),
        ("#[cfg(unix)] use std::cmp::max as pick;", "#[cfg(not(unix))] use std::cmp::max as pick;"),
    ] {
        assert!(!told(&app(a, b), &app(b, a)).is_empty(), "{a} {b}");
        assert!(told(&app(a, b), &app(&format!("\n{a}"), b)).is_empty(), "layout is nothing");
    }
}

#[test]
fn a_condition_on_an_import_is_part_of_it() {
    let app = |condition: &str| {
        format!(
            "{condition} use std::cmp::max as pick; #[service] fn one() -> u64 {{ pick(1, 2) }} fn main() {{ one() }}"
        )
    };
    assert_eq!(told(&app(""), &app("#[cfg(unix)]")), ["use std::cmp::max changed"]);
}

#[test]
fn macros_of_one_name_count_in_their_order() {
    let app = |first: u64, second: u64, tail: &str| {
        format!(
            "macro_rules! m {{ () => {{ {first} }} }} macro_rules! m {{ () => {{ {second} }} }}
             #[service] fn one() -> u64 {{ m!() }} {tail} fn main() {{ one() }}"
        )
    };
    assert_eq!(told(&app(1, 2, ""), &app(2, 1, "")), ["its function changed"]);
    let below = |order: [&str; 2]| format!("{} fn main() {{ one() }}", order.concat());
    let (text, call) = ("macro_rules! vec { () => { 1 } }", "#[service] fn one() -> u64 { vec!() }");
    assert!(!told(&below([text, call]), &below([call, text])).is_empty(), "above it or not");
    let plain = |order: [&str; 2]| format!("{text} {} {call} fn main() {{ one() }}", order.concat());
    assert!(told(&plain(["fn a() {}", "fn b() {}"]), &plain(["fn b() {}", "fn a() {}"])).is_empty());
}

#[test]
fn variables_that_the_compiler_reads_are_part_of_the_meaning() {
    for text in [
        "#[service] fn one() -> u64 { env!(\"G\").len() as u64 } fn main() { one() }",
        "#[service] fn one() -> u64 { option_env!(\"G\").map_or(0, |_| 1) } fn main() { one() }",
        "macro_rules! g { () => { option_env!(\"G\") } } #[service] fn one() -> u64 { g!().map_or(0, |_| 1) } fn main() { one() }",
        "#[service] fn one() -> u64 { println!(\"{}\", env!(\"G\", \"set G\")); 1 } fn main() { one() }",
    ] {
        let (without, hi, ho) = (of(text, &[]), of(text, &[("G", "hi")]), of(text, &[("G", "ho"), ("H", "1")]));
        for (old, new) in [(&without, &hi), (&hi, &ho)] {
            let Change::Changed { reasons, .. } = &app::compare(old, new).services[0] else { panic!("{text}") };
            assert_eq!(reasons, &["environment variable G changed"]);
        }
        assert!(app::compare(&ho, &of(text, &[("G", "ho")])).is_nothing());
    }
}

#[test]
fn who_says_where_it_stands_changes_with_its_place() {
    for call in ["line!()", "std::panic::Location::caller().line()", "{ println!(\"{}\", column!()); 1 }"] {
        let app = format!("#[service] fn one() -> u32 {{ {call} }} fn main() {{ one() }}");
        assert_eq!(told(&app, &format!("\n{app}")), ["its function changed"], "{call}");
    }
    let app = "#[service] fn one() -> u32 { let line = 1; line } fn main() { one() }";
    assert!(told(app, &format!("\n{app}")).is_empty());
}
