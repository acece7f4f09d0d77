use proptest::prelude::*;
use serde_json::Value;
use session_api::command::{CallTree, Command, Feed, Goal, Then};
use session_api::grammar::{Meaning, Show, complete, doubts, is_complete, parse, tokens};

use crate::{history, snapshot};

/// JSON whose numbers read back as they are written.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 2.0)),
        any::<String>().prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Calls in which no service feeds itself: each level has a service of its own.
fn call() -> impl Strategy<Value = CallTree> {
    let named = |service: &str, inputs| CallTree { service: service.to_owned(), inputs };
    let get = move || named("get", None);
    let filter = prop_oneof![
        Just(named("filter", None)),
        value().prop_map(move |value| named("filter", Some(vec![Feed::Value(value)]))),
        Just(named("filter", Some(vec![Feed::Call(get())]))),
    ];
    let feed = prop_oneof![value().prop_map(Feed::Value), filter.prop_map(Feed::Call), Just(Feed::Call(get()))];
    let map = feed.prop_map(move |feed| named("map", Some(vec![feed])));
    (map, value(), any::<bool>()).prop_map(move |(map, value, join)| {
        if join { named("join", Some(vec![Feed::Call(map), Feed::Value(value)])) } else { map }
    })
}

fn goal() -> impl Strategy<Value = Goal> {
    let name = || prop::option::of("[a-z][a-z0-9_@/:.-]{0,20}");
    (name(), name()).prop_map(|(context, namespace)| Goal { context, namespace })
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![Just(Then::Ask), Just(Then::Go), Just(Then::End)]
}

fn line() -> impl Strategy<Value = Meaning> {
    prop_oneof![
        call().prop_map(|call| Meaning::Say(Command::Invoke { call })),
        (1..1_000_000_u32, call()).prop_map(|(count, call)| Meaning::Say(Command::Time { count, call })),
        value().prop_map(|value| Meaning::Say(Command::Set {
            service: "moving_avg".to_owned(),
            state: "AVERAGE".to_owned(),
            value
        })),
        call().prop_map(|call| Meaning::Show(Show::Route { call })),
        (any::<u64>(), any::<u64>(), prop::collection::vec(value(), 1..3)).prop_map(|(request, hop, values)| {
            Meaning::Say(Command::Step { request, hop: Some(hop), inputs: Some(values) })
        }),
        "[a-z][a-z0-9_.-]{0,20}".prop_map(|name| Meaning::Say(Command::Keep { name })),
        prop::option::of("[a-z][a-z0-9_.-]{0,20}").prop_map(|name| Meaning::Say(Command::Record { on: true, name })),
        (goal(), prop::sample::subsequence(vec!["get", "map"], 0..=2), any::<bool>(), then()).prop_map(
            |(goal, names, with_dependents, then)| {
                let services = names.into_iter().map(str::to_owned).collect();
                Meaning::Say(Command::Push { goal, services, with_dependents, then })
            }
        ),
        (goal(), any::<bool>(), any::<[Option<u32>; 2]>(), then()).prop_map(|(goal, one, [to, undoes], then)| {
            Meaning::Say(Command::Rollback { goal, service: one.then(|| "map".to_owned()), to, undoes, then })
        }),
        call().prop_map(|call| Meaning::Say(Command::RunJob { call })),
        "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{12}".prop_map(|id| Meaning::Say(Command::Job { id })),
        "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{12}".prop_map(|id| Meaning::Say(Command::RetryJob { id })),
        (prop::sample::subsequence(vec!["get", "map", "filter"], 2..=3), any::<[bool; 2]>()).prop_map(
            |(names, [fuses, reset])| {
                let services = names.into_iter().map(str::to_owned).collect();
                Meaning::Say(if fuses { Command::Fuse { services, reset } } else { Command::Split { services, reset } })
            }
        ),
        (any::<u64>(), any::<bool>()).prop_map(|(push, yes)| Meaning::Say(Command::Decide { push, yes })),
        prop_oneof![value().prop_map(Feed::Value), call().prop_map(Feed::Call)]
            .prop_map(|of| Meaning::Show(Show::Table { of })),
    ]
}

/// Pieces that the grammar knows, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "get",
        "filter",
        "map",
        "join",
        "plan",
        ":time ",
        ":set ",
        ":fuse ",
        ":split ",
        "--reset",
        ":",
        "moving_avg",
        ".",
        "AVERAGE",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ",",
        "|",
        "=",
        "\"sensor\"",
        "\"",
        "$last",
        "$1",
        "$",
        "3",
        "-",
        " ",
        "\n",
        "true",
        "left",
        "ü",
        "\\",
        "'",
        ":push ",
        ":rollback ",
        "--",
        "--context ",
        "--to ",
        "\u{0}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_meaning_reads_back(line in line()) {
        let text = line.to_string();
        prop_assert!(is_complete(&text), "{}", text);
        prop_assert_eq!(parse(&text, &snapshot(), &history()), Ok(line));
    }

    #[test]
    fn nothing_panics(line in prop_oneof![any::<String>(), pieces()], cursor in 0..80_usize) {
        let snapshot = snapshot();
        let length = line.chars().count();
        if let Err(mistake) = parse(&line, &snapshot, &history()) {
            prop_assert!(mistake.at.start <= mistake.at.end && mistake.at.end <= length, "{:?}", mistake);
        }
        for doubt in doubts(&line, &snapshot) {
            prop_assert!(doubt.at.end <= length);
        }
        let (start, _) = complete(&line, cursor, &snapshot);
        prop_assert!(line.is_char_boundary(start) && start <= cursor.min(line.len()));
        is_complete(&line);
    }

    #[test]
    fn tokens_cover_all_but_spaces(line in prop_oneof![any::<String>(), pieces()]) {
        let mut at = 0;
        for token in tokens(&line) {
            prop_assert!(line[at..token.at.start].chars().all(char::is_whitespace));
            at = token.at.end;
        }
        prop_assert!(line[at..].chars().all(char::is_whitespace));
    }
}
