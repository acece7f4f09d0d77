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
