use session_api::grammar::doubts;

use crate::snapshot;

fn found(line: &str) -> Vec<String> {
    let characters: Vec<_> = line.chars().collect();
    let shown = |doubt: session_api::grammar::Doubt| {
        format!("{}: {}", characters[doubt.at].iter().collect::<String>(), doubt.message)
    };
    doubts(line, &snapshot()).into_iter().map(shown).collect()
}

#[test]
fn what_does_not_look_like_its_type() {
    let table: &[(&str, &[&str])] = &[
        (r#"map {"sensor":"ü","value":1}"#, &[]),
        (
            r#"map {"sensor":"ü","vaule":1}"#,
            &["\"vaule\": Reading has no field vaule, did you mean value?", "}: Reading lacks value"],
        ),
        (r#"map 3"#, &["3: an object (Reading) is expected"]),
        (r#"map $last"#, &[]),
        (r#"moving_avg "x""#, &["\"x\": a number (f64) is expected"]),
        (r#"join null "x""#, &["\"x\": a number (u32) is expected"]),
        (r#"join null 3"#, &[]),
        (r#"get | filter | join "3""#, &["\"3\": a number (u32) is expected"]),
        (r#"join(right="3", left=null)"#, &["\"3\": a number (u32) is expected"]),
        (
            r#"plan [{"kind":"Heat","express":1,"by":{"a":{"sensor":2,"value":1}}}]"#,
            &["1: true or false is expected", "2: a text is expected"],
        ),
        (
            r#"plan [{"kind":"Haet","express":true,"by":{}}]"#,
            &["\"Haet\": Kind has no variant Haet, did you mean Heat?"],
        ),
        (r#"plan {}"#, &["{: a list is expected"]),
        (
            r#":set moving_avg.AVERAGE {"average":true}"#,
            &["true: a number (f64) is expected", "}: Average lacks count"],
        ),
        (r#":time 5 map {"sensor":"x"}"#, &["}: Reading lacks value"]),
        // Not whole yet.
        (r#"map {"sensor":"#, &[]),
        ("nothing 3", &[]),
    ];
    for (line, expected) in table {
        assert_eq!(&found(line), expected, "{line}");
    }
}

#[test]
fn deep_values_are_no_danger() {
    assert_eq!(found(&format!("plan {}", "[".repeat(100_000))), Vec::<String>::new());
}
