//! What functions returned in the recording `warm`. Written by `dyn keep`, yours to change.
//!
//! In the app's file: `#[cfg(test)] #[path = "warm.rs"] mod warm;`. Needs `serde` and `serde_json`.
//! Without a test: `calls`, it calls other services.
//! Without a test: `never`, no call of it was recorded that can be checked.
//! Without a test: `unsafe_one`, it says replay = false.

#[test]
fn half_2() {
    fails(super::half(read("1.0"), read(r#""""#)), r#"a "name" is wanted"#);
}

#[test]
fn half_1() {
    expect(super::half(read("0.1"), read(r#""a\nb""#)), "0.05");
}

#[test]
fn positive_1() {
    expect(super::positive(read("0.1")), "0.1");
}

#[test]
fn positive_0() {
    expect(super::positive(read("-1.5")), "null");
}

#[test]
fn sum_in_order() {
    super::SUM.set(read(r#"{"total":1.0,"count":3}"#));
    // Request 1.
    expect(super::sum(read("0.05")), r#"{"total":1.05,"count":4}"#);
    // Request 2.
    expect(super::sum(read("0.5")), r#"{"total":1.55,"count":5}"#);
}

#[track_caller]
fn expect<T: serde::Serialize>(call: dyninka::Call<T>, recorded: &str) {
    let value = call.wait().expect("a value");
    let text = serde_json::to_string(&value).expect("JSON");
    assert_eq!(read::<serde_json::Value>(&text), read::<serde_json::Value>(recorded));
    assert_eq!(long_integers(&text), long_integers(recorded));
}

/// Those that a `serde_json::Value` rounds.
fn long_integers(json: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_digit() || ".eE+-".contains(c);
    let mut found: Vec<_> = json.split(|c: char| !is_part(c)).filter(|number| number.len() > 19).collect();
    found.retain(|number| !number.contains(['.', 'e', 'E']));
    found.sort_unstable();
    found
}

#[track_caller]
fn fails<T>(call: dyninka::Call<T>, message: &str) {
    let error = call.wait().err().expect("an error");
    assert_eq!(error.to_string(), message);
}

#[track_caller]
fn read<T: for<'a> serde::Deserialize<'a>>(json: &str) -> T {
    serde_json::from_str(json).expect("what was recorded reads")
}
