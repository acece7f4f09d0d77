//! Whatever is read: no panic, and what a slice holds stands where it stood.

use std::path::PathBuf;
use std::sync::Arc;

use app::{App, Sources};
use proptest::prelude::*;

fn parse(text: &str) -> App {
    let mut sources = Sources { root: PathBuf::from("app.rs"), ..Sources::default() };
    sources.texts.insert(sources.root.clone(), Arc::from(text));
    app::wanted(&sources);
    app::parse(&sources).0
}

/// Every character of every slice is the text's own, or a space for it.
fn check_slices(app: &App, text: &str) -> Result<(), TestCaseError> {
    for service in &app.services {
        let slice = app.slice(&service.name).unwrap_or_default();
        let left = &slice.files[&slice.root];
        prop_assert_eq!(left.lines().count(), text.lines().count());
        for (left, whole) in left.lines().zip(text.lines()) {
            prop_assert!(left.chars().count() <= whole.chars().count());
            for (left, whole) in left.chars().chain(std::iter::repeat(' ')).zip(whole.chars()) {
                prop_assert!(left == whole || left == ' ', "{left:?} for {whole:?}");
            }
        }
    }
    Ok(())
}

/// Pieces that mean something here, in any order.
fn soup() -> impl Strategy<Value = String> {
    let pieces = vec![
        "#[service]",
        "#[placed(a)]",
        "fn a(x: u8)",
        "fn main()",
        "-> u8",
        "{ a(b()) }",
        "{ a().b() }",
        "struct S;",
        "use crate::m::{a, b as c, *};",
        "mod m { use super::*; pub fn b() {} }",
        "impl S",
        "{}",
        "let x = a();",
        "static X: Placed<S> = Placed::new(S);",
        "macro_rules! t { ($x:expr) => { a($x) } }",
        "t!(b);",
        "(",
        ")",
        "é",
        "\n",
        "\t",
        "\r\n",
        "---\n",
        "\"{x}\"",
        "'",
        "include_str!(\"f\")",
        "mod x;",
        "#![allow(y)]",
        "async",
        "unsafe",
        "const",
        "trait T { fn m(&self); }",
        "enum E { A, B }",
        "use E::*;",
        ";",
        ",",
        "::",
        "// c\n",
        "/* é */",
        "r#type",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        check_slices(&parse(&text), &text)?;
    }

    #[test]
    fn no_order_is_too_strange(text in soup()) {
        check_slices(&parse(&text), &text)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn generated_apps_are_cut_in_place(services in 1_usize..12, lines in 0_usize..400, sign in "[a-zéß𝕏 ]{0,8}") {
        let text = format!("/* {sign} */ {}", crate::generate::program(services, lines).replace("/// Step", &format!("/* {sign} */ /// Step")));
        let app = parse(&text);
        prop_assert_eq!(app.services.len(), services);
        check_slices(&app, &text)?;
        prop_assert_eq!(app.flow.map(|flow| flow.to_string().matches("service_").count()), Some(services));
    }

    #[test]
    fn an_app_cut_off_anywhere_is_read(at in 0.0..1.0_f64) {
        let text = crate::generate::program(3, 100);
        let at = (text.len() as f64 * at) as usize;
        parse(text.get(..at).unwrap_or_default());
    }
}
