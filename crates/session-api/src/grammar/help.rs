//! How to use the grammar, in words.

use std::fmt::Write;

use super::verb::{self, VERBS};

/// The topics of help besides every command.
pub const TOPICS: &[&str] = &["calls", "values", "keys", "scripts"];

/// Help on a topic or a command; an overview where none is named or it is not known.
pub fn help(topic: Option<&str>) -> String {
    match topic {
        Some("calls") => CALLS.to_owned(),
        Some("values") => VALUES.to_owned(),
        Some("keys") => KEYS.to_owned(),
        Some("scripts") => SCRIPTS.to_owned(),
        Some(name) => verb::find(name).map_or_else(overview, |verb| {
            let mut text = format!(":{} {}\n  {}\n", verb.name, verb.usage, verb.about).replace(" \n", "\n");
            verb.flags.iter().for_each(|flag| text += &format!("  {flag:<18} {}\n", option(flag)));
            text
        }),
        None => overview(),
    }
}

/// Tells the purpose of an option.
fn option(flag: &str) -> &'static str {
    match flag {
        "--reset" => "a placed value that does not serialise begins anew, instead of keeping its service where it is",
        "--plan" => "show what would be done, and do nothing",
        "--yes" => "do not ask",
        "--context" => "a context of the kubeconfig; else the current one",
        "--namespace" => "a namespace; else the context's",
        "--with-dependents" => "neighbours that would not understand a named service come along",
        "--stop" => "have the push that is under way stop where it is: the next one goes on from there",
        "--to" => "the number of the push to go back to; else the one before what runs",
        _ => "the number of the push that is undone: where another is live by now, nothing is",
    }
}

fn overview() -> String {
    let mut text = OVERVIEW.to_owned();
    for verb in VERBS {
        let usage = format!(":{} {}", verb.name, verb.usage);
        // A String takes whatever is written.
        let _ = writeln!(text, "  {usage:<28}{}", verb.about);
    }
    let _ = writeln!(text, "\nmore: :help {}", TOPICS.join(", :help "));
    text
}

const OVERVIEW: &str = "\
  filter {\"variable\":\"Heat\"}  call one service with a value
  get | filter | map          each feeds the next; the same as map(filter(get))
  map $last                   with the last answer; $1 is the first of this shell
  moving_avg                  the whole chain, fed as the app's flow feeds it

";

const CALLS: &str = "\
A service's name calls it as the app's flow feeds it. What stands behind the name feeds its inputs instead:
  join {\"a\":1} 3              one value for each input, in order
  join right=3 left={\"a\":1}   or by name
  join(get, 3)                in parentheses other services can feed it, too
  get | join 3                what stands before | feeds the first input that is not named
A service that filters ends the call without an answer.
";

const VALUES: &str = "\
Values are JSON: 3, \"text\", true, null, [1, 2], {\"field\": 1}. An enum's variant without fields is a string.
An object can go on over several lines. $last is the last answer, $1 the first of this shell, $2 the second.
";

const KEYS: &str = "\
  tab       complete a service, a command, an input, a field, a variant
  right     take the hint
  up, ^R    earlier lines
  ^C        cancel the call that runs; at the prompt: clear the line
  ^D        leave
";

const SCRIPTS: &str = "\
When lines come from a pipe there is no prompt. Values and tables go to the standard output, everything else to the
standard error; where the standard output is no terminal, each value is one line of JSON. Blank lines and lines that
begin with # are passed over. The first line that fails ends it with exit code 1; with --keep-going the others still
run, and the exit code is 1 all the same.
";
