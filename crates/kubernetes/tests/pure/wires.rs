use kubernetes::wire::{Wires, compatible};

use crate::app;

/// Two services with `types` between them.
fn wires(types: &str) -> Wires {
    Wires::of(&app(
        "two",
        &format!(
            "use dyninka::prelude::*;
            use std::collections::BTreeMap;
            {types}
            #[service] fn first() -> T {{ make() }}
            #[service] fn second(value: T) -> u8 {{ 1 }}
            fn make() -> T {{ loop {{}} }}
            fn main() {{ first().second() }}"
        ),
    ))
}

/// What is told where `first` or `second` alone goes from one declaration to another.
fn told(old: &str, new: &str) -> Vec<String> {
    let found = compatible(&wires(old), &wires(new)).into_iter();
    found.map(|found| format!("{}|{}|{} {}", found.service, found.neighbour, found.field, found.why)).collect()
}

fn derived(item: &str) -> String {
    format!("#[derive(Serialize, Deserialize)] {item}")
}

fn told_of(old: &str, new: &str) -> Vec<String> {
    told(&derived(old), &derived(new))
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_field_removed_is_missed_by_who_needs_it() {
    assert_eq!(
        told_of("struct T { a: u8, b: String }", "struct T { a: u8 }"),
        ["first|second|value.b is needed and not written"]
    );
    assert_eq!(told_of("struct T { a: u8, b: Option<u8> }", "struct T { a: u8 }"), NOTHING);
    assert_eq!(told_of("struct T { a: u8, #[serde(default)] b: u8 }", "struct T { a: u8 }"), NOTHING);
}

#[test]
fn a_field_added_is_missed_by_who_needs_it() {
    assert_eq!(
        told_of("struct T { a: u8 }", "struct T { a: u8, b: u8 }"),
        ["second|first|value.b is needed and not written"]
    );
    assert_eq!(told_of("struct T { a: u8 }", "struct T { a: u8, b: Option<u8> }"), NOTHING);
    assert_eq!(
        told_of(
            "#[serde(deny_unknown_fields)] struct T { a: u8 }",
            "#[serde(deny_unknown_fields)] struct T { a: u8, b: Option<u8> }"
        ),
        ["first|second|value.b is written, and keys that are not known are refused"]
    );
    assert_eq!(
        told_of(
            "struct T { a: u8 }",
            "struct T { #[serde(skip_serializing_if = \"is_one\")] a: u8 } fn is_one(a: &u8) -> bool { *a == 1 }"
        ),
        ["first|second|value.a is needed and left out sometimes"]
    );
}

#[test]
fn a_type_changed_is_told_from_one_that_grew() {
    assert_eq!(
        told_of("struct T { a: u8 }", "struct T { a: String }"),
        [
            "first|second|value.a is written as text and read as u8",
            "second|first|value.a is written as u8 and read as text",
        ]
    );
    assert_eq!(
        told_of("struct T { a: u8 }", "struct T { a: u32 }"),
        ["first|second|value.a is written as u32 and read as u8"]
    );
    assert_eq!(told_of("struct T { a: f32 }", "struct T { a: f64 }"), NOTHING);
    assert_eq!(
        told_of("struct T { a: Vec<u8> }", "struct T { a: Vec<Option<u8>> }"),
        ["first|second|value.a[] may be null, and null is not read"]
    );
    assert_eq!(told_of("struct T { a: Vec<u8> }", "struct T { a: std::collections::VecDeque<u8> }"), NOTHING);
}

#[test]
fn a_variant_added_is_not_read_by_who_does_not_know_it() {
    assert_eq!(
        told_of("enum T { A, B(u8) }", "enum T { A, B(u8), C }"),
        ["first|second|value may be C, which is not read"]
    );
    assert_eq!(told_of("enum T { A, #[serde(other)] B }", "enum T { A, C, #[serde(other)] B }"), NOTHING);
    assert_eq!(
        told_of("enum T { A(u8) }", "enum T { A { n: u8 } }"),
        [
            "first|second|value.A is written as an object and read as u8",
            "second|first|value.A is written as u8 and read as an object",
        ]
    );
    assert_eq!(
        told_of("enum T { A { n: u8 } }", "#[serde(tag = \"kind\")] enum T { A { n: u8 } }"),
        [
            "first|second|value tells its variants in another way",
            "second|first|value tells its variants in another way"
        ]
    );
    assert_eq!(
        told_of(
            "#[serde(untagged)] enum T { A(u8), B(String) }",
            "#[serde(untagged)] enum T { A(u8), B(String), C(bool) }"
        ),
        ["first|second|value is written as bool, and no variant reads that"]
    );
}

#[test]
fn names_are_those_that_serde_gives() {
    assert_eq!(
        told_of("struct T { sensor_id: u8 }", "#[serde(rename_all = \"camelCase\")] struct T { sensor_id: u8 }").len(),
        2
    );
    assert_eq!(
        told_of(
            "#[serde(rename_all = \"camelCase\")] struct T { sensor_id: u8 }",
            "struct T { #[serde(rename = \"sensorId\")] number: u8 }"
        ),
        NOTHING
    );
    assert_eq!(
        told_of("struct T { a: u8 }", "struct T { #[serde(rename(serialize = \"a\", deserialize = \"b\"))] a: u8 }"),
        ["second|first|value.b is needed and not written"]
    );
    assert_eq!(
        told_of("struct T { a: u8 }", "struct T { #[serde(rename(deserialize = \"b\"), alias = \"a\")] a: u8 }"),
        NOTHING
    );
    assert_eq!(told_of("enum T { WarmAir }", "#[serde(rename_all = \"kebab-case\")] enum T { WarmAir }").len(), 2);
}

#[test]
fn names_of_types_and_the_order_of_fields_do_not_count() {
    let old = "#[derive(Serialize, Deserialize)] struct Inner { x: u8 } #[derive(Serialize, Deserialize)] struct T { a: Inner, b: bool }";
    let new = "#[derive(Serialize, Deserialize)] struct Renamed { x: u8 } #[derive(Serialize, Deserialize)] struct T { b: bool, a: Renamed }";
    assert_eq!(told(old, new), NOTHING);
    let hash = |types: &str| wires(types).forms["first"].hash();
    assert_eq!(hash(old), hash(new));
    assert_eq!(hash("type T = u8;"), hash("#[derive(Serialize, Deserialize)] struct T(u8);"));
    let changed = [
        "struct T { a: u8 }",
        "struct T { a: u16 }",
        "struct T { a: Option<u8> }",
        "struct T { #[serde(default)] a: u8 }",
        "struct T { b: u8 }",
        "struct T { a: [u8; 2] }",
        "struct T { a: [u8; 3] }",
    ];
    let hashes: std::collections::BTreeSet<String> = changed.iter().map(|item| hash(&derived(item))).collect();
    assert_eq!(hashes.len(), changed.len());
}

#[test]
fn generic_and_recursive_types_are_followed() {
    let page = "#[derive(Serialize, Deserialize)] struct Page<I> { items: Vec<I> } #[derive(Serialize, Deserialize)] struct Item { n: N } type T = Page<Item>;";
    assert_eq!(told(&page.replace("n: N", "n: u8"), &page.replace("n: N", "n: bool")).len(), 2);
    assert_eq!(told(&page.replace("n: N", "n: u8"), &page.replace("n: N", "n: u8")), NOTHING);
    let tree = "struct T { children: Vec<T>, value: N }";
    assert_eq!(
        told_of(&tree.replace('N', "u16"), &tree.replace('N', "u8")),
        ["second|first|value.value is written as u16 and read as u8"]
    );
    let map = "struct T { by: BTreeMap<String, N> }";
    assert_eq!(
        told_of(&map.replace('N', "u8"), &map.replace('N', "u16")),
        ["first|second|value.by[] is written as u16 and read as u8"]
    );
}

#[test]
fn what_cannot_be_seen_into_is_told_and_equal_to_itself_alone() {
    let foreign = |name: &str| format!("#[derive(Serialize, Deserialize)] struct T {{ at: chrono::{name} }}");
    let wires_of = wires(&foreign("NaiveDate"));
    let unknown: Vec<_> = wires_of.forms["first"]
        .unknown()
        .iter()
        .map(|unknown| (unknown.written.clone(), unknown.why.clone()))
        .collect();
    assert_eq!(unknown, [("chrono::NaiveDate".to_owned(), "it comes from chrono".to_owned())]);
    assert_eq!(told(&foreign("NaiveDate"), &foreign("NaiveDate")), NOTHING);
    assert_eq!(told(&foreign("NaiveDate"), &foreign("NaiveTime")).len(), 2);
    let by_hand = |body: &str| {
        format!(
            "struct T(u8); impl serde::Serialize for T {{ fn serialize<S>(&self) {{ {body} }} }} impl<'d> serde::Deserialize<'d> for T {{ }}"
        )
    };
    assert_eq!(told(&by_hand("1"), &by_hand("1")), NOTHING);
    assert!(told(&by_hand("1"), &by_hand("2"))[0].contains("cannot be seen into (its serde code is not derived)"));
    let with = |module: &str| {
        format!(
            "#[derive(Serialize, Deserialize)] struct T {{ #[serde(with = \"{module}\")] a: u8 }} mod iso {{}} mod other {{}}"
        )
    };
    assert!(told(&with("iso"), &with("other"))[0].contains("field a has #[serde(with)]"));
    let flat = derived("struct T { #[serde(flatten)] rest: BTreeMap<String, u8> }");
    assert!(told(&flat, &derived("struct T { a: u8 }"))[0].contains("field rest has #[serde(flatten)]"));
}

#[test]
fn calls_from_bodies_count_in_both_directions() {
    let app = |called: &str| {
        Wires::of(&app(
            "calls",
            &format!(
                "use dyninka::prelude::*;
                #[derive(Serialize, Deserialize)] struct Key {{ id: u8 }}
                {called}
                #[service] async fn caller() -> Result<u8> {{ Ok(1) }}
                #[service] async fn asks() -> Result<u8> {{ entry(todo!()).await; Ok(1) }}
                fn main() {{ caller() }}"
            ),
        ))
    };
    let told = |old: &str, new: &str| {
        let found = compatible(&app(old), &app(new)).into_iter();
        found
            .map(|found| format!("{}|{}|{} {}", found.service, found.neighbour, found.field, found.why))
            .collect::<Vec<_>>()
    };
    let old = "#[service] fn entry(key: u8) -> u16 { 1 }";
    assert_eq!(told(old, "#[service] fn entry(key: u8) -> u8 { 1 }"), NOTHING);
    assert_eq!(
        told(old, "#[service] fn entry(key: u8) -> u32 { 1 }"),
        ["entry|asks|output is written as u32 and read as u16"]
    );
    assert_eq!(
        told(old, "#[service] fn entry(key: u8, more: u8) -> u16 { 1 }"),
        ["entry|asks|more is needed and was no input"]
    );
    assert_eq!(told(old, "#[service] fn entry(key: u8) -> Option<u16> { None }"), ["entry|asks|output may be nothing"]);
}

#[test]
fn a_schema_changes_with_everything_its_bytes_rest_on() {
    let of = |types: &str| wires(types).forms["first"].hash();
    let made = "macro_rules! record { ($n:ident { $($f:ident : $t:ty),* }) => { #[derive(Serialize, Deserialize)] struct $n { $($f: $t),* } } }";
    for (old, new) in [
        // Lengths by constants, functions of them, and parameters.
        ("const N: usize = 2; type T = [u8; N];", "const N: usize = 3; type T = [u8; N];"),
        (
            "struct K; impl K { const N: usize = 2; } type T = [u8; K::N];",
            "struct K; impl K { const N: usize = 3; } type T = [u8; K::N];",
        ),
        ("const fn n() -> usize { 2 } type T = [u8; n()];", "const fn n() -> usize { 3 } type T = [u8; n()];"),
        (
            "const N: usize = M + 1; const M: usize = 2; type T = [u8; N];",
            "const N: usize = M + 1; const M: usize = 3; type T = [u8; N];",
        ),
        (
            "#[derive(Serialize, Deserialize)] struct B<const N: usize> { w: [u8; N] } type T = B<2>;",
            "#[derive(Serialize, Deserialize)] struct B<const N: usize> { w: [u8; N] } type T = B<3>;",
        ),
        (
            "#[derive(Serialize, Deserialize)] struct B<const N: usize> { w: [u8; N] } const M: usize = 2; type T = B<M>;",
            "#[derive(Serialize, Deserialize)] struct B<const N: usize> { w: [u8; N] } const M: usize = 3; type T = B<M>;",
        ),
        // Associated types, with and without brackets, through a parameter and by default.
        (
            "struct K; trait Has { type V; } impl Has for K { type V = u64; } #[derive(Serialize, Deserialize)] struct T { v: <K as Has>::V }",
            "struct K; trait Has { type V; } impl Has for K { type V = String; } #[derive(Serialize, Deserialize)] struct T { v: <K as Has>::V }",
        ),
        (
            "struct K; trait Has { type V; } impl Has for K { type V = u64; } #[derive(Serialize, Deserialize)] struct P<X: Has> { v: X::V } type T = P<K>;",
            "struct K; trait Has { type V; } impl Has for K { type V = String; } #[derive(Serialize, Deserialize)] struct P<X: Has> { v: X::V } type T = P<K>;",
        ),
        (
            "#[derive(Serialize, Deserialize)] struct P<X = u8> { v: X } type T = P;",
            "#[derive(Serialize, Deserialize)] struct P<X = String> { v: X } type T = P;",
        ),
        // Types that macros make, of the file and of another crate.
        (&format!("{made} record!(T {{ sum: f64 }});"), &format!("{made} record!(T {{ sum: String }});")),
        (
            &format!("{made} record!(Duration {{ sum: f64 }}); type T = Vec<Duration>;"),
            &format!("{made} record!(Duration {{ sum: u8 }}); type T = Vec<Duration>;"),
        ),
        (
            "bitflags::bitflags! { struct T: u8 { const A = 1; } }",
            "bitflags::bitflags! { struct T: u16 { const A = 1; } }",
        ),
        ("#[derive(Serialize)] struct T(u8); reads!(T, 1);", "#[derive(Serialize)] struct T(u8); reads!(T, 2);"),
        // Attributes that make another type of it.
        (
            "use serde_with::serde_as; #[serde_as] #[derive(Serialize, Deserialize)] struct T { #[serde_as(as = \"A\")] v: u8 }",
            "use serde_with::serde_as; #[serde_as] #[derive(Serialize, Deserialize)] struct T { #[serde_as(as = \"B\")] v: u8 }",
        ),
        (
            "#[derive(Serialize, Deserialize)] #[serde(transparent)] struct T { #[serde(with = \"m\")] v: u8 } mod m { pub fn f() -> u8 { 1 } }",
            "#[derive(Serialize, Deserialize)] #[serde(transparent)] struct T { #[serde(with = \"m\")] v: u8 } mod m { pub fn f() -> u8 { 2 } }",
        ),
        (
            "#[derive(Serialize, Deserialize)] struct T { #[cfg(unix)] v: u8 }",
            "#[derive(Serialize, Deserialize)] struct T { #[cfg(windows)] v: u8 }",
        ),
        // Text and numbers that not every text or number is.
        ("type T = String;", "type T = char;"),
        ("type T = String;", "type T = std::net::IpAddr;"),
        ("type T = std::net::IpAddr;", "type T = std::net::Ipv4Addr;"),
        ("type T = String;", "type T = std::net::SocketAddr;"),
        ("type T = String;", "type T = std::ffi::CString;"),
        ("type T = u8;", "type T = std::num::NonZeroU8;"),
        ("type T = i64;", "type T = std::num::NonZero<i64>;"),
        ("type T = std::num::NonZeroU8;", "type T = std::num::NonZeroI8;"),
        // The same name from elsewhere.
        ("use chrono::NaiveDate; type T = NaiveDate;", "use other::NaiveDate; type T = NaiveDate;"),
        ("use chrono::*; type T = Duration;", "use std::time::*; type T = Duration;"),
        ("use a::X as V; type T = V;", "use a::Y as V; type T = V;"),
    ] {
        assert_ne!(of(old), of(new), "{old}\n{new}");
        assert_eq!(of(old), of(&format!("{old} fn unrelated() {{}}")), "{old}");
        // What one writes, the other of the same text reads.
        assert_eq!(told(old, &format!("{old} fn unrelated() {{}}")), NOTHING);
    }
}

#[test]
fn what_reads_less_is_told_from_what_reads_more() {
    assert_eq!(
        told("type T = u8;", "type T = std::num::NonZeroU8;"),
        ["second|first|value is written as u8 and read as NonZeroU8"]
    );
    assert_eq!(told("type T = String;", "type T = char;"), ["second|first|value is written as text and read as char"]);
    assert_eq!(
        told("type T = std::net::Ipv4Addr;", "type T = std::net::IpAddr;"),
        ["first|second|value is written as IpAddr and read as Ipv4Addr"]
    );
    let boxed = "#[derive(Serialize, Deserialize)] struct T { next: Option<Box<Self>>, v: u8 }";
    assert!(wires(boxed).forms["first"].unknown().is_empty(), "Self is the type itself");
}

#[test]
fn what_cannot_be_seen_into_rests_on_the_versions_of_what_the_app_depends_on() {
    let form = |types: &str, dependencies: &str| {
        let mut form = wires(types).forms["first"].clone();
        form.depend_on(dependencies);
        form.hash()
    };
    let foreign = "#[derive(Serialize, Deserialize)] struct T { at: Vec<Option<chrono::NaiveDate>> }";
    assert_ne!(form(foreign, "chrono 0.4.1"), form(foreign, "chrono 0.4.2"));
    assert_eq!(form("type T = u8;", "chrono 0.4.1"), form("type T = u8;", "chrono 0.4.2"));
}
