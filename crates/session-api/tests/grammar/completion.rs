use session_api::grammar::complete;

use crate::snapshot;

/// The texts offered where `^` stands, and what of the line they take the place of.
fn offered(marked: &str) -> (String, Vec<String>) {
    let cursor = marked.find('^').expect("a mark");
    let line = marked.replacen('^', "", 1);
    let (start, candidates) = complete(&line, cursor, &snapshot());
    (line[start..cursor].to_owned(), candidates.into_iter().map(|candidate| candidate.text).collect())
}

#[test]
fn what_is_offered() {
    let services = ["get", "filter", "map", "moving_avg", "join", "plan"];
    let table: &[(&str, &str, &[&str])] = &[
        ("^", "", &services),
        ("m^", "m", &["map", "moving_avg"]),
        ("x^", "x", &[]),
        ("get | f^", "f", &["filter"]),
        ("map(g^)", "g", &["get"]),
        (
            ":^",
            ":",
            &[
                ":services",
                ":flow",
                ":time ",
                ":state ",
                ":set ",
                ":logs ",
                ":edits",
                ":why ",
                ":route ",
                ":table ",
                ":where ",
                ":data ",
                ":restart ",
                ":fuse ",
                ":split ",
                ":undo",
                ":stop",
                ":record ",
                ":keep ",
                ":recordings",
                ":replay ",
                ":diff ",
                ":again ",
                ":step ",
                ":push ",
                ":rollback ",
                ":confirm ",
                ":decline ",
                ":jobs",
                ":job ",
                ":run ",
                ":retry ",
                ":cancel ",
                ":help ",
                ":quit",
            ],
        ),
        (":st^", ":st", &[":state ", ":stop", ":step "]),
        (":state mo^", "mo", &["moving_avg"]),
        (":push mo^", "mo", &["moving_avg "]),
        (":push map --p^", "--p", &["--plan "]),
        (":rollback --^", "--", &["--to ", "--plan ", "--yes ", "--context ", "--namespace ", "--undo "]),
        (":push --context ^", "", &[]),
        (":logs j^", "j", &["join"]),
        (":set moving_avg.^", "", &["AVERAGE "]),
        (
            ":set moving_avg.AVERAGE ^",
            "",
            &[r#"{"average": 0, "count": 0}"#, "$last", "get", "filter", "map", "moving_avg", "join", "plan"],
        ),
        (r#":set moving_avg.AVERAGE {"^"#, "\"", &[r#""average": "#, r#""count": "#]),
        (":time ^", "", &[]),
        (":time 20 fi^", "fi", &["filter"]),
        (":why ^", "", &["3", "2", "1"]),
        (":diff ^", "", &["12", "11", "10"]),
        (":step ^", "", &["12", "11", "10"]),
        (":job ^", "", &["019370c4-0000-7000-8000-000000000001"]),
        (":cancel 019370c4-0000-7000-8000-^", "019370c4-0000-7000-8000-", &["019370c4-0000-7000-8000-000000000001"]),
        (":run fi^", "fi", &["filter"]),
        (":record o^", "o", &["on", "off"]),
        (":help ti^", "ti", &["time"]),
        (":services ^", "", &[]),
        ("map $^", "$", &["$last"]),
        ("map {^", "", &[r#""sensor": "#, r#""value": "#, r#""note": "#]),
        (r#"map {"s^"#, "\"s", &[r#""sensor": "#]),
        (r#"map {"sensor": "EWR", ^"#, "", &[r#""value": "#, r#""note": "#]),
        (r#"map {"sensor": "EWR"^"#, "", &[]),
        (r#"map({"v^"#, "\"v", &[r#""value": "#]),
        (r#"get | join ri^"#, "ri", &["right="]),
        (r#"join {"n^"#, "\"n", &[r#""note": "#]),
        (r#"join right=3 left={"n^"#, "\"n", &[r#""note": "#]),
        (r#"join(3, 4, {"n^"#, "\"n", &[]),
        (r#"plan [{"^"#, "\"", &[r#""kind": "#, r#""express": "#, r#""by": "#]),
        (r#"plan [{"kind": ^"#, "", &[r#""Heat""#, r#""Cool""#]),
        (r#"plan [{"kind": "C^"#, "\"C", &[r#""Cool""#]),
        (r#"plan [{"kind": "Cool", "express": t^"#, "t", &["true"]),
        (r#"plan [{"by": {"x": {"va^"#, "\"va", &[r#""value": "#]),
        (r#"plan [{"kind": "Heat"}, {"k^"#, "\"k", &[r#""kind": "#]),
        ("map {} ^", "", &[]),
    ];
    for (line, typed, texts) in table {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(offered(line), ((*typed).to_owned(), texts), "{line}");
    }
}

#[test]
fn a_value_is_offered_as_a_whole() {
    let (_, texts) = offered("map ^");
    assert_eq!(texts[0], r#"{"sensor": "", "value": 0, "note": null}"#);
    let (_, candidates) = complete("filt", 4, &snapshot());
    assert_eq!(candidates[0].description, "filter(reading: Reading) -> Option<Reading>");
}

#[test]
fn a_cursor_anywhere_is_no_trouble() {
    let line = "map \"ü\" | fi";
    for cursor in 0..20 {
        complete(line, cursor, &snapshot());
    }
}
