use serde_json::{Value, json};
use session_api::command::{CallTree, Command, Feed, Goal, Then};
use session_api::grammar::{
    AnswerHistory, Answers, Meaning, NoAnswers, Show, help, is_blank, is_complete, parse, route,
};
use session_api::push::PushView;

use crate::{history, snapshot};

fn read(line: &str) -> Meaning {
    parse(line, &snapshot(), &history()).unwrap_or_else(|mistake| panic!("{line}: {mistake:?}"))
}

fn call(service: &str, inputs: impl Into<Option<Vec<Feed>>>) -> CallTree {
    CallTree { service: service.to_owned(), inputs: inputs.into() }
}

fn invoke(line: &str, expected: CallTree) {
    assert_eq!(read(line), Meaning::Say(Command::Invoke { call: expected }), "{line}");
}

#[test]
fn a_bare_name_is_fed_by_the_flow() {
    invoke("moving_avg", call("moving_avg", None));
    invoke("get", call("get", None));
    invoke("get()", call("get", None));
}

#[test]
fn values_feed_inputs_in_order_or_by_name() {
    let reading = json!({"sensor": "EWR", "value": 1});
    let both = vec![Feed::Value(reading.clone()), Feed::Value(json!(3))];
    invoke(r#"filter {"sensor":"EWR","value":1}"#, call("filter", vec![Feed::Value(reading)]));
    invoke(r#"join {"sensor":"EWR","value":1} 3"#, call("join", both.clone()));
    invoke(r#"join({"sensor":"EWR","value":1}, 3)"#, call("join", both.clone()));
    invoke(r#"join right=3 left={"sensor":"EWR","value":1}"#, call("join", both.clone()));
    invoke(r#"join(right=3, {"sensor":"EWR","value":1})"#, call("join", both));
    for scalar in ["-1.5e3", "true", "null", r#""a \" b""#, "[1, [2]]"] {
        let value: Value = serde_json::from_str(scalar).expect("JSON");
        invoke(&format!("map {scalar}"), call("map", vec![Feed::Value(value)]));
    }
}

#[test]
fn a_pipe_feeds_the_first_input_that_has_no_name() {
    let filtered = || call("filter", vec![Feed::Call(call("get", None))]);
    let mapped = call("map", vec![Feed::Call(filtered())]);
    invoke("get | filter | map", mapped.clone());
    invoke("map(filter(get))", mapped.clone());
    invoke("map(get | filter)", mapped.clone());
    invoke("get\n  | filter\n  | map", mapped);
    let joined = call("join", vec![Feed::Call(filtered()), Feed::Value(json!(3))]);
    invoke("get | filter | join 3", joined.clone());
    invoke("get | filter | join(3)", joined.clone());
    invoke("join(right=3, left=filter(get))", joined);
    invoke("3 | map", call("map", vec![Feed::Value(json!(3))]));
    // Bare inside: as the flow feeds it.
    invoke("map(filter)", call("map", vec![Feed::Call(call("filter", None))]));
}

#[test]
fn earlier_answers_stand_for_their_values() {
    let second = json!({"sensor": "EWR", "value": 50.0});
    invoke("map $last", call("map", vec![Feed::Value(second.clone())]));
    invoke("map($1)", call("map", vec![Feed::Value(json!(1.5))]));
    invoke("$2 | map", call("map", vec![Feed::Value(second)]));
    assert_eq!(read("$last"), Meaning::Show(Show::Answer { number: 2 }));
    assert_eq!(read("$1"), Meaning::Show(Show::Answer { number: 1 }));
}

#[test]
fn commands() {
    let get = || Feed::Call(call("get", None));
    let table: &[(&str, Meaning)] = &[
        (":time 200 get | filter", Meaning::Say(Command::Time { count: 200, call: call("filter", vec![get()]) })),
        (":state moving_avg", Meaning::Say(Command::State { service: "moving_avg".to_owned() })),
        (":restart map", Meaning::Say(Command::Restart { service: "map".to_owned() })),
        (":undo", Meaning::Say(Command::Undo)),
        (
            ":fuse get map --reset",
            Meaning::Say(Command::Fuse { services: vec!["get".to_owned(), "map".to_owned()], reset: true }),
        ),
        (":split map", Meaning::Say(Command::Split { services: vec!["map".to_owned()], reset: false })),
        (":stop", Meaning::Say(Command::Stop)),
        (": services", Meaning::Show(Show::Services)),
        (":flow", Meaning::Show(Show::Flow)),
        (":edits", Meaning::Show(Show::Edits)),
        (":why 2", Meaning::Show(Show::Why { edit: 2 })),
        (":why", Meaning::Show(Show::Why { edit: 3 })),
        (":logs", Meaning::Show(Show::Logs { service: None, last: 20 })),
        (":logs 5", Meaning::Show(Show::Logs { service: None, last: 5 })),
        (":logs map", Meaning::Show(Show::Logs { service: Some("map".to_owned()), last: 20 })),
        (":logs map 5", Meaning::Show(Show::Logs { service: Some("map".to_owned()), last: 5 })),
        (":route map(get)", Meaning::Show(Show::Route { call: call("map", vec![get()]) })),
        (":run map(get)", Meaning::Say(Command::RunJob { call: call("map", vec![get()]) })),
        (":jobs", Meaning::Say(Command::Jobs)),
        (":job 019370c4-07", Meaning::Say(Command::Job { id: "019370c4-07".to_owned() })),
        (":table $1", Meaning::Show(Show::Table { of: Feed::Value(json!(1.5)) })),
        (":table get", Meaning::Show(Show::Table { of: get() })),
        (":where", Meaning::Say(Command::Where { data: None })),
        (":where images/cats/1.jpg", Meaning::Say(Command::Where { data: Some("images/cats/1.jpg".to_owned()) })),
        (":data", Meaning::Show(Show::Data { bucket: None })),
        (":data acme.images-1", Meaning::Show(Show::Data { bucket: Some("acme.images-1".to_owned()) })),
        (":help", Meaning::Show(Show::Help { topic: None })),
        (":help :time", Meaning::Show(Show::Help { topic: Some("time".to_owned()) })),
        (":help values", Meaning::Show(Show::Help { topic: Some("values".to_owned()) })),
        (":quit", Meaning::Show(Show::Quit)),
        (":q", Meaning::Show(Show::Quit)),
    ];
    for (line, expected) in table {
        assert_eq!(&read(line), expected, "{line}");
        assert_eq!(&read(&expected.to_string()), expected, "{line} as {expected}");
    }
}

#[test]
fn a_placed_value_is_set() {
    let set =
        |value| Meaning::Say(Command::Set { service: "moving_avg".to_owned(), state: "AVERAGE".to_owned(), value });
    assert_eq!(read(r#":set moving_avg.AVERAGE {"average":0,"count":0}"#), set(json!({"average": 0, "count": 0})));
    assert_eq!(read(":set moving_avg.AVERAGE $1"), set(json!(1.5)));
    assert_eq!(read(&set(json!(null)).to_string()), set(json!(null)));
}

#[test]
fn more_lines_follow_while_brackets_are_open() {
    for whole in
        ["", "get", "map {}", "map(get)", "filter {\n}", ":time 3 get", "map )", "map {]", r#"map {"a"#, "|", "map {'"]
    {
        assert!(is_complete(whole), "{whole}");
    }
    for part in ["map {", "map(", "map(get,", "map [1,\n2", "get |", r#":set a.B {"a": ["#, r#"map {"a": "}""#] {
        assert!(!is_complete(part), "{part}");
    }
}

#[test]
fn blank_lines_and_comments_mean_nothing() {
    assert!(is_blank("") && is_blank("  \t") && is_blank(" # get"));
    assert!(!is_blank("get # x"));
}

#[test]
fn the_oldest_answers_are_forgotten_and_numbers_stay() {
    let mut kept = AnswerHistory::most(2);
    let numbers: Vec<_> = (0..4).map(|n| kept.keep(json!(n))).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(kept.answer(2), None);
    assert_eq!(kept.answer(3), Some(&json!(2)));
    assert_eq!((NoAnswers.count(), NoAnswers.answer(1)), (0, None));
}

#[test]
fn a_push_takes_services_and_options_in_any_order() {
    let goal = Goal { context: Some("kind-dev".to_owned()), namespace: Some("a/b:c".to_owned()) };
    let push = |services: &[&str], goal, with_dependents, then| {
        let services = services.iter().map(|name| (*name).to_owned()).collect();
        Meaning::Say(Command::Push { goal, services, with_dependents, then })
    };
    assert_eq!(read(":push"), push(&[], Goal::default(), false, Then::Ask));
    assert_eq!(
        read(":push map --context kind-dev --with-dependents get --namespace a/b:c --yes"),
        push(&["map", "get"], goal.clone(), true, Then::Go)
    );
    assert_eq!(read(":push --plan"), push(&[], Goal::default(), false, Then::End));
    assert_eq!(read(":push --stop"), Meaning::Say(Command::StopPush));
    let back = Command::Rollback { goal, service: Some("map".to_owned()), to: Some(3), undoes: None, then: Then::Ask };
    assert_eq!(read(":rollback map --to 3 --context kind-dev --namespace a/b:c"), Meaning::Say(back));
    assert_eq!(read(":decline 2"), Meaning::Say(Command::Decide { push: 2, yes: false }));
    let mut snapshot = snapshot();
    snapshot.pushes = vec![PushView { push: 7, ..PushView::default() }];
    let meant = parse(":confirm", &snapshot, &NoAnswers);
    assert_eq!(meant, Ok(Meaning::Say(Command::Decide { push: 7, yes: true })));
}

#[test]
fn every_command_and_topic_has_help() {
    let overview = help(None);
    for name in ["time", "set", "why", "quit", "push"] {
        assert!(overview.contains(&format!(":{name}")), "{overview}");
        assert!(help(Some(name)).starts_with(&format!(":{name}")), "{}", help(Some(name)));
    }
    for topic in session_api::grammar::TOPICS {
        assert_ne!(help(Some(topic)), overview, "{topic}");
    }
}

#[test]
fn a_route_says_in_full_what_the_flow_feeds() {
    let header = |line: &str| match read(line) {
        Meaning::Say(Command::Invoke { call }) => route(&call, &snapshot()),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(header("map"), None);
    assert_eq!(header("map(get)").as_deref(), Some("get"));
    assert_eq!(header("moving_avg(map)").as_deref(), Some("map(filter(get))"));
    assert_eq!(header("join filter \"\u{fc}\"").as_deref(), Some(r#"filter(get), "\u00fc""#));
}
