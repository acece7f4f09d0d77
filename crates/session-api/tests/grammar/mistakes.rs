use session_api::Snapshot;
use session_api::grammar::{AnswerHistory, NoAnswers, parse};

use crate::{history, snapshot};

/// The line, its mistake marked with `^` below it, and the words.
fn mistake(line: &str) -> (String, String, String) {
    let mistake = parse(line, &snapshot(), &history()).expect_err(line);
    let marked = " ".repeat(mistake.at.start) + &"^".repeat(mistake.at.len().max(1));
    (marked, mistake.message, mistake.hint.unwrap_or_default())
}

#[test]
fn a_mistake_points_at_the_character() {
    let table = [
        ("filtre 3", "^^^^^^", "filtre is no service of this app", "did you mean filter?"),
        ("get | flter", "      ^^^^^", "flter is no service of this app", "did you mean filter?"),
        ("zzz", "^^^", "zzz is no service of this app", "services: get, filter, map, moving_avg, join, plan"),
        ("map ü", "    ^", "ü is no service of this app", "services: get, filter, map, moving_avg, join, plan"),
        ("\"ü\" | mapp", "      ^^^^", "mapp is no service of this app", "did you mean map?"),
        ("map(get", "       ^", "a comma or ) is missing here", ""),
        ("map(get))", "        ^", "the end of the line is expected here, not )", ""),
        ("get |", "     ^", "a service or a value is missing here", ""),
        ("get | 3", "      ^", "only a service can be fed", "put the value first: 3 | map"),
        ("map {\"a\" 1}", "         ^", "not JSON: expected `:`", ""),
        ("map {\"ü\":1,}", "           ^", "not JSON: trailing comma", ""),
        ("map 3x", "     ^", "not JSON: trailing characters", ""),
        (
            "map 340282366920938463463374607431768211455",
            "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
            "the shell keeps no number of so many digits: pass it to `dyn invoke`",
            "",
        ),
        ("map \"abc", "    ^^^^", "the string does not end", "close it with \""),
        ("map 'abc'", "    ^", "the end of the line is expected here, not '", "JSON strings stand in double quotes"),
        ("map 1 2", "      ^", "map takes 1 input, 2 given", ""),
        ("get | get", "^^^", "get takes no input, 1 given", ""),
        ("join 3", "      ^", "join takes 2 inputs, 1 given", "missing: right: u32"),
        ("join right=3", "            ^", "join takes 2 inputs, 1 given", "missing: left: Option<Reading>"),
        ("join rigth=3 1", "     ^^^^^", "join has no input rigth", "did you mean right?"),
        ("join left=3 left=1", "            ^^^^", "left is fed twice", ""),
        ("map(filter(map(get)))", "           ^^^", "map would feed itself", ""),
        ("join", "    ^", "nothing in the app's flow feeds join", "give it left: Option<Reading>, right: u32"),
        ("3", "^", "a value by itself calls nothing", "name the service it is for: filter 3"),
        ("map $3", "    ^^", "there is no $3", "the last is $2"),
        ("map $0", "    ^^", "there is no $0", "the last is $2"),
        ("map $x", "    ^^", "$x is nothing", "$last is the last answer, $1 the first of this shell"),
        (":tme 3 get", " ^^^", ":tme is no command", "did you mean time?"),
        (":", " ^", "a command is missing here", ""),
        (":time get", "      ^^^", "how often to call is expected here, not get", ""),
        (":time 0 get", "      ^", "from 1 to 1000000 calls can be timed", ""),
        (":time 5", "       ^", "a service or a value is missing here", ""),
        (":state", "      ^", "a service is missing here", ""),
        (":fuse get", "         ^", "another service is missing here", ""),
        (":fuse get get", "          ^^^", "get is named twice", ""),
        (":split", "      ^", "a service is missing here", ""),
        (":split get --rest", "           ^^^^^^", ":split knows no --rest", "did you mean --reset?"),
        (":state moving_avg 3", "                  ^", "the end of the line is expected here, not 3", ""),
        (":set moving_avg", "               ^", ".NAME of a placed value of moving_avg is missing here", ""),
        (
            ":set moving_avg.AVG 3",
            "                ^^^",
            "moving_avg has no placed value AVG",
            "placed values: AVERAGE",
        ),
        (":set get.X 3", "         ^", "get has no placed value X", "there are no placed values"),
        (":set moving_avg.AVERAGE", "                       ^", "a value is missing here", ""),
        (
            ":set moving_avg.AVERAGE get",
            "                        ^^^",
            "a value is expected here, not a call",
            "call it first, then $last",
        ),
        (":why 9", "     ^", "there is no edit 9", "edits 1 to 3 are known"),
        (":help tiem", "      ^^^^", "there is no help on tiem", "did you mean time?"),
        (":push nap", "      ^^^", "nap is no service of this app", "did you mean map?"),
        (":push --plam", "      ^^^^^^", ":push knows no --plam", "did you mean --plan?"),
        (":push map --context", "                   ^", "the name of a context is missing here", ""),
        (":push --plan --yes", "             ^^^^^", "--plan does nothing, and --yes does it", "say one of them"),
        (":rollback map get", "              ^^^", "the end of the line is expected here, not get", ""),
        (":rollback --to x", "               ^", "the number of a push is expected here, not x", ""),
        (":confirm", "        ^", "nothing was pushed yet", ":push asks, and this answers"),
        (":record", "       ^", "on or off is missing here", ""),
        (":record maybe", "        ^^^^^", "maybe is neither on nor off", ""),
        (":record off now", "            ^^^", "the end of the line is expected here, not now", ""),
        (":keep", "     ^", "a name is missing here", ""),
        (":diff", "     ^", "the number of a request is missing here", ""),
        (":diff x", "      ^", "the number of a request is expected here, not x", ""),
        (":step 1 x", "        ^", "the number of a hop, from 1 on is expected here, not x", ""),
        (":step 1 2 get", "          ^^^", "a value is expected here, not a call", ""),
        (":route 3", "       ^", "a value by itself calls nothing", "name a service"),
    ];
    for (line, marked, message, hint) in table {
        let expected = (marked.to_owned(), message.to_owned(), hint.to_owned());
        assert_eq!(mistake(line), expected, "\n{line}\n{marked}");
    }
}

#[test]
fn deep_calls_are_refused_before_the_stack_ends() {
    let line = "map(".repeat(100_000);
    assert!(mistake(&line).1.starts_with("more than 64 calls"));
    assert!(mistake(&"map | ".repeat(100_000)).1.starts_with("more than 64 calls"));
    assert!(mistake(&format!("map {}", "[".repeat(100_000))).1.starts_with("not JSON: recursion limit"));
}

#[test]
fn answers_that_are_not_there() {
    let without = |line| parse(line, &snapshot(), &NoAnswers).expect_err("a mistake");
    assert_eq!(without("map $last").message, "there is no answer yet");
    assert_eq!(without(":table").message, "there is no answer yet");
    let mut kept = AnswerHistory::most(1);
    kept.keep(1.into());
    kept.keep(2.into());
    let forgotten = parse("map $1", &snapshot(), &kept).expect_err("a mistake");
    assert_eq!(forgotten.message, "$1 is forgotten: it was too long ago");
}

#[test]
fn before_the_first_good_file_nothing_is_known() {
    let empty = Snapshot::default();
    let wrong = parse("get", &empty, &NoAnswers).expect_err("a mistake");
    assert_eq!(wrong.hint.as_deref(), Some("there are no services"));
    assert_eq!(parse(":why", &empty, &NoAnswers).expect_err("a mistake").message, "there is no edit yet");
}
