#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::request::PlacedValue;
use crate::tests::{hop, request};

fn blanked(paths: &[&str], body: &str) -> Body {
    let mut request = request(1, vec![hop("get", body, "1")]);
    Redaction::new(paths).unwrap().request(&mut request, &BTreeMap::new());
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
    request.hops[0].end = Outcome::Failed { kind: "input".into(), message };
    Redaction::new(["/token"]).unwrap().request(&mut request, &BTreeMap::new());
    assert_eq!(request.headers[0].1, BLANK);
    assert_eq!(request.headers[1].1, "y");
    assert!(!serde_json::to_string(&request).unwrap().contains("hunter2"));
}

#[test]
fn placed_state_is_blanked() {
    let value = RawValue::from_string(r#"{"token":"hunter2","n":1}"#.into()).unwrap();
    let states = vec![PlacedValue { name: "S".into(), fingerprint: "f".into(), value }];
    let mut keyframe = Keyframe { service: "get".into(), sequence: 0, life: 0, states };
    assert!(Redaction::new(["token"]).unwrap().keyframe(&mut keyframe));
    assert_eq!(keyframe.states[0].value.get(), r#"{"token":"redacted","n":1}"#);
}

/// What functions' inputs are called.
fn named(names: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    names
        .iter()
        .map(|(service, inputs)| ((*service).to_owned(), inputs.iter().map(|&name| name.to_owned()).collect()))
        .collect()
}

#[test]
fn a_name_is_blanked_as_an_input_a_header_and_a_static_however_it_is_capitalised() {
    let redaction = Redaction::new(["password", "x-api-key", "TOKEN"]).unwrap();
    let mut login = hop("login", "\"hunter2!\"", "{\"user\":\"ann\",\"echo\":\"<hunter2!>\",\"PassWord\":\"other77\"}");
    login.calls = vec![crate::RecordedCall {
        service: "check".into(),
        inputs: vec![json("77001")],
        end: Outcome::Value(json("true")),
    }];
    let mut request = request(1, vec![hop("first", "1", "\"hunter2!\""), login]);
    request.headers =
        vec![("X-Api-Key".into(), "key-0815".into()), ("referer".into(), "/?k=key-0815&p=hunter2!".into())];
    request.route = Some("login(\"hunter2!\")".into());
    let inputs = named(&[("login", &["password"]), ("check", &["Token"])]);
    redaction.request(&mut request, &inputs);
    let text = serde_json::to_string(&request).unwrap();
    for secret in ["hunter2", "other77", "key-0815", "77001"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("ann"), "{text}");
    let value = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let placed = |name: &str, of: &str| PlacedValue { name: name.into(), fingerprint: "f".into(), value: value(of) };
    let states =
        vec![placed("token", "{\"v\":\"statics-secret\"}"), placed("SEEN", "{\"hunter2!\":[\"statics-secret\",3]}")];
    let mut keyframe = Keyframe { service: "get".into(), sequence: 0, life: 0, states };
    assert!(redaction.keyframe(&mut keyframe));
    let text = serde_json::to_string(&keyframe).unwrap();
    assert!(!text.contains("statics-secret") && !text.contains("hunter2") && text.contains(",3]"), "{text}");
}

#[test]
fn a_name_is_blanked_in_text_that_has_it_beside_its_value() {
    let redaction = Redaction::new(["password", "x-api-key", "TOKEN"]).unwrap();
    let texts = [
        "/login?user=ann&password=hunter%2042&next=%2F",
        "https://x/?Token=hunter%2042#top",
        "user[password]=hunter+42&user[name]=ann",
        "token%3Dhunter%2042%26user%3Dann",
        "X-Api-Key: hunter42",
        "Login { user: \"ann\", password: \"hunter 42\" }",
        "no such \\\"token\\\":\\\"hunter 42\\\" here",
        "{\"a\": [{\"password\": \"hunter 42\", \"b\": \"?token=hunter42\"}]}",
        "{\"a\": \"{\\\"a\\\":{\\\"Token\\\":\\\"hunter 42\\\"}}\"}",
    ];
    for text in texts {
        let value = Value::from(text).to_string();
        let mut request = request(1, vec![hop("get", &value, &format!("{{\"a\":[{value}]}}"))]);
        request.hops[0].calls = vec![crate::RecordedCall {
            service: "x".into(),
            inputs: vec![json(&value)],
            end: Outcome::Value(json(&value)),
        }];
        request.headers = vec![("referer".into(), text.into())];
        request.route = Some(format!("get({value})"));
        redaction.request(&mut request, &BTreeMap::new());
        let states = vec![PlacedValue {
            name: "SEEN".into(),
            fingerprint: "f".into(),
            value: RawValue::from_string(value).unwrap(),
        }];
        let mut keyframe = Keyframe { service: "get".into(), sequence: 0, life: 0, states };
        assert!(redaction.keyframe(&mut keyframe));
        let written = serde_json::to_string(&(&request, &keyframe)).unwrap();
        assert!(!written.contains("hunter") && !written.contains("42"), "{text}: {written}");
    }
    for kept in ["tokens=12345", "my_token=12345", "the password is wrong", "{\"tokens\":\"12345\"}", "token"] {
        let value = Value::from(kept).to_string();
        assert_eq!(blanked(&["password", "token"], &value), json(&value));
    }
}

#[test]
fn a_secret_that_is_a_word_of_json_breaks_no_value() {
    let text = r#"{"password":"true","ok":true,"none":null,"n":1234,"pin":"1234"}"#;
    let kept = r#"{"password":"redacted","ok":true,"none":null,"n":0,"pin":"redacted"}"#;
    assert_eq!(blanked(&["password", "pin"], text), json(kept));
}

proptest! {
    /// Whatever holds a secret, and wherever it went on from there: its bytes are in no file that is written.
    #[test]
    fn no_file_has_a_secrets_bytes(
        secret in "[a-z]{2}[\"\\\\é\n]?[a-z0-9]{4,9}",
        place in 0..4_usize,
        keys in prop::collection::vec("[a-c\"]{1,2}", 0..4),
        name in prop::sample::select(vec!["password", "Password", "x-API-key", "TOKEN"]),
    ) {
        let redaction = Redaction::new(["password", "X-Api-Key", "token"]).unwrap();
        let quoted = Value::from(secret.as_str()).to_string();
        let mut deep = Value::from(format!("<{secret}>"));
        for key in &keys {
            deep = serde_json::json!({ key.clone(): [deep, 1] });
        }
        let held = serde_json::json!([{ name: secret.clone() }, deep]).to_string();
        // Under its name at one place, under none at all others.
        let first = match place { 0 => held.as_str(), 1 => quoted.as_str(), _ => "1" };
        let mut other = request(1, vec![hop("get", first, &deep.to_string()), hop("next", &deep.to_string(), "2")]);
        if place == 2 {
            other.headers.push((name.to_owned(), secret.clone()));
        }
        other.headers.push(("referer".to_owned(), format!("/?a={secret}")));
        other.route = Some(format!("next(get({quoted}))"));
        other.hops[1].end = Outcome::Failed { kind: "failed".into(), message: format!("no such {secret:?}: {secret}") };
        let value = RawValue::from_string(if place == 3 { held } else { deep.to_string() }).unwrap();
        let states = vec![PlacedValue { name: "S".into(), fingerprint: "f".into(), value }];
        let mut keyframe = Keyframe { service: "get".into(), sequence: 0, life: 0, states };
        // Placed state is told before the call it is of.
        if place == 3 {
            prop_assert!(redaction.keyframe(&mut keyframe));
        }
        redaction.request(&mut other, &named(&[("get", &[name])]));
        prop_assert!(redaction.keyframe(&mut keyframe));
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("warm");
        let bounds = crate::Bounds { line_body: 8, ..crate::Bounds::default() };
        let writer = crate::Writer::create(&at, &crate::Header::new("app", 1), bounds, |_| {}).unwrap();
        writer.request(&std::sync::Arc::new(other));
        writer.keyframe(&std::sync::Arc::new(keyframe));
        prop_assert_eq!(writer.close().refused, 0);
        let mut folders = vec![at];
        while let Some(folder) = folders.pop() {
            use std::os::unix::fs::PermissionsExt as _;
            prop_assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                prop_assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
                let text = std::fs::read_to_string(entry.path()).unwrap();
                let inner = &quoted[1..quoted.len() - 1];
                let twice = Value::from(inner).to_string();
                for form in [&secret, inner, &twice[1..twice.len() - 1]] {
                    prop_assert!(!text.contains(form), "{} in {}", form, text);
                }
            }
        }
    }

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
