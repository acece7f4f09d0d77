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
        "let two = 2; join(two, two)",
        "a().join(-2.5)",
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
        "let x = a(); let x = a(); b(x)",
        "m::a().b()",
        "a().join(LIMIT)",
        "a().join(1e999)",
        "b(b(a()))",
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
        "#[service] fn localhost() {} fn main() { localhost() }",
        "#[service] extern \"C\" fn a(x: u8, ...) {} fn main() { a(1) }",
        "#[service] fn a() where u8: Copy {} fn main() { a() }",
        "#[service] fn a(f: fn(u8) -> u8) {} fn main() { a(1) }",
        "#[service] fn a() {} struct S; impl S { #[service] fn b() {} } fn main() { a() }",
        "#[service] fn a() { #[placed(a)] static X: u8 = 1; } fn main() { a() }",
        "#[service] fn a() {} #[placed] static X: u8 = 1; fn main() { a() }",
        "#[service] fn a() {} #[service] fn b(x: u8) {} #[placed(a, b)] static X: u8 = 1; fn main() { a().b() }",
        "#[service] fn a() {} #[service] fn b(x: u8) {} #[placed(a)] #[placed(b)] static X: u8 = 1; fn main() { a().b() }",
        "#[placed(a)] static X: Placed<u8> = Placed::new(u8::default); #[service] fn a() {} #[service] fn b(x: u8) { format!(\"{}\", m::h()); } mod m { pub fn h() -> u8 { super::X.get() } } fn main() { a().b() }",
        "#[path = \"app.rs\"] mod again; #[service] fn a() {} fn main() { a() }",
        "",
        "// nothing",
        "---\n[dependencies]\nfn main() {}",
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

#[test]
fn literals_travel_as_ascii_json() {
    let literals = [
        ("0xff_u8", "255"),
        ("007", "7"),
        ("2.", "2.0"),
        ("00.5f32", "0.5"),
        ("1e3", "1e3"),
        ("-1_000", "-1000"),
        ("340282366920938463463374607431768211455", "340282366920938463463374607431768211455"),
        ("true", "true"),
        ("'é'", "\"\\u00e9\""),
        ("\"a\\n\\u{1f600}\\u{7f}\"", "\"a\\n\\ud83d\\ude00\\u007f\""),
        ("[1, -2]", "[1,-2]"),
        ("(1, (\"a\", false), ())", "[1,[\"a\",false],null]"),
    ];
    for (rust, json) in literals {
        let mut sources = Sources { root: PathBuf::from("app.rs"), ..Sources::default() };
        sources.texts.insert(sources.root.clone(), format!("{GOOD}fn main() {{ a().join({rust}) }}").into());
        let (app, findings) = app::parse(&sources);
        assert_eq!(findings, [], "{rust}");
        assert_eq!(app.route_of("join").as_deref(), Some(format!("a, {json}").as_str()));
    }
}

#[test]
fn what_nests_too_deeply_is_refused_and_what_is_just_not_is_read() {
    let programs = [
        ("(", "1", ")", 200),
        ("[", "1", "]", 200),
        ("{", "1", "}", 200),
        ("!", "1", "", 4_900),
        ("-", "1", "", 4_900),
        ("&", "1", "", 4_900),
        ("|x| ", "1", "", 1_200),
        ("return ", "1", "", 4_900),
        ("if a {} else ", "{}", "", 1_200),
        ("", "1", " + 1", 2_400),
        ("x = ", "1", "", 2_400),
        ("", "1", " as u8", 2_400),
        ("", "a", ".b()", 1_600),
        ("", "a", "?", 4_900),
        ("&", "{ let x: u8 = 1; }", "", 4_000),
        ("Vec::<", "u8", ">::new()", 500),
    ];
    for (before, middle, after, times) in programs {
        let nested = |times| format!("fn f() {{ {}{middle}{} }}", before.repeat(times), after.repeat(times));
        let deep = findings(&nested(times));
        assert!(deep.iter().all(|finding| !finding.message.contains("nested")), "{before}{middle}{after} {times}");
        let deeper = findings(&nested(100_000));
        let refused =
            deeper.iter().any(|finding| finding.message.contains("nested") || finding.message.contains("no Rust"));
        assert!(refused, "{before}{middle}{after}");
    }
}

#[test]
fn a_service_for_tests_only_is_none() {
    let words = "a service cannot be there for tests only (take #[cfg(test)] or #[test] away, or the mark)";
    for mark in ["#[cfg(test)]", "#[cfg(all(test, unix))]", "#[test]"] {
        let told = told(&format!("{GOOD}#[service]\n{mark}\nfn c() {{}}\nfn main() {{ a().b() }}"));
        assert_eq!(told, [format!("6:4 {words}")], "{mark}");
    }
    // Found by fuzzing.
    let flow = told("#[service] #[cfg(test)] #[dyninka::main] fn main() { a() }");
    assert!(flow.contains(&format!("1:45 {words}")), "{flow:?}");
    let placed = format!("{GOOD}#[placed(a)]\n#[cfg(test)]\nstatic C: u8 = 1;\nfn main() {{ a().b() }}");
    findings(&placed);
}
