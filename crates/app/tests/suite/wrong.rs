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
fn service_near_a_bucket_needs_a_static_that_names_it() {
    let with = |near: &str, buckets: &[&str]| {
        let statics = buckets
            .iter()
            .map(|name| format!("static {}: Bucket = Bucket::named({name:?}); ", name.to_uppercase()))
            .collect::<String>();
        told(&format!("{statics}\n#[service(near = {near})] fn a() -> u8 {{ 1 }}\nfn main() {{ a() }}"))
    };
    assert_eq!(with("\"images\"", &["images"]), Vec::<String>::new());
    assert_eq!(
        with("\"imagse\"", &["images"]),
        ["2:18 a is near imagse, and no static names that bucket (did you mean images?)"]
    );
    assert_eq!(
        with("\"x\"", &["images", "models"]),
        ["2:18 a is near x, and no static names that bucket (buckets: images, models)"]
    );
    assert_eq!(
        with("\"images\"", &[]),
        [
            "2:18 a is near images, and no static names that bucket (name it: static IMAGES: Bucket = Bucket::named(\"images\");)"
        ]
    );
    assert_eq!(with("1", &["images"]), ["2:18 near is a text (write it in quotes)"]);
    assert_eq!(with("\"images\", on = 1", &["images"]), ["2:33 on is a text (write it in quotes)"]);
    assert_eq!(with("\"images\", on = \"zone=germany\"", &["images"]), [""; 0]);
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
            deeper.iter().any(|finding| finding.message.contains("nested") || finding.message.contains("syntax error"));
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

#[test]
fn a_mark_that_does_not_count_is_named_as_what_it_is() {
    let renamed =
        "dyninka's #[service] under another name, which dyn does not follow (write #[service] or #[dyninka::service])";
    let by_macro = "a macro makes this #[service], and dyn reads the app's text as it stands";
    let conditional =
        "#[service] is there under a condition, which dyn does not follow (write #[service] without cfg_attr)";
    for (text, words) in [
        ("use dyninka::service as svc; #[svc] fn c() {}", renamed),
        ("use dyninka as d; #[d::service] fn c() {}", renamed),
        ("use dyninka::prelude::{self as p}; #[p::service] fn c() {}", renamed),
        ("mod m { pub use dyninka::service as svc; } use m::svc; #[svc] fn c() {}", renamed),
        ("#[cfg_attr(all(), service)] fn c() {}", conditional),
        ("#[cfg_attr(all(), dyninka::service(replay = false), inline)] fn c() {}", conditional),
        ("macro_rules! svc { ($n:ident) => { #[service] fn $n() {} } } svc!(c);", by_macro),
        ("macro_rules! svc { ($($t:tt)*) => { $($t)* } } svc! { #[dyninka::service] fn c() {} }", by_macro),
        ("svc! { c: #[service] fn => 1 }", by_macro),
    ] {
        let told = told(&format!("{GOOD}{text} fn main() {{ c() }}"));
        assert!(told.iter().any(|told| told.starts_with("4:") && told.contains(words)), "{text} {told:?}");
        assert!(
            told.iter().all(|told| !told.contains("mark the function") && !told.contains("move it there")),
            "{told:?}"
        );
    }
    let placed = "use dyninka::placed as on; #[on(a)] static C: u8 = 1;";
    let told = told(&format!("{GOOD}{placed} fn main() {{ a().b() }}"));
    assert!(told[0].contains("#[on] is dyninka's #[placed] under another name"), "{told:?}");
    for fine in ["#[tokio::main] fn c() {}", "#[inline] fn c() {}", "use other::service as svc; #[svc] fn c() {}"] {
        assert_eq!(findings(&format!("{GOOD}{fine} fn main() {{ a().b() }}")), [], "{fine}");
    }
}

#[test]
fn a_static_that_two_services_use_is_told_to_be_two() {
    let used = |declared: &str, by_a: &str, by_b: &str| {
        told(&format!(
            "{declared}\n#[service] fn a() -> u64 {{ {by_a}; 1 }} #[service] fn b(x: u64) -> u64 {{ {by_b}; x }}\n\
             fn main() {{ a().b() }}"
        ))
    };
    let words = "static COUNT is used by the services a and b: each has one of its own, and they differ once one changes it \
                 (let one service own it, with #[placed(b)], and let the others call that service)";
    for declared in [
        "static COUNT: AtomicU64 = AtomicU64::new(0); fn look() -> u64 { COUNT.load(Relaxed) }",
        "static mut COUNT: u64 = 0; fn look() -> u64 { unsafe { COUNT } }",
        "static COUNT: Placed<u64> = Placed::new(u64::default); fn look() -> u64 { COUNT.get() }",
        "struct Store { all: Mutex<u64> } static COUNT: Store = Store::new(); fn look() -> u64 { COUNT.all() }",
        "type Store = std::sync::RwLock<u64>; static COUNT: Store = Store::new(0); fn look() -> u64 { COUNT.all() }",
        "fn look() -> u64 { static COUNT: AtomicU64 = AtomicU64::new(0); COUNT.load(Relaxed) }",
        "thread_local! { static COUNT: Cell<u64> = Cell::new(0); } fn look() -> u64 { COUNT.get() }",
        "lazy_static! { static ref COUNT: Mutex<u64> = Mutex::new(0); } fn look() -> u64 { *COUNT.lock() }",
    ] {
        let told = used(declared, "look()", "look()");
        assert!(matches!(&told[..], [only] if only.ends_with(words)), "{declared} {told:?}");
        assert_eq!(used(declared, "look()", "1"), [""; 0], "{declared}");
    }
    for fine in [
        "static COUNT: [u64; 2] = [1, 2]; fn look() -> u64 { COUNT[0] }",
        "static COUNT: LazyLock<Regex> = LazyLock::new(make); fn make() -> Regex { todo!() } fn look() -> u64 { COUNT.x() }",
        "fn look() -> u64 { let local: &'static str = \"Mutex\"; 1 }",
    ] {
        assert_eq!(used(fine, "look()", "look()"), [""; 0], "{fine}");
    }
    let inside = "mod m { pub static COUNT: AtomicU64 = AtomicU64::new(0); }";
    assert!(
        used(inside, "m::COUNT.load(Relaxed)", "use m::*; COUNT.load(Relaxed)")[0].starts_with("1:20 static COUNT")
    );
}

#[test]
fn a_trait_object_is_refused_where_nothing_says_how_it_is_carried() {
    let told = |before: &str, signature: &str| {
        let text = format!(
            "use dyninka::prelude::*;\n{before} trait Shape {{ fn area(&self) -> u64; }}\n#[service] fn a{signature} {{ todo!() }}\n#[dyninka::main] fn main() {{ a() }}\n"
        );
        findings(&text).iter().any(|found| found.message.contains("dyn Shape"))
    };
    assert!(told("", "() -> Box<dyn Shape>"));
    assert!(told("", "() -> Option<Vec<Box<dyn Shape>>>"));
    assert!(told("", "(shape: std::sync::Arc<dyn Shape>)"));
    assert!(!told("#[typetag::serde]", "() -> Box<dyn Shape>"));
    assert!(!told("", "() -> Result<u8, Box<dyn Shape>>"), "an error is told as text");
    assert!(!told("impl Serialize for dyn Shape {}", "() -> Box<dyn Shape>"));
    assert!(!told("erased_serde::serialize_trait_object!(Shape);", "() -> Box<dyn Shape>"));
}

#[test]
fn what_is_missing_at_the_end_stands_in_the_last_line() {
    let found = findings("fn f() {}\nbogus\n\n");
    assert_eq!((found[0].place.line, found[0].place.column), (2, 6), "{found:?}");
}
