#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn patterns(paths: &[&str]) -> Vec<Pattern> {
    paths.iter().map(|path| Pattern::read(path).unwrap()).collect()
}

fn found(was: &Value, now: &Value, rules: &Rules) -> Value {
    let body = |value: &Value| Body::new(value.to_string().as_bytes());
    serde_json::to_value(compare(&body(was), &body(now), rules)).unwrap()
}

#[test]
fn differences_stand_at_their_pointers() {
    let was = json!({"a": {"b/c": 1, "gone": null}, "list": [1, {"x": 2}], "same": "s"});
    let now = json!({"a": {"b/c": 2, "new": true}, "list": [1, {"x": "2"}], "same": "s"});
    let expected = json!([
        {"path": "/a/b~1c", "was": 1, "now": 2},
        {"path": "/a/gone", "was": null},
        {"path": "/a/new", "now": true},
        {"path": "/list/1/x", "was": 2, "now": "2"},
    ]);
    assert_eq!(found(&was, &now, &Rules::default()), expected);
    assert_eq!(found(&json!(1), &json!([]), &Rules::default()), json!([{"path": "", "was": 1, "now": []}]));
}

#[test]
fn an_item_put_in_moves_the_others() {
    let rules = Rules::default();
    let added = json!([{"path": "/1", "now": 9}]);
    assert_eq!(found(&json!([1, 2, 3]), &json!([1, 9, 2, 3]), &rules), added);
    let taken = json!([{"path": "/0", "was": 1}, {"path": "/1/a", "was": 3, "now": 4}]);
    assert_eq!(found(&json!([1, 2, {"a": 3}]), &json!([2, {"a": 4}]), &rules), taken);
}

#[test]
fn numbers_are_alike_within_the_tolerance() {
    let rules = |tolerance| Rules { tolerance, ..Rules::default() };
    assert_eq!(found(&json!(1), &json!(1.0), &rules(0.0)), json!([{"path": "", "was": 1, "now": 1.0}]));
    assert_eq!(found(&json!([1, 1e9, 0.0]), &json!([1.0, 1.0000005e9, 9e-7]), &rules(1e-6)), json!([]));
    assert_ne!(found(&json!(1e9), &json!(1.000_002e9), &rules(1e-6)), json!([]));
    let exact = json!([{"path": "", "was": 9007199254740993_u64, "now": 9007199254740992_u64}]);
    assert_eq!(found(&json!(9007199254740993_u64), &json!(9007199254740992_u64), &rules(0.0)), exact);
}

#[test]
fn what_is_ignored_is_not_looked_at() {
    let rules = Rules { ignore: patterns(&["/timestamp", "id", "/list/*/n"]), ..Rules::default() };
    let was = json!({"timestamp": {"a": 1}, "x": [{"id": 1}], "list": [{"n": 1}]});
    let now = json!({"x": [{"id": {"deep": 2}}], "list": [{}]});
    assert_eq!(found(&was, &now, &rules), json!([]));
}

#[test]
fn sets_have_no_order() {
    let rules = Rules { unordered: patterns(&["/set"]), ignore: patterns(&["/set/*/id"]), tolerance: 0.0 };
    let was = json!({"set": [{"id": 1, "v": 1}, {"id": 2, "v": 2}, {"v": 3}], "list": [1, 2]});
    let now = json!({"set": [{"id": 9, "v": 2}, {"v": 4}, {"id": 8, "v": 1}, {"v": 5}], "list": [2, 1]});
    let expected = json!([
        {"path": "/list/0", "was": 1, "now": 2},
        {"path": "/list/1", "was": 2, "now": 1},
        {"path": "/set/1/v", "was": 3, "now": 4},
        {"path": "/set/3", "now": {"v": 5}},
    ]);
    assert_eq!(found(&was, &now, &rules), expected);
}

#[test]
fn ends_differ_as_a_whole() {
    let value = Outcome::Value(Body::new(b"1"));
    let panicked = Outcome::Failed { kind: "panicked".into(), message: "no".into() };
    let text = |old, new| serde_json::to_value(compare_ends(old, new, &Rules::default())).unwrap();
    assert_eq!(text(&value, &Outcome::Filtered), json!([{"path": "", "was": 1, "now": {"end": "filtered"}}]));
    let now = json!({"end": "panicked", "message": "no"});
    assert_eq!(text(&Outcome::Filtered, &panicked), json!([{"path": "", "was": {"end": "filtered"}, "now": now}]));
    assert_eq!(text(&panicked, &panicked), json!([]));
}

#[test]
fn what_cannot_be_looked_through_differs_as_a_whole() {
    let deep = |leaf: &str| Body::new(("[".repeat(500) + leaf + &"]".repeat(500)).as_bytes());
    let rules = Rules::default();
    let whole = |bytes| ValueChange { path: String::new(), was: Side::Bytes(bytes), now: Side::Bytes(bytes) };
    assert_eq!(compare(&deep("1"), &deep("2"), &rules), [whole(1001)]);
    assert_eq!(compare(&deep("1"), &deep("1"), &rules), []);
    let left = Body::Left { bytes: 7, why: crate::Left::Size };
    assert_eq!(compare(&left, &left, &rules), [whole(7)]);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..4_i64).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    /// Nothing is found exactly where both are the same, and each side of a difference is what stands there.
    #[test]
    fn differences_are_told_truly(was in value(), now in value()) {
        let body = |value: &Value| Body::new(value.to_string().as_bytes());
        let changes = compare(&body(&was), &body(&now), &Rules::default());
        prop_assert_eq!(changes.is_empty(), was == now);
        for change in changes {
            prop_assert_ne!(&change.was, &change.now);
            let lone = change.was.is_absent() || change.now.is_absent();
            if let Side::Value(value) = &change.now {
                prop_assert_eq!(now.pointer(&change.path), Some(value));
            } else {
                prop_assert!(lone);
            }
            if lone && let Side::Value(value) = &change.was && !change.path.is_empty() {
                // An item taken out stands at its old index, under a list that may have moved itself.
                let (_, last) = change.path.rsplit_once('/').unwrap();
                prop_assert!(value.is_null() || !last.is_empty());
            }
        }
    }

    /// A set is alike however it is shuffled.
    #[test]
    fn a_shuffled_set_is_the_same(items in prop::collection::vec(value(), 0..6).prop_shuffle(), turn in 0..6_usize) {
        let mut other = items.clone();
        other.rotate_left(if items.is_empty() { 0 } else { turn % items.len() });
        let rules = Rules { unordered: patterns(&["/s"]), ..Rules::default() };
        prop_assert_eq!(found(&json!({ "s": items }), &json!({ "s": other }), &rules), json!([]));
    }
}

#[test]
fn numbers_count_to_their_last_digit() {
    let told = |was: &str, now: &str, tolerance: f64| {
        let rules = Rules { tolerance, ..Rules::default() };
        let changes = compare(&Body::new(was.as_bytes()), &Body::new(now.as_bytes()), &rules);
        serde_json::to_value(changes).unwrap()
    };
    let (was, now) = ("340282366920938463463374607431768211454", "340282366920938463463374607431768211455");
    let list = |number: &str| format!("[{number}, 1]");
    assert_eq!(told(was, now, 0.0), json!([{ "path": "", "was": was, "now": now }]));
    assert_eq!(told(&list(was), &list(now), 0.0), json!([{ "path": "/0", "was": was, "now": now }]));
    assert_eq!(told(&format!(" {was}"), was, 0.0), json!([]), "the same number");
    assert_eq!(told(was, now, 1e-9), json!([]), "within the tolerance");
    let (below, above) = ("18446744073709551615", "18446744073709551616");
    let number: u64 = below.parse().unwrap();
    assert_eq!(told(below, above, 0.0), json!([{ "path": "", "was": number, "now": above }]));
    assert_eq!(told(below, above, 1e-9), json!([]));
    let (was, now) = ("0.12345678901234567891", "0.12345678901234567892");
    assert_eq!(told(was, now, 0.0), json!([{ "path": "", "was": was, "now": now }]));
    let object = |number: &str| format!("{{\"a\":{{\"b\":{number}}}}}");
    let added = told("{}", &object(above), 0.0);
    assert_eq!(added, json!([{ "path": "/a", "now": { "b": above } }]));
}
