#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::request::Placed;
use crate::tests::{hop, request};

fn blanked(paths: &[&str], body: &str) -> Body {
    let mut request = request(1, vec![hop("get", body, "1")]);
    Redaction::new(paths).unwrap().request(&mut request);
    request.hops[0].inputs[0].clone()
}

fn json(text: &str) -> Body {
    Body::new(text.as_bytes())
}

#[test]
fn a_pointer_blanks_what_it_points_at_and_keeps_its_shape() {
    let users = r#"{"b":1.50,"users":[{"token":"abcd","n":18446744073709551616},{"token":{"k":[true,12345,null]}}]}"#;
    let kept = r#"{"b":1.50,"users":[{"token":"redacted","n":18446744073709551616},{"token":{"k":[false,0,null]}}]}"#;
    assert_eq!(blanked(&["/users/*/token"], users), json(kept));
    assert_eq!(blanked(&["/users/0/n"], users), json(&users.replace("18446744073709551616", "0")));
    assert_eq!(blanked(&["/users/2/token", "/user"], users), json(users));
    assert_eq!(blanked(&["/a~1b/~0"], r#"{"a/b":{"~":"secret"}}"#), json(r#"{"a/b":{"~":"redacted"}}"#));
}

#[test]
fn a_name_is_blanked_wherever_it_is_and_however_it_is_spelled() {
    let text = r#"[{"a":{"pass\u0077ord":"hunter2"}},{"password":3},"password"]"#;
    assert_eq!(blanked(&["password"], text), json(r#"[{"a":{"password":"redacted"}},{"password":0},"password"]"#));
}

#[test]
fn what_cannot_be_looked_through_is_not_kept() {
    let deep = "[".repeat(200) + r#"{"password":"hunter2"}"# + &"]".repeat(200);
    let left = |bytes: usize| Body::Left { bytes: bytes as u64, why: Left::Redaction };
    assert_eq!(blanked(&["password"], &deep), left(deep.len()));
    assert_eq!(blanked(&["/a"], "password=hunter2"), left(16));
    assert_eq!(blanked(&[], "password=hunter2"), json("password=hunter2"));
}

#[test]
fn headers_and_messages_are_blanked_too() {
    let mut request = request(1, vec![hop("get", r#"{"token":"hunter2"}"#, "1")]);
    request.headers = vec![("AuthorizAtion".into(), "Bearer x".into()), ("accept".into(), "y".into())];
    let message = "invalid type: string \"hunter2\", expected u64".to_owned();
    request.hops[0].end = End::Failed { kind: "input".into(), message };
    Redaction::new(["/token"]).unwrap().request(&mut request);
    assert_eq!(request.headers[0].1, BLANK);
    assert_eq!(request.headers[1].1, "y");
    assert!(!serde_json::to_string(&request).unwrap().contains("hunter2"));
}

#[test]
fn placed_state_is_blanked() {
    let value = RawValue::from_string(r#"{"token":"hunter2","n":1}"#.into()).unwrap();
    let states = vec![Placed { name: "S".into(), fingerprint: "f".into(), value }];
    let mut keyframe = Keyframe { service: "get".into(), sequence: 0, life: 0, states };
    assert!(Redaction::new(["token"]).unwrap().keyframe(&mut keyframe));
    assert_eq!(keyframe.states[0].value.get(), r#"{"token":"redacted","n":1}"#);
}

proptest! {
    /// Whatever the value, a name that was asked for has no text under it afterwards.
    #[test]
    fn no_secret_is_left(keys in prop::collection::vec("[a-c\\\\\"]{1,2}", 1..5), secret in "[x-z]{6,9}") {
        let mut value = Value::from(secret.clone());
        for (at, key) in keys.iter().enumerate() {
            value = if at % 2 == 0 { serde_json::json!({ key.clone(): value, "z": 1 }) } else { serde_json::json!([2, value]) };
        }
        let text = value.to_string();
        let Body::Json(blanked) = blanked(&[keys[0].as_str()], &text) else { panic!("{text}") };
        prop_assert!(!blanked.get().contains(&secret), "{} of {text}", blanked.get());
        let back: Value = serde_json::from_str(blanked.get()).unwrap();
        prop_assert_eq!(back.to_string().len(), text.len() - secret.len() + "redacted".len());
    }
}
