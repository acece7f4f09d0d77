//! An edit read from what is known of the text before is the edit read whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::{Incremental, Sources};
use proptest::prelude::*;

fn sources(root: &str, module: &str) -> Sources {
    let mut sources = Sources { root: PathBuf::from("app.rs"), ..Sources::default() };
    sources.texts.insert(sources.root.clone(), Arc::from(root));
    sources.texts.insert(PathBuf::from("aside.rs"), Arc::from(module));
    sources
}

/// Everything that is in an app, in words.
fn check(memory: &mut Incremental, sources: &Sources) -> Result<(), TestCaseError> {
    prop_assert_eq!(memory.wanted(sources), app::wanted(sources));
    let (again, findings) = memory.parse(sources);
    let (whole, expected) = app::parse(sources);
    prop_assert_eq!(findings, expected);
    let (again, whole) = (format!("{again:#?}"), format!("{whole:#?}"));
    let differ = again.lines().zip(whole.lines()).enumerate().find(|(_, (a, b))| a != b);
    prop_assert!(again == whole, "{differ:?}");
    Ok(())
}

/// What is put into a text: what ends, opens, hides or is an item.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "\n",
        " ",
        "//",
        "// aside\n",
        "/*",
        "*/",
        "\"",
        "'",
        "r#\"",
        "\"#",
        "#",
        "#![allow(unused)]",
        "#![allow(unused)]\n",
        "#[service]\n",
        "/// Said.\n",
        "//! Said.\n",
        "{",
        "}",
        ";",
        "!",
        "é",
        "\r\n",
        "\u{feff}",
        "---\n",
        "\nfn added(x: u8) -> u8 { x }\n",
        "struct Added;",
        "\nmod inside { pub fn f() { include_str!(\"f\"); } mod far; }\n",
        "\n#[path = \"other.rs\"]\nmod other;\n",
        "mod aside;\n",
        "\n#[service]\nfn more(reading: Reading0) -> f64 { 1.0 }\n",
        "\nmacro_rules! m { ($x:expr) => { shared_0($x) } }\n",
        "\nm!{}\n",
        "pub ",
        "unsafe ",
        "value",
    ])
}

/// An edit: where, how much goes, what comes.
fn edit() -> impl Strategy<Value = (f64, usize, &'static str)> {
    (0.0..1.0_f64, prop_oneof![Just(0_usize), Just(1), 0..60_usize], piece())
}

fn apply(text: &str, (at, gone, come): (f64, usize, &str)) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = (characters.len() as f64 * at) as usize;
    let end = (at + gone).min(characters.len());
    characters[..at].iter().copied().chain(come.chars()).chain(characters[end..].iter().copied()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn edit_after_edit_is_read_as_if_it_were_the_first(
        edits in prop::collection::vec((edit(), any::<bool>()), 1..14),
        keeps in any::<bool>(),
    ) {
        let mut root = format!("mod aside;\n{}", crate::generate::program(2, 60));
        let mut module = "use super::*;\npub fn aside() -> f64 { shared_0(1.0) }\n\nmod deeper;\n".to_owned();
        let mut memory = Incremental::default();
        check(&mut memory, &sources(&root, &module))?;
        for (edit, in_root) in edits {
            let text = if in_root { &mut root } else { &mut module };
            let before = std::mem::replace(text, apply(text, edit));
            check(&mut memory, &sources(&root, &module))?;
            // Most edits leave no Rust behind, and what follows them is read whole.
            if keeps {
                *(if in_root { &mut root } else { &mut module }) = before;
                check(&mut memory, &sources(&root, &module))?;
            }
        }
    }
}

#[test]
fn a_comment_that_is_opened_hides_what_comes_after_it() {
    let mut memory = Incremental::default();
    let text = "fn a() {}\nfn b() {} fn c() {}\n/* */ fn d() {}\nfn main() { }\n";
    let texts = [
        text.to_owned(),
        text.replace("b() {}", "b() {} //"),
        text.replace("b() {}", "b() {} /*"),
        text.replace("fn b", "/// Said.\nfn b"),
        text.replace("fn b() {}", "#![allow(unused)]"),
        text.replace("{ }\n", "{ }\n#[service]\n"),
        String::new(),
        text.replace("fn a() {}\n", ""),
    ];
    for text in texts {
        check(&mut memory, &sources(&text, "")).expect(&text);
    }
}

#[test]
fn a_file_that_becomes_another_s_module_is_read_as_one() {
    let mut memory = Incremental::default();
    let mut app = sources("mod a;\nfn main() { }\n", "");
    app.texts.insert(PathBuf::from("a.rs"), Arc::from("fn main() { }\n#[service]\nfn s() { }\nmod deep;\n"));
    check(&mut memory, &app).expect("as a module");
    app.root = PathBuf::from("a.rs");
    check(&mut memory, &app).expect("as the root");
    app.texts.remove(Path::new("a.rs"));
    check(&mut memory, &app).expect("as nothing");
}

/// An app in which one thing leads to another in every way there is.
const WOVEN: &str = r#"use dyninka::prelude::*;
use std::collections::BTreeMap;

const STEP: f64 = 1.5;
const SIZE: usize = 3;
static SEEN: std::sync::OnceLock<f64> = std::sync::OnceLock::new();

macro_rules! made { ($name:ident) => { impl Scale for $name { fn scale(&self) -> f64 { STEP } } }; }
macro_rules! twice { ($x:expr) => { helper($x) + helper($x) }; }

pub trait Scale { fn scale(&self) -> f64; }

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reading { pub value: f64, pub all: [f64; SIZE] }

impl Reading {
    fn high(&self) -> bool { self.value > limit() }
}

impl Scale for Reading { fn scale(&self) -> f64 { self.value } }

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Kept { pub of: BTreeMap<String, Reading> }

impl Kept { fn note(&mut self, reading: Reading) { self.of.insert(name(), reading); } }

fn limit() -> f64 { STEP * 2.0 }
fn name() -> String { String::from("name") }
fn helper(x: f64) -> f64 { x + 1.0 }
fn other(x: f64) -> f64 { x + limit() }

#[placed(keep)]
static KEPT: Placed<Kept> = Placed::new(Kept::default);

#[placed(last)]
static COUNT: Placed<u64> = Placed::new(u64::default);

#[service]
fn get() -> Reading { Reading { value: helper(1.0), ..Reading::default() } }

#[service]
async fn keep(reading: Reading) -> Result<Reading> {
    KEPT.update(|kept| kept.note(reading.clone()));
    Ok(reading)
}

#[service(replicas = 2)]
fn last(reading: Reading) -> f64 { COUNT.update(|count| *count += 1); if reading.high() { 1.0 } else { other(2.0) } }

#[dyninka::main]
fn main() { get().keep().last() }
"#;

/// Edits of it: what goes, and what comes instead.
const EDITS: [(&str, &str); 36] = [
    ("1.5", "2.5"),
    ("usize = 3", "usize = 4"),
    ("STEP * 2.0", "STEP * 3.0"),
    ("STEP * 2.0", "*SEEN.get_or_init(|| 1.0)"),
    ("{ x + 1.0 }", "{ other(x) }"),
    ("{ x + 1.0 }", "{\n    x + 1.0\n}"),
    ("{ x + 1.0 }", "{ x.scale() }"),
    ("{ x + 1.0 }", "{ made!(f64); x }"),
    ("{ x + 1.0 }", "{ struct Own; impl Scale for Own { fn scale(&self) -> f64 { 1.0 } } x }"),
    ("{ x + 1.0 }", "{ f64::from(line!()) }"),
    ("{ x + 1.0 }", "{ x + f64::from(include_bytes!(\"f\")[0]) }"),
    ("{ x + 1.0 }", "{ env!(\"HOME\").len() as f64 }"),
    ("{ x + 1.0 }", "{ rand::random() }"),
    ("x + limit()", "twice!(x)"),
    ("x + limit()", "COUNT.read(|count| *count as f64)"),
    ("x + limit()", "get().wait().unwrap_or_default().value"),
    ("String::from(\"name\")", "String::from(\"another\")"),
    ("String::from(\"name\")", "panic!()"),
    ("self.of.insert(name(), reading);", "self.of.insert(reading.value.to_string(), reading);"),
    ("self.value > limit()", "self.value > STEP"),
    ("self.value > limit()", "self.scale() > 1.0"),
    ("{ self.value }", "{ self.value * 2.0 }"),
    ("helper(1.0)", "other(1.0)"),
    ("fn get() -> Reading", "fn get() -> Result<Reading>"),
    ("replicas = 2", "replicas = 3"),
    ("replicas = 2", "replicas = 2, near = \"images\""),
    ("replicas = 2", "replicas = 2, on = \"hpc\""),
    ("Ok(reading)", "last(reading.clone()).await?; Ok(reading)"),
    ("Ok(reading)", "Err(Error::new(\"no\"))"),
    ("get().keep().last()", "get().last()"),
    ("fn limit", "\n\n/// Said.\nfn limit"),
    ("fn other", "fn more() -> f64 { 1.0 }\nfn other"),
    ("STEP } } }; }", "limit() } } }; }"),
    ("pub value: f64,", "pub value: f64, pub more: Option<u8>,"),
    ("static SEEN: std::sync::OnceLock<f64>", "#[used]\nstatic SEEN: std::sync::OnceLock<f64>"),
    ("#[service]\nasync", "#[service(replay = false)]\nasync"),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    /// What was found out of services before is used again only where it holds.
    #[test]
    fn edits_of_an_app_that_hangs_together_are_read_as_if_each_were_the_first(
        edits in prop::collection::vec((0..EDITS.len(), any::<bool>()), 1..10),
    ) {
        let mut text = WOVEN.to_owned();
        let mut memory = Incremental::default();
        check(&mut memory, &sources(&text, ""))?;
        for (edit, is_undone) in edits {
            let (gone, come) = EDITS[edit];
            let before = std::mem::take(&mut text);
            text = before.replacen(gone, come, 1);
            check(&mut memory, &sources(&text, ""))?;
            if is_undone {
                text = before;
                check(&mut memory, &sources(&text, ""))?;
            }
        }
    }
}

#[test]
fn each_edit_of_an_app_is_read_as_if_it_were_the_first() {
    for (gone, come) in EDITS {
        assert!(WOVEN.contains(gone), "{gone}");
        let mut memory = Incremental::default();
        for text in [WOVEN.to_owned(), WOVEN.replacen(gone, come, 1), WOVEN.to_owned()] {
            check(&mut memory, &sources(&text, "")).unwrap_or_else(|error| panic!("{gone} -> {come}: {error:?}"));
        }
    }
}
