//! Wrong programs: every finding with its place, its words and how to mend it.

use std::path::PathBuf;
use std::sync::Arc;

use app::{Diagnostic, Sources};

fn findings(text: &str) -> Vec<Diagnostic> {
    let mut sources = Sources { root: PathBuf::from("app.rs"), ..Sources::default() };
    sources.texts.insert(sources.root.clone(), Arc::from(text));
    app::parse(&sources).1
}

/// `line:column message (help)` for each finding, over a program whose wrong part is given.
fn told(text: &str) -> Vec<String> {
    let tell = |finding: Diagnostic| {
        format!(
            "{}:{} {} ({})",
            finding.place.line,
            finding.place.column,
            finding.message,
            finding.help.unwrap_or_default()
        )
    };
    findings(text).into_iter().map(tell).collect()
}

const GOOD: &str = "#[service] fn a() -> u8 { 1 }\n#[service] fn b(x: u8) -> u8 { x }\n#[service] fn join(x: u8, y: u8) -> u8 { x + y }\n";

fn with_main(flow: &str) -> Vec<String> {
    told(&format!("{GOOD}fn main() {{ {flow} }}"))
}

#[test]
fn good_flows_are_good() {
    for flow in [
        "a().b()",
        "b(a())",
        "join(a(), b(a()))",
        "a().join(b(a()))",
        "let x = a().b(); let y: _ = a(); join(x, y)",
        "a().join(2)",
        "join(-1, a())",
        "(a()).b()",
        "join(a(), a())",
    ] {
        assert_eq!(with_main(flow), [""; 0], "{flow}");
    }
}

#[test]
fn wrong_flows_are_explained() {
    let flows = [
        "",
        "a();",
        "a().c()",
        "a().jion(a())",
        "b()",
        "a().b(1)",
        "let x = a(); join(x, x)",
        "let x = a(); a().b()",
        "a().b().b()",
        "a().await",
        "a()?.b()",
        "if true { a() } else { a() }",
        "b(unknown)",
        "b(a)",
        "3",
        "println!(); a()",
        "let (x, y) = a(); b(x)",
    ];
    let told: Vec<String> =
        flows.iter().map(|flow| format!("{flow}\n    {}", with_main(flow).join("\n    "))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn wrong_services_are_explained() {
    let programs = [
        "#[service] fn a() {} #[service] fn a() {} fn main() { a() }",
        "#[service] fn _a() {} fn main() { _a() }",
        "#[service] fn r#type() {} fn main() { r#type() }",
        "#[service] fn größe() {} fn main() { größe() }",
        "#[service] fn aB() {} #[service] fn ab() {} fn main() { ab() }",
        "#[service] fn a<T>(x: T) {} fn main() { a(1) }",
        "#[service] fn a(self) {} fn main() { a() }",
        "#[service] fn a(x: &str) -> &'static str { x } fn main() { a(1) }",
        "#[service] fn a(x: impl Send) {} fn main() { a(1) }",
        "#[service] fn a(x: Vec<&str>) -> Option<Box<dyn Send>> { x } fn main() { a(1) }",
        "#[service] fn a((x, y): (u8, u8)) {} fn main() { a() }",
        "#[service] unsafe extern \"C\" fn a() {} fn main() { a() }",
        "#[service] const fn a() {} fn main() { a() }",
        "#[service] struct A; #[service] fn a() {} fn main() { a() }",
        "#[service(reply = false)] fn a() {} fn main() { a() }",
        "mod m { #[service] fn a() {} } #[service] fn b() {} fn main() { b() }",
        "#[service] fn main() {}",
        "fn main() {}",
        "#[service] fn a() {}",
        "fn a( {",
        "#[placed(b)] static X: Placed<u8> = Placed::new(u8::default); #[service] fn a() {} fn main() { a() }",
        "#[placed(a)] static X: Placed<u8> = Placed::new(u8::default); fn h() { X.get(); } #[service] fn a() {} #[service] fn b(x: u8) { h() } fn main() { a().b() }",
        "#[placed(a)] const X: u8 = 1; #[service] fn a() {} fn main() { a() }",
        "#[service] fn a() { a() } fn main() { a() }",
        "#[service] fn a() { b() } #[service] fn b() { h() } fn h() { a() } fn main() { a() }",
        "mod missing; #[service] fn a() {} fn main() { a() }",
        "#[service] fn a() { include_str!(\"nowhere\") } fn main() { a() }",
    ];
    let told: Vec<String> =
        programs.iter().map(|program| format!("{program}\n    {}", told(program).join("\n    "))).collect();
    for (program, told) in programs.iter().zip(&told) {
        assert!(told.contains('('), "nothing is wrong with {program}");
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn everything_is_told_at_once() {
    let told = told(
        "#[service] fn a(x: &str) {} #[service] fn a() {} #[placed(c)] static X: Placed<u8> = Placed::new(u8::default); fn main() { d() }",
    );
    assert_eq!(told.len(), 4, "{told:#?}");
}
